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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use rustls::{ClientConfig, RootCertStore};
    use rustls_pki_types::ServerName;
    use tempfile::TempDir;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
    use tokio_rustls::TlsConnector;

    use super::*;

    struct Pair {
        dir: TempDir,
        settings: TlsSettings,
        certificate: CertificateDer<'static>,
    }

    fn pair() -> Pair {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let dir = TempDir::new().unwrap();
        let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
        fs::write(&cert, made.cert.pem()).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let settings = TlsSettings { cert_file: Some(cert), key_file: Some(key) };
        Pair { dir, settings, certificate: made.cert.der().clone() }
    }

    fn refusal(settings: &TlsSettings) -> String {
        match acceptor(settings) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("{settings:?} was accepted"),
        }
    }

    fn connector(pair: &Pair, versions: &[&'static rustls::SupportedProtocolVersion]) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(pair.certificate.clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        TlsConnector::from(Arc::new(config))
    }

    #[tokio::test]
    async fn a_peer_that_trusts_the_certificate_gets_http2_over_tls() {
        let pair = pair();
        for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
            let acceptor = acceptor(&pair.settings).unwrap().unwrap();
            let (near, far) = tokio::io::duplex(16 << 10);
            // The client stays open: the server still sends session tickets.
            let (_open, got) = tokio::join!(ping(connector(&pair, &[version]), near), read_four(acceptor, far));
            assert_eq!(&got, b"ping");
        }
    }

    async fn ping(connector: TlsConnector, near: DuplexStream) -> impl Sized {
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = connector.connect(name, near).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        stream.write_all(b"ping").await.unwrap();
        stream.flush().await.unwrap();
        stream
    }

    async fn read_four(acceptor: TlsAcceptor, far: DuplexStream) -> [u8; 4] {
        let mut stream = acceptor.accept(far).await.unwrap();
        let mut got = [0; 4];
        stream.read_exact(&mut got).await.unwrap();
        got
    }

    #[test]
    fn without_files_there_is_no_tls() {
        assert!(acceptor(&TlsSettings::default()).unwrap().is_none());
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_with_its_name() {
        let (one, other) = (pair(), pair());
        let with = |cert: &PathBuf, key: &PathBuf| {
            refusal(&TlsSettings { cert_file: Some(cert.clone()), key_file: Some(key.clone()) })
        };
        let (cert, key) = (one.settings.cert_file.clone().unwrap(), one.settings.key_file.clone().unwrap());
        let absent = one.dir.path().join("absent.pem");
        let empty = one.dir.path().join("empty.pem");
        fs::write(&empty, "").unwrap();
        assert!(with(&absent, &key).contains("tls.cert_file") && with(&absent, &key).contains("absent.pem"));
        assert!(with(&cert, &absent).contains("tls.key_file") && with(&cert, &absent).contains("cannot be read"));
        assert!(with(&empty, &key).contains("empty.pem: holds no `BEGIN CERTIFICATE`"));
        assert!(with(&cert, &empty).contains("empty.pem: holds no `BEGIN PRIVATE KEY`"));
        assert!(with(&cert, &cert).contains("holds no `BEGIN PRIVATE KEY`"));
        let foreign = other.settings.key_file.clone().unwrap();
        assert!(with(&cert, &foreign).contains("does not belong to the certificate"), "{}", with(&cert, &foreign));
        let half = TlsSettings { cert_file: Some(cert.clone()), key_file: None };
        assert!(refusal(&half).contains("tls.key_file is not set"));
        let half = TlsSettings { cert_file: None, key_file: Some(key) };
        assert!(refusal(&half).contains("tls.cert_file is not set"));
    }
}
