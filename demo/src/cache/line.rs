//! A connection whose answers are lines, some of them followed by so many bytes.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

/// Longest value that is read.
const VALUE_BYTES_MAX: usize = 1 << 20;

/// A connection.
pub(crate) struct Line {
    stream: BufReader<TcpStream>,
    requests: Arc<AtomicU64>,
}

impl Line {
    pub(crate) async fn open(address: &str, requests: &Arc<AtomicU64>) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("cannot connect to {address}: {error}");
        let stream = TcpStream::connect(address).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        Ok(Self { stream: BufReader::new(stream), requests: Arc::clone(requests) })
    }

    /// Sends so many commands in one piece.
    pub(crate) async fn send(&mut self, commands: u64, text: &str) -> Result<(), String> {
        self.requests.fetch_add(commands, Ordering::Relaxed);
        self.stream.write_all(text.as_bytes()).await.map_err(|error| format!("cannot send: {error}"))
    }

    /// The next line, without its end.
    pub(crate) async fn line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line).await {
            Ok(1..) => Ok(line.trim_end().to_owned()),
            Ok(0) => Err("the connection was closed".into()),
            Err(error) => Err(format!("cannot receive: {error}")),
        }
    }

    /// So many bytes and the end of the line.
    pub(crate) async fn bytes(&mut self, count: usize) -> Result<String, String> {
        if count > VALUE_BYTES_MAX {
            return Err(format!("a value of {count} bytes is none of the herd's"));
        }
        let mut bytes = vec![0; count + 2];
        self.stream.read_exact(&mut bytes).await.map_err(|error| format!("cannot receive: {error}"))?;
        bytes.truncate(count);
        String::from_utf8(bytes).map_err(|_binary| "a value that is no text is none of the herd's".into())
    }
}
