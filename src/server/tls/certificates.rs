//! Certificates and their keys, read from PEM files (RFC 7468) and handed out by name.
//!
//! A client that names a host (SNI, RFC 6066 §3) gets the first certificate for that name which it can
//! check; whoever names none, or one that nobody has, gets the first of all: it will say what is wrong.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, NoServerSessionStorage, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error, ServerConfig};

/// Certificates of one server.
const CERTIFICATES_MAX: usize = 1_000;
/// Bytes of a file of certificates, or of a key.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// What is spoken inside. There is no other.
const PROTOCOL: &[u8] = b"http/1.1";
/// Tickets given to a client, with which it comes back more cheaply. The server keeps nothing of them.
const TICKETS: usize = 1;

/// All certificates with their keys, ready for handshakes. Cheap to clone; none, unless loaded.
#[derive(Clone, Default)]
pub struct Certificates(Option<Arc<ServerConfig>>);

impl PartialEq for Certificates {
    fn eq(&self, other: &Certificates) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        }
    }
}

impl Eq for Certificates {}

impl fmt::Debug for Certificates {
    /// Keys are nobody's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Certificates(…)" } else { "Certificates(none)" })
    }
}

impl Certificates {
    /// Reads files: certificate (with those between it and the root behind it), and its key. The error
    /// is one line for a person.
    pub fn load(files: &[(PathBuf, PathBuf)]) -> Result<Certificates, String> {
        if files.is_empty() {
            return Ok(Certificates::default());
        }
        if files.len() > CERTIFICATES_MAX {
            return Err(format!("at most {CERTIFICATES_MAX} certificates"));
        }
        let provider = Arc::new(ring::default_provider());
        let read = |(certificate, key): &(PathBuf, PathBuf)| pair(certificate, key, &provider);
        let all = files.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let config = config(ByName(all), provider);
        let config = config.map_err(|error| format!("TLS cannot be set up: {error}"))?;
        Ok(Certificates(Some(Arc::new(config))))
    }

    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Tickets that `before` gave stay good: a reload makes nobody's return dearer.
    pub fn keep_tickets_of(&mut self, before: &Certificates) {
        if let (Some(config), Some(before)) = (&mut self.0, &before.0) {
            let mut own = ServerConfig::clone(config);
            own.ticketer = Arc::clone(&before.ticketer);
            *config = Arc::new(own);
        }
    }

    /// What a handshake needs.
    pub(super) fn config(&self) -> Option<Arc<ServerConfig>> {
        self.0.clone()
    }
}

fn config(resolver: ByName, provider: Arc<CryptoProvider>) -> Result<ServerConfig, Error> {
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions()?.with_no_client_auth();
    let mut config = builder.with_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = ring::Ticketer::new()?;
    config.send_tls13_tickets = TICKETS;
    // `traffic.rs` goes on with the keys; longer ones first, as others do not fit there.
    config.enable_secret_extraction = true;
    config.ignore_client_order = true;
    Ok(config)
}

/// Reads one certificate and its key.
fn pair(
    certificate: &Path,
    key: &Path,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, String> {
    let (certificate, key) = (File::read(certificate)?, File::read(key)?);
    let chain = certificate.chain()?;
    let pair = CertifiedKey::from_der(chain, key.key()?, provider);
    pair.map(Arc::new).map_err(|error| match error {
        Error::InconsistentKeys(_) => {
            format!("the key {key} does not belong to the certificate {certificate}")
        }
        Error::InvalidCertificate(why) => {
            format!("the certificate {certificate} is none that TLS can use: {why:?}")
        }
        _ => format!(
            "the key {key} is of a kind that is not spoken: RSA of 2048 bits or more, ECDSA with \
             P-256, P-384 or P-521, or Ed25519"
        ),
    })
}

/// A file's name and bytes.
struct File<'a> {
    path: &'a Path,
    bytes: Vec<u8>,
}

impl fmt::Display for File<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

impl File<'_> {
    fn read(path: &Path) -> Result<File<'_>, String> {
        let name = path.display();
        let cannot = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::PermissionDenied => {
                format!("cannot read {name}: {error}; the user that encke runs as must be able to")
            }
            _ => format!("cannot read {name}: {error}"),
        };
        let bytes = fs::metadata(path).map_err(cannot)?.len();
        if bytes > FILE_BYTES_MAX {
            return Err(format!("{name} has {bytes} bytes, which no certificate or key needs"));
        }
        Ok(File { path, bytes: fs::read(path).map_err(cannot)? })
    }

    fn chain(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.bytes).collect();
        match chain {
            Ok(chain) if !chain.is_empty() => Ok(chain),
            Ok(_) if self.holds("PRIVATE KEY-----") => {
                Err(format!("{self} holds a key, but no certificate: are the two files exchanged?"))
            }
            Ok(_) => Err(format!(
                "there is no certificate in {self}: it has no line -----BEGIN CERTIFICATE-----{}",
                self.hint_of_der("x509")
            )),
            Err(error) => Err(self.broken(&error)),
        }
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, String> {
        PrivateKeyDer::from_pem_slice(&self.bytes).map_err(|error| match error {
            _ if self.is_encrypted() => format!(
                "the key {self} is encrypted, and nobody is there to type its password: \
                 openssl pkey -in {self} -out FILE writes it in clear"
            ),
            PemError::NoItemsFound => format!(
                "there is no key in {self}: it has no line -----BEGIN PRIVATE KEY-----{}",
                self.hint_of_der("pkey")
            ),
            error => self.broken(&error),
        })
    }

    fn holds(&self, text: &str) -> bool {
        self.bytes.windows(text.len()).any(|window| window == text.as_bytes())
    }

    /// RFC 7468 §11, and the older way of RFC 1421 §4.6.1.1.
    fn is_encrypted(&self) -> bool {
        self.holds("-----BEGIN ENCRYPTED PRIVATE KEY-----") || self.holds("Proc-Type: 4,ENCRYPTED")
    }

    /// What to do about a file that begins as the other form does: a SEQUENCE of a two-byte length.
    fn hint_of_der(&self, command: &str) -> String {
        if !self.bytes.starts_with(&[0x30, 0x82]) {
            return String::new();
        }
        format!(
            ", but looks like DER; openssl {command} -inform DER -in {self} -out FILE makes PEM"
        )
    }

    fn broken(&self, error: &PemError) -> String {
        let why = match error {
            PemError::MissingSectionEnd { .. } => "its -----END----- line is missing".to_owned(),
            PemError::IllegalSectionStart { .. } => "a -----BEGIN line is broken off".to_owned(),
            other => other.to_string(),
        };
        format!("{self} is not PEM as it should be: {why}")
    }
}

/// Chooses among certificates.
#[derive(Debug)]
struct ByName(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let signs =
            |pair: &&Arc<CertifiedKey>| pair.key.choose_scheme(hello.signature_schemes()).is_some();
        let is_for =
            |pair: &&Arc<CertifiedKey>| name.as_ref().is_some_and(|name| names(pair, name));
        let found = self.0.iter().filter(is_for).find(signs);
        found.or_else(|| self.0.iter().find(signs)).or(self.0.first()).cloned()
    }
}

/// Whether a certificate is one for this name, wildcards included (RFC 9525 §6.3).
fn names(pair: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let Ok(end) = pair.end_entity_cert() else { return false };
    ParsedCertificate::try_from(end).is_ok_and(|end| verify_server_name(&end, name).is_ok())
}
