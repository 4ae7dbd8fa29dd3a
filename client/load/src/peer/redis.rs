//! Redis: GET, SET and UNLINK in RESP2, as many commands in one write as a message has operations.

use bytes::{BufMut, BytesMut};

use crate::{
    content::Checker,
    failure::Failure,
    link::{Common, Fault},
    peer::{
        socket::{LARGE, Place, Socket, number},
        text::Protocol,
    },
    work::{Act, Op, Outcome},
};

/// What is filled lives this long, should nobody take it away, in seconds.
const TTL: &str = "21600";

/// A large value goes out in pieces of this size.
const PIECE: u64 = 1 << 20;

/// Connects to Redis.
#[derive(Clone, Debug)]
pub(crate) struct Redis {
    pub(crate) common: Common,
    pub(crate) place: Place,
    /// Number of the database.
    pub(crate) database: u32,
}

impl Redis {
    /// What it is.
    pub(crate) async fn version(&self) -> Result<String, Failure> {
        let mut socket = self.connect().await?;
        let text = ask(&mut socket, &[b"INFO", b"server"]).await?;
        let version = text.lines().find_map(|line| line.strip_prefix("redis_version:"));
        Ok(version.map_or_else(|| "redis".to_owned(), |version| format!("redis {}", version.trim())))
    }
}

/// One command and its answer as text.
async fn ask(socket: &mut Socket, parts: &[&[u8]]) -> Result<String, Failure> {
    command(&mut socket.out, parts);
    let asked = async {
        socket.send().await?;
        let line = socket.line().await?;
        match socket.text(line).split_first() {
            Some((b'+', text)) => Ok(Ok(String::from_utf8_lossy(text).into_owned())),
            Some((b'$', length)) => {
                let length = usize::try_from(number(length)?).unwrap_or_default();
                Ok(Ok(String::from_utf8_lossy(socket.bytes(length).await?).into_owned()))
            }
            Some((b'-', text)) => Ok(Err(String::from_utf8_lossy(text).into_owned())),
            _ => Err(Fault::said("MALFORMED")),
        }
    };
    match asked.await {
        Ok(answer) => answer.map_err(|text| Failure::rejected(format!("redis: {text}"))),
        Err(Fault { kind, .. }) => Err(Failure::unreachable(format!("redis: {kind}"))),
    }
}

/// An array of bulk strings, as commands are written.
fn command(out: &mut BytesMut, parts: &[&[u8]]) {
    out.put_slice(format!("*{}\r\n", parts.len()).as_bytes());
    for part in parts {
        out.put_slice(format!("${}\r\n", part.len()).as_bytes());
        out.put_slice(part);
        out.put_slice(b"\r\n");
    }
}

impl Protocol for Redis {
    fn common(&self) -> &Common {
        &self.common
    }

    /// Connects and chooses the database.
    async fn connect(&self) -> Result<Socket, Failure> {
        let mut socket = self.place.connect().await?;
        if self.database > 0 {
            ask(&mut socket, &[b"SELECT", self.database.to_string().as_bytes()]).await?;
        }
        Ok(socket)
    }

    fn get(&self, key: &str) -> Vec<u8> {
        let mut get = BytesMut::new();
        command(&mut get, &[b"GET", key.as_bytes()]);
        get.to_vec()
    }

    async fn change(&self, op: &Op, socket: &mut Socket) -> Result<(), Fault> {
        let key = self.common.key(op.key);
        match op.act {
            Act::Write if op.size >= LARGE as u64 => return self.write_large(op, socket).await,
            Act::Write => {
                let value = self.common.content.value(op.key, op.size);
                command(&mut socket.out, &[b"SET", key.as_bytes(), &value, b"EX", TTL.as_bytes()]);
            }
            Act::Read | Act::Drop => command(&mut socket.out, &[b"UNLINK", key.as_bytes()]),
        }
        Ok(())
    }

    async fn found(&self, op: &Op, socket: &mut Socket, checker: &mut Checker) -> Result<Outcome, Fault> {
        let line = socket.line().await?;
        match socket.text(line).split_first() {
            Some((b'$', b"-1")) => Ok(Outcome::Miss),
            Some((b'$', length)) => {
                let length = usize::try_from(number(length)?).map_err(|_negative| Fault::said("MALFORMED"))?;
                let wrong = if length >= LARGE {
                    self.large(op, length, (socket, checker)).await?
                } else {
                    checker.wrong(op, socket.bytes(length).await?)
                };
                Ok(wrong.map_or(Outcome::Hit(length as u64), Outcome::Wrong))
            }
            Some((b'-', _)) => Ok(Outcome::Wrong("REDIS_ERROR")),
            _ => Err(Fault { kind: "MALFORMED", broken: true }),
        }
    }

    async fn done(&self, op: &Op, socket: &mut Socket) -> Result<Outcome, Fault> {
        let line = socket.line().await?;
        match (socket.text(line).split_first(), op.act) {
            (Some((b'+', b"OK")), Act::Write) => Ok(Outcome::Written(op.size)),
            (Some((b':', _)), Act::Drop) => Ok(Outcome::Dropped),
            (Some((b'-', _)), _) => Ok(Outcome::Wrong("REDIS_ERROR")),
            _ => Err(Fault { kind: "MALFORMED", broken: true }),
        }
    }
}

impl Redis {
    /// The same SET, whose value goes out from where it lies.
    async fn write_large(&self, op: &Op, socket: &mut Socket) -> Result<(), Fault> {
        let key = self.common.key(op.key);
        let head = format!("*5\r\n$3\r\nSET\r\n${}\r\n{key}\r\n${}\r\n", key.len(), op.size);
        socket.out.put_slice(head.as_bytes());
        let mut offset = 0;
        while offset < op.size {
            let length = (op.size - offset).min(PIECE);
            let piece = self.common.content.piece(op.key, offset, usize::try_from(length).unwrap_or_default());
            socket.send_with(&piece).await?;
            offset += length;
        }
        socket.out.put_slice(format!("\r\n$2\r\nEX\r\n${}\r\n{TTL}\r\n", TTL.len()).as_bytes());
        Ok(())
    }

    /// What is wrong with a large value, if anything is.
    async fn large(
        &self,
        op: &Op,
        length: usize,
        (socket, checker): (&mut Socket, &mut Checker),
    ) -> Result<Option<&'static str>, Fault> {
        let looks = checker.looks();
        let mut right = true;
        let look = |offset, piece: &[u8]| right &= !looks || self.common.content.is(op.key, offset, piece);
        socket.pieces(length, look).await?;
        let fits = Checker::fits(op, length as u64);
        Ok(if !fits { Some("WRONG_LENGTH") } else { (!right).then_some("WRONG_CONTENT") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_arrays_of_strings() {
        let mut out = BytesMut::new();
        command(&mut out, &[b"GET", b"key"]);
        assert_eq!(&out[..], b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n");
    }
}
