//! Certificates for servers that speak TLS: an authority of its own for each. Which server uses them is not known here.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::Result;

/// An authority's certificate, and a server's certificate and key for `localhost` and 127.0.0.1, as PEM files.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// The authority's certificate: what clients are to trust.
    pub ca: PathBuf,
    /// The server's certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Certificates {
    /// Makes them and writes them into a folder.
    ///
    /// # Errors
    /// When they cannot be made or written.
    pub fn make(folder: &Path) -> Result<Self> {
        let failed = |error: rcgen::Error| format!("cannot make a certificate: {error}");
        let mut params = CertificateParams::new(Vec::<String>::new()).map_err(failed)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().map_err(failed)?).map_err(failed)?;
        let key = KeyPair::generate().map_err(failed)?;
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let signed = CertificateParams::new(names).map_err(failed)?.signed_by(&key, &authority).map_err(failed)?;
        let made =
            Self { ca: folder.join("ca.pem"), certificate: folder.join("server.pem"), key: folder.join("server.key") };
        for (path, text) in
            [(&made.ca, authority.pem()), (&made.certificate, signed.pem()), (&made.key, key.serialize_pem())]
        {
            fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        }
        Ok(made)
    }
}
