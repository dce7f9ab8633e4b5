//! What can be wrong with a certificate or its key: each is told in one line that names the file.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use encke::server::tls::Certificates;

use crate::certificates::Authority;
use crate::server::{program, run};

fn error(certificate: &Path, key: &Path) -> String {
    let loaded = Certificates::load(&[(certificate.into(), key.into())]);
    let line = loaded.expect_err("this cannot be used");
    assert!(!line.contains('\n'), "{line}");
    line
}

#[test]
fn a_good_pair_is_taken_alone_or_with_those_between_it_and_the_root() {
    let authority = Authority::new();
    let (certificate, key) = authority.issue("a", &["a.example"]);
    assert!(!Certificates::load(&[(certificate.clone(), key.clone())]).expect("good").is_empty());
    let text = fs::read_to_string(&certificate).expect("a file");
    let chain = authority.write("chain.pem", &format!("# words\n{text}\n{text}"));
    assert!(Certificates::load(&[(chain, key.clone())]).is_ok());
    let both = fs::read_to_string(&key).expect("a file") + &text;
    let both = authority.write("both.pem", &both);
    assert!(Certificates::load(&[(both.clone(), both)]).is_ok(), "one file may hold both");
    assert!(Certificates::load(&[]).expect("nothing is fine").is_empty());
}

#[test]
fn everything_that_can_be_wrong_has_its_line() {
    let authority = Authority::new();
    let (certificate, key) = authority.issue("a", &["a.example"]);
    let (other, _) = authority.issue("b", &["b.example"]);
    let (nothing, empty) = (authority.path("nothing.pem"), authority.write("empty.pem", ""));
    let text = fs::read_to_string(&certificate).expect("a file");
    let half = authority.write("half.pem", &text[..text.len() / 2]);
    let odd = authority.write("odd.pem", &text.replacen("MII", "!!!", 1));
    let hollow = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let hollow = authority.write("hollow.pem", hollow);
    let strange = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let strange = authority.write("strange.key", strange);
    let locked =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let locked = authority.write("locked.key", locked);
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n\
               AAAA\n-----END RSA PRIVATE KEY-----\n";
    let old = authority.write("old.key", old);
    let der = authority.path("a.der");
    fs::write(&der, [0x30, 0x82, 1, 1, 0]).expect("a file");
    let large = authority.path("large.pem");
    fs::write(&large, vec![b'x'; 2 << 20]).expect("a file");
    let rows: [(&PathBuf, &PathBuf, &str); 13] = [
        (&nothing, &key, "cannot read"),
        (&certificate, &nothing, "cannot read"),
        (&empty, &key, "no certificate in"),
        (&key, &certificate, "are the two files exchanged?"),
        (&certificate, &empty, "no key in"),
        (&der, &key, "looks like DER; openssl x509"),
        (&certificate, &der, "looks like DER; openssl pkey"),
        (&half, &key, "-----END----- line is missing"),
        (&odd, &key, "is not PEM as it should be"),
        (&hollow, &key, "is none that TLS can use"),
        (&certificate, &strange, "of a kind that is not spoken"),
        (&certificate, &locked, "is encrypted"),
        (&certificate, &old, "is encrypted"),
    ];
    for (certificate, key, expect) in rows {
        let line = error(certificate, key);
        assert!(line.contains(expect), "{line}");
        assert!(line.contains(authority.folder.to_str().expect("a plain name")), "{line}");
    }
    assert!(error(&other, &key).contains("does not belong to the certificate"));
    assert!(error(&large, &key).contains("has 2097152 bytes"));
}

#[test]
fn a_key_that_may_not_be_read_says_who_must_be_able_to() {
    let authority = Authority::new();
    let (certificate, key) = authority.issue("a", &["a.example"]);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o000)).expect("it is ours");
    if fs::read(&key).is_ok() {
        // For root there are no permissions, and no such error.
        return;
    }
    assert!(error(&certificate, &key).contains("the user that encke runs as must be able to"));
}

/// What the program says and how it ends.
fn refused(arguments: &[&str]) -> String {
    let mut command = program();
    command.arg("--check").args(arguments);
    let (code, out, line) = run(command);
    assert_eq!((code, out.as_str()), (Some(2), ""), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
    line
}

#[test]
fn what_is_missing_on_the_command_line_is_named() {
    let authority = Authority::new();
    let (certificate, key) = authority.issue("a", &["a.example"]);
    let (certificate, key) = (certificate.to_str().expect("plain"), key.to_str().expect("plain"));
    let here = "127.0.0.1:0";
    let both = ["--tls-cert", certificate, "--tls-key", key];
    let rows: [(&[&str], &str); 5] = [
        (&["--https", here], "encke: --https 127.0.0.1:0 needs a certificate: --tls-cert FILE"),
        (
            &["--tls-cert", certificate],
            "every certificate has a key: --tls-cert names 1, tls_key names 0",
        ),
        (&["--tls-cert", certificate, "--tls-key", certificate], "--tls-cert: there is no key in"),
        (
            &["--https", "0.0.0.0:443", both[0], both[1], both[2], both[3]],
            "--https 0.0.0.0:443 is reachable from other machines: that needs --publish-key",
        ),
        (&["--https", "example.com:443"], "--https: \"example.com:443\" is not an address"),
    ];
    for (arguments, expect) in rows {
        let line = refused(arguments);
        assert!(line.contains(expect), "{line}");
    }
}

#[cfg(feature = "config")]
#[test]
fn a_file_names_pairs_in_tables_and_shows_where_one_is_wrong() {
    let authority = Authority::new();
    authority.issue("a", &["a.example"]);
    authority.issue("b", &["b.example"]);
    let folder = authority.folder.display();
    let pair = |name: &str| {
        format!("[[tls]]\ncert = \"{folder}/{name}.pem\"\nkey = \"{folder}/{name}.key\"\n")
    };
    let check = |text: &str| {
        let file = authority.write("encke.toml", text);
        let mut command = program();
        command.arg("--check").arg("--config").arg(file);
        run(command)
    };
    let (code, out, line) = check(&format!("https = \"127.0.0.1:0\"\n{}{}", pair("a"), pair("b")));
    assert_eq!(code, Some(0), "{line}");
    assert!(out.contains("https = [\"127.0.0.1:0\"]") && out.contains("http = []"), "{out}");
    assert!(out.contains("a.pem") && out.contains("b.key"), "{out}");
    let rows = [
        ("[[tls]]\ncert = \"x\"\n", ":1: this certificate has no key: add key = \"FILE\""),
        ("[[tls]]\ncrt = \"x\"\n", ":2: unknown key \"crt\"; did you mean \"cert\"?"),
        ("[tls]\ncert = \"x\"\n", "every certificate begins with [[tls]]"),
        ("\n\n[[tls]]\ncert = \"x\"\nkey = \"y\"\n", ":3: tls: cannot read x"),
        ("cert = \"x\"\n", "does not belong here, but under [[tls]]"),
    ];
    for (text, expect) in rows {
        let (code, _, line) = check(text);
        assert_eq!(code, Some(2));
        assert!(line.contains(expect), "{line}");
    }
}
