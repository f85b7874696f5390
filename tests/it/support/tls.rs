//! Certificates for tests, their files, and a client that trusts their authority.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::program::write_private;

/// A certificate authority of a test's own.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    /// The authority's own certificate.
    pub pem: String,
}

/// A certificate with its key, both as PEM.
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap();
        let (root, pem) = (root.der().clone(), root.pem());
        let issuer = Issuer::new(params, key);
        Self { issuer, root, pem }
    }

    /// A certificate for loopback that ends at a date.
    pub fn issue_until(&self, (year, month, day): (i32, u8, u8)) -> Pair {
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.not_after = rcgen::date_time_ymd(year, month, day);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Pair {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    pub fn issue(&self) -> Pair {
        self.issue_until((2120, 1, 1))
    }

    /// A client of this authority that offers these protocols.
    pub fn client(&self, protocols: &[&str]) -> TlsConnector {
        locum::app::install_crypto_provider();
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let mut config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        TlsConnector::from(Arc::new(config))
    }

    /// A connection to `https://ADDRESS`.
    pub async fn connect(&self, url: &str, protocols: &[&str]) -> TlsStream<TcpStream> {
        let address = url.split("://").last().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        self.client(protocols).connect(name, stream).await.unwrap()
    }
}

impl Pair {
    /// Writes `NAME.pem` and `NAME.key`.
    pub fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let certificate = folder.join(format!("{name}.pem"));
        let key = folder.join(format!("{name}.key"));
        std::fs::write(&certificate, &self.certificate).unwrap();
        write_private(&key, &self.key);
        (certificate, key)
    }
}

/// The value of a `tls` key.
pub fn section((certificate, key): &(PathBuf, PathBuf)) -> String {
    let (certificate, key) = (certificate.display(), key.display());
    format!("{{ certificate = \"{certificate}\", key = \"{key}\" }}")
}

/// The certificate that the other end presented.
pub fn presented(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    let chain = stream.get_ref().1.peer_certificates().unwrap();
    chain[0].clone().into_owned()
}
