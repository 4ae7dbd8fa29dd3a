//! TLS of the gRPC port from a certificate and a key file. Every failure names the file and what is wrong with it.

use std::{fmt, fs, path::Path, sync::Arc};

use rustls::{ServerConfig, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio_rustls::TlsAcceptor;

use crate::config::TlsSettings;

/// Why TLS cannot be set up: a sentence that names the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsError(String);

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TlsError {}

/// Makes what accepts TLS connections; `None` when no certificate is configured.
///
/// # Errors
/// Only one of both files configured, a file that cannot be read or holds something else, a key of another certificate.
pub fn acceptor(settings: &TlsSettings) -> Result<Option<TlsAcceptor>, TlsError> {
    let (cert_file, key_file) = match (&settings.cert_file, &settings.key_file) {
        (None, None) => return Ok(None),
        (Some(cert), Some(key)) => (cert, key),
        (Some(cert), None) => {
            return Err(TlsError(format!("tls.cert_file is {} but tls.key_file is not set", cert.display())));
        }
        (None, Some(key)) => {
            return Err(TlsError(format!("tls.key_file is {} but tls.cert_file is not set", key.display())));
        }
    };
    let chain = certificates(cert_file)?;
    let key = private_key(key_file)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError(format!("TLS cannot be set up: {error}")))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| mismatch(cert_file, key_file, &error))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = read("tls.cert_file", file)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let chain = chain.map_err(|error| TlsError(format!("tls.cert_file {}: bad PEM: {error}", file.display())))?;
    if chain.is_empty() {
        let name = file.display();
        return Err(TlsError(format!("tls.cert_file {name}: holds no `BEGIN CERTIFICATE` section")));
    }
    Ok(chain)
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let pem = read("tls.key_file", file)?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|error| {
        let name = file.display();
        let what = match error {
            rustls_pki_types::pem::Error::NoItemsFound => "holds no `BEGIN PRIVATE KEY` section".to_owned(),
            other => format!("bad PEM: {other}"),
        };
        TlsError(format!("tls.key_file {name}: {what}"))
    })
}

fn read(key: &str, file: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(file).map_err(|error| TlsError(format!("{key} {}: cannot be read: {error}", file.display())))
}

fn mismatch(cert_file: &Path, key_file: &Path, error: &rustls::Error) -> TlsError {
    let (cert, key) = (cert_file.display(), key_file.display());
    let what = match error {
        rustls::Error::InconsistentKeys(_) => "the key does not belong to the certificate".to_owned(),
        other => other.to_string(),
    };
    TlsError(format!("tls.cert_file {cert} with tls.key_file {key}: {what}"))
}
