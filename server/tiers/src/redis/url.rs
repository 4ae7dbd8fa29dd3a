//! Which Redis is meant: one address in one line. Nothing is resolved or opened here, and passwords are not shown.

use std::fmt;

use percent_encoding::percent_decode_str;

/// Addresses in one URL at most.
const ADDRESSES_MAX: usize = 64;
/// Port of a server when none is given.
const PORT: u16 = 6379;
/// Port of a Sentinel when none is given.
const SENTINEL_PORT: u16 = 26_379;

/// Host and port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// A name or an IP address, IPv6 without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Address {
    /// Reads `HOST`, `HOST:PORT`, `[V6]:PORT`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(text: &str, port: u16) -> Result<Self, String> {
        let wrong = || "an address of Redis is HOST, HOST:PORT or [IPV6]:PORT".to_owned();
        let (host, rest) = match text.strip_prefix('[') {
            Some(text) => text.split_once(']').ok_or_else(wrong)?,
            None => text.find(':').map_or((text, ""), |colon| text.split_at(colon)),
        };
        let port = match rest.strip_prefix(':') {
            Some(digits) => digits.parse().map_err(|_error| wrong())?,
            None if rest.is_empty() => port,
            None => return Err(wrong()),
        };
        if host.is_empty() || port == 0 || host.chars().any(|c| c.is_whitespace() || c.is_control() || c == '/') {
            return Err(wrong());
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

/// What stands at the addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One server.
    Single(Address),
    /// Sentinels that know where the master of this name is.
    Sentinel { sentinels: Vec<Address>, master: String },
    /// Some nodes of a cluster.
    Cluster(Vec<Address>),
}

/// Which Redis, and as whom.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    pub(super) shape: Shape,
    pub(super) tls: bool,
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
    pub(super) database: u8,
}

impl RedisUrl {
    /// Reads one of
    /// `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`,
    /// `redis+sentinel://[USER:PASSWORD@]HOST[:PORT],HOST…/MASTER[/DATABASE]`,
    /// `redis+cluster://[USER:PASSWORD@]HOST[:PORT],HOST…`, and the same with `rediss` for TLS. User and password are
    /// percent-encoded; a user without password is a password, as elsewhere.
    ///
    /// # Errors
    /// What is wrong, without repeating the URL: it may contain a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let forms = "an URL of Redis begins with redis://, rediss://, redis+sentinel:// or redis+cluster://";
        let (scheme, rest) = text.split_once("://").ok_or(forms)?;
        let (tls, form) = match scheme.strip_prefix("rediss") {
            Some(form) => (true, form),
            None => (false, scheme.strip_prefix("redis").ok_or(forms)?),
        };
        let (account, rest) = rest.rsplit_once('@').map_or((None, rest), |(account, rest)| (Some(account), rest));
        let (username, password) = account.map_or(Ok((None, None)), credentials)?;
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (master, database) = match form {
            "+sentinel" => path.split_once('/').unwrap_or((path, "")),
            _ => ("", path),
        };
        let port = if form == "+sentinel" { SENTINEL_PORT } else { PORT };
        let mut addresses = hosts.split(',').map(|host| Address::parse(host, port)).collect::<Result<Vec<_>, _>>()?;
        if addresses.len() > ADDRESSES_MAX {
            return Err(format!("an URL of Redis names at most {ADDRESSES_MAX} addresses"));
        }
        let shape = match form {
            "" if addresses.len() == 1 => Shape::Single(addresses.swap_remove(0)),
            "" => return Err("several addresses need redis+sentinel:// or redis+cluster://".into()),
            "+sentinel" if master.is_empty() => {
                return Err("redis+sentinel:// ends with the master's name: HOST,HOST/NAME".into());
            }
            "+sentinel" => Shape::Sentinel { sentinels: addresses, master: master.to_owned() },
            "+cluster" if !database.is_empty() => {
                return Err("a cluster has no databases: redis+cluster://HOST,HOST".into());
            }
            "+cluster" => Shape::Cluster(addresses),
            _ => return Err(forms.into()),
        };
        let database = if database.is_empty() { Ok(0) } else { database.parse() };
        let database = database.map_err(|_error| "the database of Redis is a number from 0 to 255".to_owned())?;
        Ok(Self { shape, tls, username, password, database })
    }

    /// What it says, without user and password.
    #[must_use]
    pub fn shown(&self) -> String {
        let scheme = if self.tls { "rediss" } else { "redis" };
        let list = |addresses: &[Address]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        match &self.shape {
            Shape::Single(address) => format!("{scheme}://{address}"),
            Shape::Sentinel { sentinels, master } => format!("{scheme}+sentinel://{}/{master}", list(sentinels)),
            Shape::Cluster(nodes) => format!("{scheme}+cluster://{}", list(nodes)),
        }
    }

    /// Whether user or password stand in it.
    #[must_use]
    pub fn has_account(&self) -> bool {
        self.username.is_some() || self.password.is_some()
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

type Credentials = (Option<String>, Option<String>);

fn credentials(account: &str) -> Result<Credentials, String> {
    let decoded = |text: &str| {
        let text = percent_decode_str(text)
            .decode_utf8()
            .map_err(|_error| "user and password in an URL of Redis are UTF-8")?;
        Ok::<_, String>(Some(text.into_owned()).filter(|text| !text.is_empty()))
    };
    match account.split_once(':') {
        Some((username, password)) => Ok((decoded(username)?, decoded(password)?)),
        None => Ok((None, decoded(account)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_says_what_stands_there() {
        let single = RedisUrl::parse("redis://cache.example").unwrap();
        assert_eq!(single.shown(), "redis://cache.example:6379");
        let single = RedisUrl::parse("rediss://[::1]:7000/3").unwrap();
        assert_eq!((single.shown().as_str(), single.database), ("rediss://[::1]:7000", 3));
        let sentinel = RedisUrl::parse("redis+sentinel://a,b:1/main/2").unwrap();
        assert_eq!((sentinel.shown().as_str(), sentinel.database), ("redis+sentinel://a:26379,b:1/main", 2));
        assert_eq!(RedisUrl::parse("rediss+cluster://a,b:1").unwrap().shown(), "rediss+cluster://a:6379,b:1");
    }

    #[test]
    fn user_and_password_are_read_and_never_shown() {
        let url = RedisUrl::parse("redis://me:p%40ss%2Fw@host/0").unwrap();
        assert_eq!((url.username.as_deref(), url.password.as_deref()), (Some("me"), Some("p@ss/w")));
        assert!(!format!("{url:?}{}", url.shown()).contains("ss"));
        assert_eq!(RedisUrl::parse("redis://:only@host").unwrap().password.as_deref(), Some("only"));
        assert_eq!(RedisUrl::parse("redis://only@host").unwrap().username, None);
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        let wrong = [
            "host:6379",
            "http://host",
            "redis+x://host",
            "redis://",
            "redis://a,b",
            "redis://a:0",
            "redis://a:b",
            "redis://secret@",
            "redis://a/x",
            "redis://a/256",
            "redis+sentinel://a",
            "redis+cluster://a/1",
            "redis://[::1",
        ];
        for text in wrong {
            let said = RedisUrl::parse(text).expect_err(text);
            assert!(!said.contains("secret"), "{said}");
        }
        assert!(RedisUrl::parse(&format!("redis+cluster://{}", ["a"; 65].join(","))).is_err());
    }
}
