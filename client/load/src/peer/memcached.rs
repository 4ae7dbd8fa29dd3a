//! memcached: get, set and delete in its text protocol, as many commands in one write as a message has operations.

use bytes::BufMut;

use crate::{
    content::Checker,
    failure::Failure,
    link::{Common, Fault},
    peer::{
        socket::{Place, Socket, number},
        text::Protocol,
    },
    work::{Act, Op, Outcome},
};

/// What is filled lives this long, should nobody take it away, in seconds.
const TTL: u32 = 21_600;

/// Connects to memcached.
#[derive(Clone, Debug)]
pub(crate) struct Memcached {
    pub(crate) common: Common,
    pub(crate) place: Place,
}

impl Memcached {
    /// What it is.
    pub(crate) async fn version(&self) -> Result<String, Failure> {
        let mut socket = self.place.connect().await?;
        socket.out.put_slice(b"version\r\n");
        let asked = async {
            socket.send().await?;
            let line = socket.line().await?;
            Ok::<_, Fault>(String::from_utf8_lossy(socket.text(line)).into_owned())
        };
        let text = asked.await.map_err(|_lost| Failure::unreachable("memcached: does not answer"))?;
        Ok(text
            .strip_prefix("VERSION ")
            .map_or_else(|| "memcached".to_owned(), |version| format!("memcached {version}")))
    }
}

impl Protocol for Memcached {
    fn common(&self) -> &Common {
        &self.common
    }

    async fn connect(&self) -> Result<Socket, Failure> {
        self.place.connect().await
    }

    fn get(&self, key: &str) -> Vec<u8> {
        format!("get {key}\r\n").into_bytes()
    }

    async fn change(&self, op: &Op, socket: &mut Socket) -> Result<(), Fault> {
        let (out, key) = (&mut socket.out, self.common.key(op.key));
        if op.act == Act::Write {
            let value = self.common.content.value(op.key, op.size);
            out.put_slice(format!("set {key} 0 {TTL} {}\r\n", value.len()).as_bytes());
            out.put_slice(&value);
            out.put_slice(b"\r\n");
        } else {
            out.put_slice(format!("delete {key}\r\n").as_bytes());
        }
        Ok(())
    }

    /// `VALUE key flags bytes`, the value, `END`; or `END` alone.
    async fn found(&self, op: &Op, socket: &mut Socket, checker: &mut Checker) -> Result<Outcome, Fault> {
        let line = socket.line().await?;
        let text = socket.text(line);
        if text == b"END" {
            return Ok(Outcome::Miss);
        }
        if !text.starts_with(b"VALUE ") {
            return Err(Fault { kind: "MEMCACHED_ERROR", broken: true });
        }
        let length = number(text.rsplit(|byte| *byte == b' ').next().unwrap_or_default())?;
        let length = usize::try_from(length).map_err(|_negative| Fault::said("MALFORMED"))?;
        let value = socket.bytes(length).await?;
        let outcome = checker.wrong(op, value).map_or(Outcome::Hit(length as u64), Outcome::Wrong);
        let end = socket.line().await?;
        if socket.text(end) == b"END" { Ok(outcome) } else { Err(Fault { kind: "MALFORMED", broken: true }) }
    }

    async fn done(&self, op: &Op, socket: &mut Socket) -> Result<Outcome, Fault> {
        let line = socket.line().await?;
        match (socket.text(line), op.act) {
            (b"STORED", Act::Write) => Ok(Outcome::Written(op.size)),
            (b"DELETED" | b"NOT_FOUND", Act::Drop) => Ok(Outcome::Dropped),
            _ => Ok(Outcome::Wrong("MEMCACHED_ERROR")),
        }
    }
}
