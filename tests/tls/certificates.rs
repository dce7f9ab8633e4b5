//! Certificates for one test run: an authority of its own, in a folder of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

static FOLDERS: AtomicUsize = AtomicUsize::new(0);

/// An authority, and a folder that holds what it has issued. Removed at the end.
pub struct Authority {
    pub folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
}

impl Authority {
    pub fn new() -> Authority {
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("encke-tls-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).expect("a folder");
        let mut params = CertificateParams::new(Vec::new()).expect("names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let root = params.self_signed(&key).expect("a certificate").der().clone();
        Authority { folder, issuer: Issuer::new(params, key), root }
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    pub fn write(&self, file: &str, text: &str) -> PathBuf {
        let path = self.path(file);
        fs::write(&path, text).expect("a file");
        path
    }

    /// A certificate for these names, and its key: `NAME.pem`, `NAME.key`.
    pub fn issue(&self, file: &str, names: &[&str]) -> (PathBuf, PathBuf) {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let params = CertificateParams::new(names).expect("names");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (
            self.write(&format!("{file}.pem"), &certificate.pem()),
            self.write(&format!("{file}.key"), &key.serialize_pem()),
        )
    }

    /// A client that trusts this authority.
    pub fn client(&self, versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).expect("a root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("versions");
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.enable_secret_extraction = true;
        Arc::new(config)
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        // Left behind, it would only be clutter.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The certificate in a file.
pub fn read(path: &Path) -> CertificateDer<'static> {
    let text = fs::read(path).expect("a file");
    CertificateDer::from_pem_slice(&text).expect("a certificate")
}
