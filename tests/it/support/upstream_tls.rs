//! TLS on the upstream's side: an authority of the test's own, certificates by it, and a server
//! that takes TLS off and passes on what is inside.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{copy, copy_bidirectional, split};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Who signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        Self {
            issuer,
            certificate,
        }
    }

    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A server for these names and addresses.
    pub fn server(&self, names: &[&str]) -> ServerConfig {
        self.sign(params(names))
    }

    /// A server whose certificate was good until some years ago.
    pub fn expired_server(&self, names: &[&str]) -> ServerConfig {
        let mut params = params(names);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        config(&certificate, &key)
    }
}

/// A server that signed for itself.
pub fn self_signed_server(names: &[&str]) -> ServerConfig {
    let key = KeyPair::generate().unwrap();
    config(&params(names).self_signed(&key).unwrap(), &key)
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    CertificateParams::new(names).unwrap()
}

fn config(certificate: &Certificate, key: &KeyPair) -> ServerConfig {
    locum::app::install_crypto_provider();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap()
}

/// Serves TLS on a free port in front of `http://ADDRESS`; its own `ADDRESS`.
pub async fn serve(config: ServerConfig, plain: &str) -> String {
    serve_until(End::Told, config, plain).await
}

/// The same, but what ends inside is cut off: no `close_notify` says that it was the end.
pub async fn serve_cut(config: ServerConfig, plain: &str) -> String {
    serve_until(End::Cut, config, plain).await
}

#[derive(Clone, Copy)]
enum End {
    Told,
    Cut,
}

async fn serve_until(end: End, config: ServerConfig, plain: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (acceptor, plain) = (
        TlsAcceptor::from(Arc::new(config)),
        plain.trim_start_matches("http://").to_owned(),
    );
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, plain) = (acceptor.clone(), plain.clone());
            tokio::spawn(async move {
                let mut inside = acceptor.accept(socket).await?;
                let mut upstream = TcpStream::connect(plain).await?;
                match end {
                    End::Told => copy_bidirectional(&mut inside, &mut upstream)
                        .await
                        .map(drop),
                    End::Cut => until_cut(inside, upstream).await,
                }
            });
        }
    });
    address
}

/// Until one of them has ended; then both are dropped, without a word.
async fn until_cut(inside: TlsStream<TcpStream>, mut upstream: TcpStream) -> std::io::Result<()> {
    let (mut requests, mut answers) = split(inside);
    let (mut from, mut to) = upstream.split();
    let copied = tokio::select! {
        copied = copy(&mut requests, &mut to) => copied,
        copied = copy(&mut from, &mut answers) => copied,
    };
    copied.map(drop)
}
