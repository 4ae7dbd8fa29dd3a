//! The names of what lies in Redis. All of one log has the same hash tag, so that a cluster keeps it in one slot. What lies
//! under the names is not known here.

use std::sync::Arc;

use hotplate_engine::{key::Key, position::LogId};

/// Longest prefix, in bytes.
const PREFIX_BYTES_MAX: usize = 64;
/// Slots of a Redis Cluster.
const SLOTS: u16 = 16_384;

/// The names of one deployment.
#[derive(Clone, Debug)]
pub(super) struct Keyspace {
    prefix: Arc<str>,
}

impl Keyspace {
    /// All names begin with the prefix.
    ///
    /// # Errors
    /// The rule, when the prefix breaks it.
    pub(super) fn new(prefix: &str) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
        if prefix.is_empty() || prefix.len() > PREFIX_BYTES_MAX || !prefix.chars().all(allowed) {
            return Err(format!(
                "a prefix in Redis is 1 to {PREFIX_BYTES_MAX} letters, digits, '-', '_', '.' or ':': without braces, or a \
                 cluster would put what belongs together into different slots"
            ));
        }
        Ok(Self { prefix: prefix.into() })
    }

    /// The sorted set that is a log.
    pub(super) fn log(&self, log: LogId) -> String {
        format!("{}:{{{}}}:c", self.prefix, log.number())
    }

    /// The string that is an entry.
    pub(super) fn value(&self, key: &Key) -> String {
        self.of_key('v', key)
    }

    /// The string that is a lease: its holder's token.
    pub(super) fn lease(&self, key: &Key) -> String {
        self.of_key('l', key)
    }

    /// Log, value and lease of a key, in this order.
    pub(super) fn all_of(&self, key: &Key) -> [String; 3] {
        [self.log(key.log()), self.value(key), self.lease(key)]
    }

    /// Says that a replica lives, and how far it is: where log 64 is. Where others are nothing has this name.
    pub(super) fn member(&self, log: LogId, replica: u64) -> String {
        format!("{}:{{{}}}:m:{replica:016x}", self.prefix, log.number())
    }

    /// A dictionary of the codec.
    pub(super) fn dictionary(&self, id: u64) -> String {
        format!("{}:{{{}}}:d:{id:016x}", self.prefix, LogId::SELECTOR.number())
    }

    /// Which dictionary a namespace's values are written with.
    pub(super) fn dictionary_of(&self, namespace: &str) -> String {
        format!("{}:{{{}}}:n:{namespace}", self.prefix, LogId::SELECTOR.number())
    }

    /// Where changes are told.
    pub(super) fn channel(&self) -> String {
        format!("{}:hints", self.prefix)
    }

    fn of_key(&self, what: char, key: &Key) -> String {
        format!("{}:{{{}}}:{what}:{}:{}", self.prefix, key.log().number(), key.namespace(), key.text())
    }
}

/// The slot of a log in a Redis Cluster: of its hash tag (CRC-16/XMODEM, as the Redis Cluster specification says).
pub(super) fn slot(log: LogId) -> u16 {
    let mut crc: u16 = 0;
    for byte in log.number().to_string().bytes() {
        crc ^= u16::from(byte) << 8;
        for _bit in 0..8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
        }
    }
    crc % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_lies_there_and_share_the_tag_of_their_log() {
        let names = Keyspace::new("hp").unwrap();
        let key = Key::new("models", "user:{1}").unwrap();
        let tag = format!("hp:{{{}}}:", key.log().number());
        assert_eq!(names.value(&key), format!("{tag}v:models:user:{{1}}"));
        assert_eq!(names.lease(&key), format!("{tag}l:models:user:{{1}}"));
        assert_eq!(names.log(key.log()), format!("{tag}c"));
        assert_eq!(names.member(LogId::SELECTOR, 7), "hp:{64}:m:0000000000000007");
        assert_eq!(names.dictionary(7), "hp:{64}:d:0000000000000007");
        assert_eq!(names.dictionary_of("models"), "hp:{64}:n:models");
    }

    #[test]
    fn a_prefix_has_no_braces_and_a_bound() {
        assert!(Keyspace::new("a{b}").is_err() && Keyspace::new("").is_err());
        assert!(Keyspace::new(&"p".repeat(65)).is_err() && Keyspace::new(&"p".repeat(64)).is_ok());
    }

    #[test]
    fn slots_are_those_of_the_specification() {
        // CLUSTER KEYSLOT {0} and {64}.
        assert_eq!(slot(LogId::from_number(0).unwrap()), 13_907);
        assert_eq!(slot(LogId::SELECTOR), 6_628);
    }
}
