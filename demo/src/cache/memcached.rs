//! memcached by its meta protocol: `mg` with `N` makes an empty item for who comes first and tells that with the flag W;
//! who comes while it is empty is told with Z. It tells nobody when the value is there.

use std::sync::{Arc, atomic::AtomicU64};

use super::{Answer, line::Line};
use crate::herd::LEASE;

/// A connection to memcached.
pub(crate) struct Connection(Line);

impl Connection {
    pub(crate) async fn open(address: &str, requests: &Arc<AtomicU64>) -> Result<Self, String> {
        Line::open(address, requests).await.map(Self)
    }

    pub(crate) async fn ask(&mut self, key: &str) -> Result<Answer, String> {
        self.0.send(1, &format!("mg {key} v N{}\r\n", LEASE.as_secs())).await?;
        let line = self.0.line().await?;
        let (size, won) = header(&line)?;
        let value = self.0.bytes(size).await?;
        Ok(match (value.is_empty(), won) {
            (false, _) => Answer::Value(value),
            (true, true) => Answer::Compute(String::new()),
            (true, false) => Answer::Later,
        })
    }

    pub(crate) async fn store(&mut self, key: &str, value: &str) -> Result<(), String> {
        self.0.send(1, &format!("ms {key} {} T60\r\n{value}\r\n", value.len())).await?;
        match self.0.line().await?.as_str() {
            "HD" => Ok(()),
            other => Err(format!("memcached did not store: {other}")),
        }
    }
}

/// The size of a value, and whether the caller is the one to compute it.
fn header(line: &str) -> Result<(usize, bool), String> {
    let mut words = line.split(' ');
    let size = match (words.next(), words.next().map(str::parse)) {
        (Some("VA"), Some(Ok(size))) => size,
        _ => return Err(format!("memcached said {line:?}")),
    };
    Ok((size, words.any(|flag| flag == "W")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_tell_who_computes() {
        assert_eq!(header("VA 0 W"), Ok((0, true)));
        assert_eq!(header("VA 0 Z"), Ok((0, false)));
        assert_eq!(header("VA 5"), Ok((5, false)));
        assert!(header("EN").is_err() && header("CLIENT_ERROR bad").is_err());
    }
}
