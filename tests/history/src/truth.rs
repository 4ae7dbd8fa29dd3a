//! What is so outside of the cache: one number that rises whenever something is invalidated, held by the driver and asked
//! for over a socket of its own that no fault touches. It also deals out the registers. Knows no cache.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinSet,
};

/// Operations on each register, so that every one of its histories is short.
const REGISTER_OPERATIONS: u64 = 14;

/// Answers whoever asks until it is dropped.
///
/// # Errors
/// No port can be listened on any more.
pub async fn serve(listener: TcpListener) -> std::io::Result<()> {
    let counts = Arc::new(Counts::default());
    let mut asking = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        let counts = counts.clone();
        asking.spawn(async move { answer(stream, &counts).await });
        while asking.try_join_next().is_some() {}
    }
}

#[derive(Debug, Default)]
struct Counts {
    truth: AtomicU64,
    tickets: AtomicU64,
}

impl Counts {
    fn answer(&self, question: &str) -> u64 {
        match question {
            "read" => self.truth.load(SeqCst),
            "raise" => self.truth.fetch_add(1, SeqCst) + 1,
            _ => self.tickets.fetch_add(1, SeqCst) / REGISTER_OPERATIONS,
        }
    }
}

/// Ends when the other side is gone.
async fn answer(stream: TcpStream, counts: &Counts) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    while let Some(line) = lines.next_line().await? {
        let number = counts.answer(&line);
        write.write_all(format!("{number}\n").as_bytes()).await?;
    }
    Ok(())
}

/// One who asks.
#[derive(Debug)]
pub struct Truth {
    read: BufReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
}

impl Truth {
    /// Connects to the driver.
    ///
    /// # Errors
    /// The driver is gone.
    pub async fn connect(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (read, write) = stream.into_split();
        Ok(Self { read: BufReader::new(read), write })
    }

    /// The version now.
    ///
    /// # Errors
    /// The driver is gone.
    pub async fn version(&mut self) -> std::io::Result<u64> {
        self.ask("read\n").await
    }

    /// Changes the truth; the new version.
    ///
    /// # Errors
    /// The driver is gone.
    pub async fn raise(&mut self) -> std::io::Result<u64> {
        self.ask("raise\n").await
    }

    /// The register for one operation.
    ///
    /// # Errors
    /// The driver is gone.
    pub async fn register(&mut self) -> std::io::Result<u64> {
        self.ask("register\n").await
    }

    async fn ask(&mut self, question: &str) -> std::io::Result<u64> {
        self.write.write_all(question.as_bytes()).await?;
        let mut line = String::new();
        self.read.read_line(&mut line).await?;
        line.trim_end().parse().map_err(std::io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_rises_for_everybody() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = async {
            let (mut one, mut other) = (Truth::connect(address).await.unwrap(), Truth::connect(address).await.unwrap());
            assert_eq!(one.version().await.unwrap(), 0);
            assert_eq!(other.raise().await.unwrap(), 1);
            assert_eq!(one.version().await.unwrap(), 1);
            one
        };
        let mut one = tokio::select! {
            ended = serve(listener) => panic!("{ended:?}"),
            one = asked => one,
        };
        assert!(one.version().await.is_err(), "the driver is gone");
    }

    #[test]
    fn a_register_is_dealt_out_so_often() {
        let counts = Counts::default();
        let dealt: Vec<u64> = (0..=REGISTER_OPERATIONS).map(|_| counts.answer("register")).collect();
        assert_eq!((dealt[0], dealt[13], dealt[14]), (0, 0, 1));
    }
}
