//! Redis as a lock beside the value: GET; when there is none, SET NX of the lock; who gets it looks once more, because the
//! value may have come in between, and computes. It tells nobody when the value is there.

use std::sync::{Arc, atomic::AtomicU64};

use super::{Answer, line::Line};
use crate::herd::LEASE;

/// A connection to Redis.
pub(crate) struct Connection(Line);

impl Connection {
    pub(crate) async fn open(address: &str, requests: &Arc<AtomicU64>) -> Result<Self, String> {
        Line::open(address, requests).await.map(Self)
    }

    pub(crate) async fn ask(&mut self, key: &str) -> Result<Answer, String> {
        if let Some(value) = self.get(key).await? {
            return Ok(Answer::Value(value));
        }
        let milliseconds = LEASE.as_millis().to_string();
        self.0.send(1, &command(&["SET", &lock(key), "1", "NX", "PX", &milliseconds])).await?;
        match self.0.line().await?.as_str() {
            "+OK" => {}
            "$-1" => return Ok(Answer::Later),
            other => return Err(format!("Redis said {other:?}")),
        }
        match self.get(key).await? {
            None => Ok(Answer::Compute(String::new())),
            Some(value) => {
                self.0.send(1, &command(&["DEL", &lock(key)])).await?;
                self.number().await?;
                Ok(Answer::Value(value))
            }
        }
    }

    pub(crate) async fn store(&mut self, key: &str, value: &str) -> Result<(), String> {
        let stored = command(&["SET", key, value, "EX", "60"]);
        self.0.send(2, &(stored + &command(&["DEL", &lock(key)]))).await?;
        match self.0.line().await?.as_str() {
            "+OK" => self.number().await,
            other => Err(format!("Redis did not store: {other}")),
        }
    }

    async fn get(&mut self, key: &str) -> Result<Option<String>, String> {
        self.0.send(1, &command(&["GET", key])).await?;
        let line = self.0.line().await?;
        match size(&line)? {
            None => Ok(None),
            Some(size) => self.0.bytes(size).await.map(Some),
        }
    }

    async fn number(&mut self) -> Result<(), String> {
        let line = self.0.line().await?;
        if line.starts_with(':') { Ok(()) } else { Err(format!("Redis said {line:?}")) }
    }
}

fn lock(key: &str) -> String {
    format!("{key}:lock")
}

/// A command as Redis reads it.
fn command(words: &[&str]) -> String {
    let mut text = format!("*{}\r\n", words.len());
    for word in words {
        text += &format!("${}\r\n{word}\r\n", word.len());
    }
    text
}

/// The size of a value; `None` when there is none.
fn size(line: &str) -> Result<Option<usize>, String> {
    match line.strip_prefix('$').map(str::parse::<i64>) {
        Some(Ok(-1)) => Ok(None),
        Some(Ok(size)) => usize::try_from(size).map(Some).map_err(|_negative| format!("Redis said {line:?}")),
        _ => Err(format!("Redis said {line:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_answers_are_as_redis_has_them() {
        assert_eq!(command(&["GET", "ké"]), "*2\r\n$3\r\nGET\r\n$3\r\nké\r\n");
        assert_eq!(size("$-1"), Ok(None));
        assert_eq!(size("$5"), Ok(Some(5)));
        assert!(size("-ERR no").is_err() && size("$-2").is_err());
    }
}
