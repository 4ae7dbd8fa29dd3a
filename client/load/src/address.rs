//! Addresses of servers and their peers, as they are written.

use std::net::IpAddr;

use url::Url;

use crate::{
    peer::socket::Place,
    plan::{Server, Trust},
    side::Peer,
};

/// The port of a server of ours where none is named.
const PORT: u16 = 7070;

impl Server {
    /// Reads `HOST:PORT`, `hotplate://HOST:PORT/NAMESPACE`, `http://…` or `https://…`. `trust` is for TLS, which `https`
    /// asks for, and a certificate of one's own as well.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str, trust: Trust) -> Result<Self, String> {
        let url = if text.contains("://") { Url::parse(text) } else { Url::parse(&format!("hotplate://{text}")) };
        let url = url.map_err(|wrong| format!("the address is not a URL: {wrong}"))?;
        let tls = match url.scheme() {
            "https" => true,
            "hotplate" | "http" => matches!(trust, Trust::Pem(_)),
            other => return Err(format!("unknown scheme `{other}`: use hotplate://, http:// or https://")),
        };
        let (host, port) = host_and_port(&url, PORT)?;
        let namespace = url.path().trim_matches('/').to_owned();
        Ok(Self { host, port, tls: tls.then_some(trust), token: None, namespace })
    }

    /// Whether it is this machine, where nobody else can listen in.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl Peer {
    /// Reads the address of a server or of a peer: `redis://HOST:PORT/DATABASE`, `memcached://HOST:PORT`, `etcd://HOST:PORT`, or one of ours as
    /// [`Server::parse`] reads it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str, trust: Trust) -> Result<Self, String> {
        let scheme = text.split_once("://").map(|(scheme, _)| scheme);
        let url = || Url::parse(text).map_err(|wrong| format!("the address is not a URL: {wrong}"));
        let place = |url: &Url, port| host_and_port(url, port).map(|(host, port)| Place { host, port });
        match scheme {
            Some("redis") => {
                let url = url()?;
                let database = url.path().trim_matches('/');
                let database = if database.is_empty() { Some(0) } else { database.parse().ok() };
                let database = database.ok_or("the path of a redis:// address is the number of a database")?;
                Ok(Self::Redis(place(&url, 6379)?, database))
            }
            Some("etcd") => Ok(Self::Etcd(place(&url()?, 2_379)?)),
            Some("memcached") => Ok(Self::Memcached(place(&url()?, 11_211)?)),
            _ => Server::parse(text, trust).map(Self::Hotplate),
        }
    }
}

fn host_and_port(url: &Url, port: u16) -> Result<(String, u16), String> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an address carries no credentials".into());
    }
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or("the address names no host")?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok((host, url.port_or_known_default().unwrap_or(port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_every_form() {
        for (text, host, port, tls, namespace) in [
            ("cache", "cache", 7070, false, ""),
            ("127.0.0.1:81", "127.0.0.1", 81, false, ""),
            ("hotplate://[::1]:9/ml", "::1", 9, false, "ml"),
            ("https://cache", "cache", 443, true, ""),
        ] {
            let server = Server::parse(text, Trust::System).expect(text);
            assert_eq!((server.host.as_str(), server.port, server.tls.is_some()), (host, port, tls));
            assert_eq!(server.namespace, namespace);
        }
        for text in ["ftp://x", "http://user@host", "http://", "redis://x:1"] {
            assert!(Server::parse(text, Trust::System).is_err(), "{text}");
        }
        assert!(Server::parse("cache", Trust::Pem(Vec::new())).expect("an address").tls.is_some());
    }
}
