//! Where a server is: how an address is written, and what connection it becomes. Choosing among several lives in
//! `pool`.

use std::{net::IpAddr, time::Duration};

use tonic::transport::{ClientTlsConfig, Endpoint};
use url::Url;

use crate::{Error, Profile, Result, ttl};

/// The port of `hotplate://` where none is named; `http://` and `https://` have their own.
const DEFAULT_PORT: u16 = 7070;
/// Silence after which a connection with open calls is checked.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
/// How long a check may take before the connection counts as lost.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Flow control of one stream: large enough that a 1 MiB value never waits for an update.
const STREAM_WINDOW: u32 = 4 << 20;
/// Flow control of one connection. It also scales what h2 tolerates in small unread frames, which a Watch needs.
const CONNECTION_WINDOW: u32 = 16 << 20;

/// Bytes of a frame that a server may send: large values come in few of them.
const FRAME_BYTES_MAX: u32 = 256 << 10;

/// One address, taken apart, with the settings its query gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: bool,
    pub(crate) namespace: Option<String>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) profile: Option<Profile>,
}

impl Address {
    /// Reads `hotplate://host:7070/namespace?timeout=250ms`, `http://…`, `https://…`, or plain `host:port`.
    ///
    /// # Errors
    /// A configuration error that names what is wrong. The address itself is not repeated: it may hold a secret.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let url = if text.contains("://") { Url::parse(text) } else { Url::parse(&format!("hotplate://{text}")) };
        let url = url.map_err(|cause| Error::configuration(format!("the address is not a URL: {cause}")))?;
        let tls = match url.scheme() {
            "hotplate" | "http" => false,
            "https" => true,
            other => {
                return Err(Error::configuration(format!(
                    "unknown scheme `{other}`: use hotplate://, http:// or https://"
                )));
            }
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::configuration("an address carries no credentials: use the token setting"));
        }
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| Error::configuration("the address names no host"))?.to_owned();
        let namespace = Some(url.path().trim_matches('/').to_owned()).filter(|path| !path.is_empty());
        let port = url.port_or_known_default().unwrap_or(DEFAULT_PORT);
        let mut address = Self { host, port, tls, namespace, timeout: None, profile: None };
        for (name, value) in url.query_pairs() {
            address.apply(&name, &value)?;
        }
        Ok(address)
    }

    fn apply(&mut self, name: &str, value: &str) -> Result<()> {
        match name {
            "timeout" => self.timeout = Some(ttl::parse_duration(value)?),
            "profile" => self.profile = Some(Profile::named(value)?),
            "tls" => match value {
                "true" => self.tls = true,
                "false" if !self.tls => {}
                "false" => return Err(Error::configuration("the address is https:// and says `tls=false`")),
                // What is misspelt must not send a token in the clear.
                _ => return Err(Error::configuration("`tls` in the address is `true` or `false`")),
            },
            _ => {
                return Err(Error::configuration(format!(
                    "unknown setting `{name}` in the address: `timeout`, `profile` and `tls` are known"
                )));
            }
        }
        Ok(())
    }

    /// Whether the host is this machine, where nobody else can listen in.
    pub(crate) fn is_loopback(&self) -> bool {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// The connection this address becomes. Nothing is opened yet.
    pub(crate) fn endpoint(&self, tls: Option<&ClientTlsConfig>, profile: &Profile) -> Result<Endpoint> {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let endpoint = Endpoint::from_shared(format!("{scheme}://{}:{}", self.host, self.port))
            .map_err(|cause| Error::configuration(format!("the address cannot be used: {cause}")))?
            .connect_timeout(profile.connect_timeout)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(FRAME_BYTES_MAX)
            .tcp_nodelay(true)
            .user_agent(concat!("hotplate-rust/", env!("CARGO_PKG_VERSION")))
            .map_err(|cause| Error::configuration(format!("the user agent cannot be used: {cause}")))?;
        match tls {
            Some(tls) => endpoint
                .tls_config(tls.clone())
                .map_err(|cause| Error::configuration(format!("the TLS settings cannot be used: {cause}"))),
            None => Ok(endpoint),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, u16, bool, Option<String>) {
        let address = Address::parse(text).expect("valid");
        (address.host, address.port, address.tls, address.namespace)
    }

    #[test]
    fn addresses_are_read_in_every_form() {
        let none = None::<String>;
        let cases = [
            ("hotplate://cache", ("cache", 7070, false, none.clone())),
            ("cache:81", ("cache", 81, false, none.clone())),
            ("127.0.0.1", ("127.0.0.1", 7070, false, none.clone())),
            ("hotplate://[::1]:9/ml/", ("[::1]", 9, false, Some("ml".to_owned()))),
            ("http://cache", ("cache", 80, false, none.clone())),
            ("https://cache", ("cache", 443, true, none.clone())),
            ("hotplate://cache/team/ml?tls=true", ("cache", 7070, true, Some("team/ml".to_owned()))),
        ];
        for (text, (host, port, tls, namespace)) in cases {
            assert_eq!(parsed(text), (host.to_owned(), port, tls, namespace), "{text}");
        }
        let timed = Address::parse("cache:1?timeout=250ms").expect("valid");
        assert_eq!(timed.timeout, Some(Duration::from_millis(250)));
    }

    #[test]
    fn tls_is_true_or_false_and_nothing_else() {
        for text in ["cache?tls=1", "cache?tls=True", "cache?tls=yes", "cache?tls=", "https://cache?tls=false"] {
            let error = Address::parse(text).expect_err("neither");
            assert_eq!(error.kind, crate::ErrorKind::Configuration, "{text}");
        }
        assert!(!Address::parse("cache?tls=false").expect("valid").tls);
        assert!(Address::parse("https://cache?tls=true").expect("valid").tls);
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for (text, expected) in [
            ("localhost", true),
            ("127.9.9.9", true),
            ("hotplate://[::1]", true),
            ("localhost.example", false),
            ("10.0.0.1", false),
            ("hotplate://[::2]", false),
        ] {
            assert_eq!(Address::parse(text).expect("valid").is_loopback(), expected, "{text}");
        }
    }
}
