//! A TCP connection with a buffer for each direction, as the peers' text protocols need it: commands are gathered and sent in
//! one write, answers are read as they come.

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{failure::Failure, link::Fault};

/// How much is read at once.
const READ: usize = 64 << 10;
/// An answer may have this many bytes, values with it.
const ANSWER_BYTES_MAX: usize = 1 << 30;

/// Where a peer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl Place {
    pub(crate) async fn connect(&self) -> Result<Socket, Failure> {
        let wrong = |error: std::io::Error| Failure::unreachable(format!("{}:{}: {error}", self.host, self.port));
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(wrong)?;
        tcp.set_nodelay(true).map_err(wrong)?;
        Ok(Socket { tcp, out: BytesMut::with_capacity(READ), input: BytesMut::with_capacity(READ), at: 0 })
    }
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Socket {
    tcp: TcpStream,
    /// What is to be sent.
    pub(crate) out: BytesMut,
    input: BytesMut,
    /// How much of the input has been looked at.
    at: usize,
}

impl Socket {
    /// Sends what was gathered.
    pub(crate) async fn send(&mut self) -> Result<(), Fault> {
        self.tcp.write_all(&self.out).await.map_err(|_lost| Fault::broken())?;
        self.out.clear();
        Ok(())
    }

    async fn more(&mut self) -> Result<(), Fault> {
        if self.input.len() > ANSWER_BYTES_MAX {
            return Err(Fault::said("ANSWER_TOO_LARGE"));
        }
        // What was looked at is not needed any more: its room is used again.
        if self.at == self.input.len() {
            self.input.clear();
            self.at = 0;
        } else if self.at >= READ {
            bytes::Buf::advance(&mut self.input, self.at);
            self.at = 0;
        }
        self.read(READ).await
    }

    async fn read(&mut self, room: usize) -> Result<(), Fault> {
        self.input.reserve(room);
        match self.tcp.read_buf(&mut self.input).await {
            Ok(1..) => Ok(()),
            Ok(0) | Err(_) => Err(Fault::broken()),
        }
    }

    /// Where the next line lies, without its end; it is then passed over.
    pub(crate) async fn line(&mut self) -> Result<Line, Fault> {
        let mut from = self.at;
        loop {
            let end = self.input[from..].iter().position(|byte| *byte == b'\n');
            if let Some(end) = end.map(|end| from + end) {
                let line = Line { start: self.at, end: end.saturating_sub(1).max(self.at) };
                self.at = end + 1;
                return Ok(line);
            }
            let looked = self.input.len() - self.at;
            self.more().await?;
            from = self.at + looked;
        }
    }

    /// The bytes of a line; valid until the next is asked for.
    pub(crate) fn text(&self, line: Line) -> &[u8] {
        &self.input[line.start..line.end]
    }

    /// The next bytes with the two that end them, which are passed over.
    pub(crate) async fn bytes(&mut self, count: usize) -> Result<&[u8], Fault> {
        while self.input.len() - self.at < count + 2 {
            self.more().await?;
        }
        let start = self.at;
        self.at += count + 2;
        Ok(&self.input[start..start + count])
    }
}

/// Values from this size on are looked at as they come and not put together.
pub(crate) const LARGE: usize = 256 << 10;
/// Of such a value, so much is read at once.
const READ_LARGE: usize = 1 << 20;

impl Socket {
    /// Takes a value of so many bytes with the two that end it; each piece is shown with where in the value it is.
    pub(crate) async fn pieces(&mut self, count: usize, mut show: impl FnMut(u64, &[u8])) -> Result<(), Fault> {
        let mut taken = 0;
        while taken < count {
            if self.at == self.input.len() {
                self.input.clear();
                self.at = 0;
                self.read(READ_LARGE).await?;
            }
            let piece = &self.input[self.at..][..(count - taken).min(self.input.len() - self.at)];
            show(taken as u64, piece);
            taken += piece.len();
            self.at += piece.len();
        }
        self.bytes(0).await.map(drop)
    }

    /// Sends a value behind what was gathered, without gathering it.
    pub(crate) async fn send_with(&mut self, value: &[u8]) -> Result<(), Fault> {
        self.send().await?;
        self.tcp.write_all(value).await.map_err(|_lost| Fault::broken())
    }
}

/// Where a line lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    start: usize,
    end: usize,
}

/// Reads a decimal number, with a sign or without.
pub(crate) fn number(text: &[u8]) -> Result<i64, Fault> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.ok_or(Fault::said("MALFORMED"))
}
