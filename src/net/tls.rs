//! Whose certificates are believed: the system's authorities, or Mozilla's list of the build where
//! the system has none (an image made from nothing), and those that the operator adds.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::{ClientConfig, RootCertStore};

/// Authorities that the operator adds.
pub type ExtraRoots = Vec<CertificateDer<'static>>;

/// Why a bundle of certificates cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "upstream.ca_file {path}: {reason}; it holds the certificates of authorities in PEM \
     (-----BEGIN CERTIFICATE-----)"
)]
pub struct CaFileError {
    path: PathBuf,
    reason: String,
}

/// Reads `upstream.ca_file`; every certificate in it has to be one.
pub fn read_ca_file(path: &Path) -> Result<ExtraRoots, CaFileError> {
    let failed = |reason: String| CaFileError {
        path: path.to_owned(),
        reason,
    };
    let pem = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let found: Result<ExtraRoots, PemError> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|error| failed(error.to_string()))?;
    if found.is_empty() {
        return Err(failed("there is no certificate in it".to_owned()));
    }
    let mut store = RootCertStore::empty();
    for (index, certificate) in found.iter().enumerate() {
        store
            .add(certificate.clone())
            .map_err(|error| failed(format!("certificate {}: {error}", index + 1)))?;
    }
    Ok(found)
}

/// The settings of every TLS connection. The process installs a crypto provider before.
pub fn tls_config(extra: &ExtraRoots) -> ClientConfig {
    let mut roots = system_roots();
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        tracing::debug!("the system has no certificate authorities: those of the build are used");
    }
    roots.add_parsable_certificates(extra.iter().cloned());
    ClientConfig::builder()
        .with_root_certificates(Arc::new(roots))
        .with_no_client_auth()
}

fn system_roots() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "a certificate authority of the system cannot be read");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    roots
}
