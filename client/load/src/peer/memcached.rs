//! memcached: get, set and delete in its text protocol, as many commands in one write as a message has operations.

use bytes::BufMut;

use crate::{
    content::Checker,
    failure::Failure,
    link::{
        Common, Driver, Fault, Link, Share,
        codec::{DIGITS, digits},
    },
    peer::socket::{Place, Socket, number},
    task::Tasks,
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

/// One lane: a connection of its own.
pub(crate) struct MemcachedLink {
    driver: Memcached,
    socket: Socket,
    checker: Checker,
    /// `get key` with the key's number to be written into it.
    get: Vec<u8>,
}

impl Driver for Memcached {
    type Link = MemcachedLink;

    async fn open(&self, share: Share, _tasks: &Tasks) -> Result<Vec<MemcachedLink>, Failure> {
        let mut links = Vec::new();
        for _lane in 0..share.lanes {
            let get = format!("get {}\r\n", self.common.key(0)).into_bytes();
            let (socket, checker) = (self.place.connect().await?, self.common.checker());
            links.push(MemcachedLink { driver: self.clone(), socket, checker, get });
        }
        Ok(links)
    }
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

impl Link for MemcachedLink {
    async fn call(&mut self, ops: &[Op], outcomes: &mut Vec<Outcome>) -> Result<(), Fault> {
        for op in ops {
            self.write(op);
        }
        self.socket.send().await?;
        for op in ops {
            let outcome = if op.act == Act::Read { self.value(op).await? } else { self.done(op).await? };
            outcomes.push(outcome);
        }
        Ok(())
    }

    async fn mend(&mut self) {
        if let Ok(socket) = self.driver.place.connect().await {
            self.socket = socket;
        }
    }
}

impl MemcachedLink {
    fn write(&mut self, op: &Op) {
        let out = &mut self.socket.out;
        let common = &self.driver.common;
        match op.act {
            Act::Read => {
                out.put_slice(&self.get);
                let end = out.len() - 2;
                digits(op.key, &mut out[end - DIGITS..end]);
            }
            Act::Write => {
                let value = common.content.value(op.key, op.size);
                out.put_slice(format!("set {} 0 {TTL} {}\r\n", common.key(op.key), value.len()).as_bytes());
                out.put_slice(&value);
                out.put_slice(b"\r\n");
            }
            Act::Drop => out.put_slice(format!("delete {}\r\n", common.key(op.key)).as_bytes()),
        }
    }

    /// `VALUE key flags bytes`, the value, `END`; or `END` alone.
    async fn value(&mut self, op: &Op) -> Result<Outcome, Fault> {
        let line = self.socket.line().await?;
        let text = self.socket.text(line);
        if text == b"END" {
            return Ok(Outcome::Miss);
        }
        if !text.starts_with(b"VALUE ") {
            return Err(Fault { kind: "MEMCACHED_ERROR", broken: true });
        }
        let length = number(text.rsplit(|byte| *byte == b' ').next().unwrap_or_default())?;
        let length = usize::try_from(length).map_err(|_negative| Fault::said("MALFORMED"))?;
        let value = self.socket.bytes(length).await?;
        let outcome = self.checker.wrong(op, value).map_or(Outcome::Hit(length as u64), Outcome::Wrong);
        let end = self.socket.line().await?;
        if self.socket.text(end) == b"END" { Ok(outcome) } else { Err(Fault { kind: "MALFORMED", broken: true }) }
    }

    async fn done(&mut self, op: &Op) -> Result<Outcome, Fault> {
        let line = self.socket.line().await?;
        match (self.socket.text(line), op.act) {
            (b"STORED", Act::Write) => Ok(Outcome::Written(op.size)),
            (b"DELETED" | b"NOT_FOUND", Act::Drop) => Ok(Outcome::Dropped),
            _ => Ok(Outcome::Wrong("MEMCACHED_ERROR")),
        }
    }
}
