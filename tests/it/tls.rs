//! TLS on the gRPC port: who is trusted, and what is said of files that cannot be used.

use std::path::Path;

use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use crate::{
    harness::{Local, Setup, unlimited},
    wire::*,
};

/// An authority that is its own root.
fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Writes a certificate for localhost and its key; answers their paths.
fn written(by: &CertifiedIssuer<'static, KeyPair>, folder: &Path) -> (std::path::PathBuf, std::path::PathBuf) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, by).unwrap();
    let (cert_file, key_file) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&cert_file, certificate.pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    (cert_file, key_file)
}

async fn connect(server: &Local, root: &str) -> Result<Channel, tonic::transport::Error> {
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(root)).domain_name("localhost");
    Endpoint::from_shared(format!("https://{}", server.grpc)).unwrap().tls_config(tls).unwrap().connect().await
}

async fn secured(root: &CertifiedIssuer<'static, KeyPair>, folder: &Path) -> Local {
    let (cert_file, key_file) = written(root, folder);
    Local::with(|settings| {
        settings.tls.cert_file = Some(cert_file);
        settings.tls.key_file = Some(key_file);
    })
    .await
}

#[tokio::test]
async fn a_client_that_trusts_the_authority_is_served() {
    let (root, folder) = (authority("root"), tempfile::tempdir().unwrap());
    let server = secured(&root, folder.path()).await;
    let mut client = unlimited(connect(&server, &root.pem()).await.unwrap());
    client.store(put("k", "v")).await;
    assert_eq!(client.value("k").await.unwrap(), b"v");
}

#[tokio::test]
async fn connections_on_several_workers_are_served_the_same_entries() {
    let (root, folder) = (authority("root"), tempfile::tempdir().unwrap());
    let (cert_file, key_file) = written(&root, folder.path());
    let server = Local::with(|settings| {
        settings.tls.cert_file = Some(cert_file);
        settings.tls.key_file = Some(key_file);
        settings.server.workers = 3;
    })
    .await;
    let mut first = unlimited(connect(&server, &root.pem()).await.unwrap());
    first.store(put("k", "v")).await;
    // Connections are dealt out in turn: these reach every worker, one of them twice.
    for _ in 0..4 {
        let mut other = unlimited(connect(&server, &root.pem()).await.unwrap());
        assert_eq!(other.value("k").await.unwrap(), b"v");
    }
}

#[tokio::test]
async fn strangers_and_plaintext_get_nothing_and_disturb_nobody() {
    let (root, folder) = (authority("root"), tempfile::tempdir().unwrap());
    let server = secured(&root, folder.path()).await;
    let mut client = unlimited(connect(&server, &root.pem()).await.unwrap());
    connect(&server, &authority("stranger").pem()).await.expect_err("the certificate is not trusted");
    let plain = Endpoint::from_shared(format!("http://{}", server.grpc)).unwrap().connect().await;
    if let Ok(channel) = plain {
        let mut plain = unlimited(channel);
        let refused = within("an end of plaintext", Box::pin(plain.get(get("k")))).await;
        refused.expect_err("no plaintext on this port");
    }
    client.store(put("k", "v")).await;
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let (root, folder) = (authority("root"), tempfile::tempdir().unwrap());
    let (cert_file, key_file) = written(&root, folder.path());
    let other = tempfile::tempdir().unwrap();
    let (_, foreign_key) = written(&root, other.path());
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let missing = folder.path().join("missing.pem");
    let cases = [
        (Some(&cert_file), None, "tls.key_file"),
        (None, Some(&key_file), "tls.cert_file"),
        (Some(&missing), Some(&key_file), "missing.pem"),
        (Some(&empty), Some(&key_file), "empty.pem"),
        (Some(&cert_file), Some(&empty), "empty.pem"),
        (Some(&cert_file), Some(&foreign_key), "does not belong"),
    ];
    for (cert, key, named) in cases {
        let mut config = String::new();
        for (name, file) in [("cert_file", cert), ("key_file", key)] {
            config.extend(file.map(|file| format!("tls.{name} = \"{}\"\n", file.display())));
        }
        let (status, output, errors) = Setup::default().config(&config).run();
        assert!(!status.success(), "{config}");
        assert!(errors.contains(named), "{named} is not in: {errors}");
        assert!(output.is_empty(), "nothing listens: {output}");
    }
}
