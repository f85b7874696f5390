//! Certificate and key as files: who may read them, what has to be in them.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use zeroize::Zeroizing;

use super::expiry;
use crate::file_stamp::FileStamp;

/// Larger files are no certificates.
const MAX_FILE: u64 = 1 << 20;

/// Where the pair of a listener is.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The section of the configuration that names them, such as `server`.
    pub section: &'static str,
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// The key is in a secret mount: another owner and readers are acceptable.
    pub mounted_secret: bool,
}

/// Why there is no certificate to serve with.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{section}.tls: {path}: {source}")]
    Io {
        section: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{0}.tls: {1} is not a regular file")]
    NotAFile(&'static str, PathBuf),
    #[error(
        "{section}.tls: the key {path} has mode {mode:04o}, so others can read or change it; run: chmod \
         o=,g-w {path}, or set {section}.tls.mounted_secret = true for a secret mount"
    )]
    Mode {
        section: &'static str,
        path: PathBuf,
        mode: u32,
    },
    #[error(
        "{0}.tls: the key {1} belongs to another user; chown it to root or to the user that runs \
         locum, or set {0}.tls.mounted_secret = true for a secret mount"
    )]
    Owner(&'static str, PathBuf),
    #[error(
        "{0}.tls: {1} holds no certificate; it has to be PEM: the certificate of the listener \
         first, then those between it and its root"
    )]
    NoCertificate(&'static str, PathBuf),
    #[error("{0}.tls: {1} holds no key; it has to be PEM, unencrypted: PKCS#8, SEC1 or PKCS#1")]
    NoKey(&'static str, PathBuf),
    #[error(
        "{section}.tls: the certificate {certificate} and the key {key} do not make a pair: {reason}"
    )]
    Pair {
        section: &'static str,
        certificate: PathBuf,
        key: PathBuf,
        reason: String,
    },
}

/// Of both files.
pub(super) type Stamp = [FileStamp; 2];

impl TlsFiles {
    pub(super) fn stamp(&self) -> Stamp {
        [&self.certificate, &self.key].map(|path| FileStamp::of(path))
    }

    /// The configuration for handshakes, and when the certificate ends.
    pub(super) fn load(&self) -> Result<(Arc<ServerConfig>, Timestamp), TlsError> {
        let chain = self.chain()?;
        let no_certificate = || TlsError::NoCertificate(self.section, self.certificate.clone());
        let ends = chain.first().and_then(|leaf| expiry::not_after(leaf));
        let ends = ends.ok_or_else(no_certificate)?;
        let key = self.key()?;
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_protocol_versions(&[&TLS13, &TLS12])
                .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
                .map_err(|error| TlsError::Pair {
                    section: self.section,
                    certificate: self.certificate.clone(),
                    key: self.key.clone(),
                    reason: error.to_string(),
                })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok((Arc::new(config), ends))
    }

    fn chain(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let text = self.read(&self.certificate, |_| Ok(()))?;
        CertificateDer::pem_slice_iter(&text)
            .collect::<Result<Vec<_>, _>>()
            .ok()
            .filter(|chain| !chain.is_empty())
            .ok_or_else(|| TlsError::NoCertificate(self.section, self.certificate.clone()))
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        let text = self.read(&self.key, |file| self.check_private(file))?;
        PrivateKeyDer::from_pem_slice(&text)
            .map_err(|_| TlsError::NoKey(self.section, self.key.clone()))
    }

    /// What was checked is what is read: both through one descriptor.
    fn read(
        &self,
        path: &Path,
        check: impl FnOnce(&std::fs::Metadata) -> Result<(), TlsError>,
    ) -> Result<Zeroizing<Vec<u8>>, TlsError> {
        let io = |source| TlsError::Io {
            section: self.section,
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        if !metadata.is_file() {
            return Err(TlsError::NotAFile(self.section, path.to_owned()));
        }
        check(&metadata)?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(64 * 1024));
        file.take(MAX_FILE).read_to_end(&mut bytes).map_err(io)?;
        Ok(bytes)
    }

    /// Root or this user owns it; a group may read it (Debian's `ssl-cert`), others may not. In a
    /// secret mount everybody in the container may, but nobody else may write.
    fn check_private(&self, file: &std::fs::Metadata) -> Result<(), TlsError> {
        let mode = file.mode() & 0o7777;
        let forbidden = if self.mounted_secret { 0o022 } else { 0o027 };
        if mode & forbidden != 0 {
            return Err(TlsError::Mode {
                section: self.section,
                path: self.key.clone(),
                mode,
            });
        }
        let owners = [0, rustix::process::geteuid().as_raw()];
        if self.mounted_secret || owners.contains(&file.uid()) {
            return Ok(());
        }
        Err(TlsError::Owner(self.section, self.key.clone()))
    }
}

/// The certificate that a listener with these files presents; its key is not touched.
pub fn leaf(files: &TlsFiles) -> Result<CertificateDer<'static>, TlsError> {
    let mut chain = files.chain()?;
    Ok(chain.swap_remove(0))
}
