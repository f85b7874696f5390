//! Asks the admin listener of this configuration whether it is ready, as its operator would.
//!
//! The listener may have TLS with a certificate for names that this process does not connect by,
//! from an authority that it does not know. What it has is the file: the listener has to present
//! the certificate that is in it and prove that it holds the key.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::listeners::admin_files;
use crate::config::Loaded;
use crate::http::tls::{self, TlsError};

const TIMEOUT: Duration = Duration::from_secs(3);
const MAX_ANSWER: u64 = 64 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("no connection could be made: {0}")]
    Connect(std::io::Error),
    #[error(
        "TLS: {0}; if the certificate file was changed, the log of the server says why it is not \
         used"
    )]
    Handshake(std::io::Error),
    #[error("the connection broke before the answer was complete: {0}")]
    Interrupted(std::io::Error),
    #[error("no complete answer came in time")]
    Timeout,
    #[error("the answer is no HTTP")]
    Malformed,
}

/// Status and body of `/readyz` at `address`.
pub async fn ready(loaded: &Loaded, address: SocketAddr) -> Result<(u16, Vec<u8>), ProbeError> {
    tokio::time::timeout(TIMEOUT, ask(loaded, address))
        .await
        .map_err(|_| ProbeError::Timeout)?
}

async fn ask(loaded: &Loaded, address: SocketAddr) -> Result<(u16, Vec<u8>), ProbeError> {
    let files = admin_files(loaded);
    let pinned = files.map(|files| tls::leaf(&files)).transpose()?;
    let stream = TcpStream::connect(address)
        .await
        .map_err(ProbeError::Connect)?;
    let Some(pinned) = pinned else {
        return exchange(stream, address).await;
    };
    let name = ServerName::from(address.ip());
    let stream = TlsConnector::from(Arc::new(client(pinned).map_err(broken)?))
        .connect(name, stream)
        .await
        .map_err(ProbeError::Handshake)?;
    exchange(stream, address).await
}

fn broken(error: Error) -> ProbeError {
    ProbeError::Handshake(std::io::Error::other(error))
}

async fn exchange<S>(mut stream: S, address: SocketAddr) -> Result<(u16, Vec<u8>), ProbeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let written = stream.write_all(request.as_bytes()).await;
    written.map_err(ProbeError::Interrupted)?;
    let mut answer = Vec::new();
    let read = stream.take(MAX_ANSWER).read_to_end(&mut answer).await;
    read.map_err(ProbeError::Interrupted)?;
    parse(&answer).ok_or(ProbeError::Malformed)
}

/// Our own server states the length of what it sends, and closes after it.
fn parse(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer[end + 4..].to_vec()))
}

fn client(pinned: CertificateDer<'static>) -> Result<ClientConfig, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Pinned {
        certificate: pinned,
        provider: provider.clone(),
    };
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

/// Accepts one certificate and no other; whether the other end holds its key is checked as always.
#[derive(Debug)]
struct Pinned {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *end_entity == self.certificate {
            return Ok(ServerCertVerified::assertion());
        }
        let unknown = CertificateError::ApplicationVerificationFailure;
        Err(Error::InvalidCertificate(unknown))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
