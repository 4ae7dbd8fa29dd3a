//! One direction of one connection: a line that things travel along, late and in order, and that changes them. What ends the
//! connection from outside is not known here.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use rand::{RngExt, rngs::SmallRng};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::{mpsc, watch},
    time::Instant,
};

use crate::{
    End, Way,
    proxy::{Counts, State},
};

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 16 << 10;
/// Chunks that are on their way at most: then the sender has to wait, as in any network.
const CHUNKS_MAX: usize = 256;

/// Which direction.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Direction {
    Up,
    Down,
}

impl Direction {
    fn of(self, state: &State) -> &Way {
        match self {
            Self::Up => &state.faults.up,
            Self::Down => &state.faults.down,
        }
    }

    fn bytes(self, counts: &Counts) -> &AtomicU64 {
        match self {
            Self::Up => &counts.up_bytes,
            Self::Down => &counts.down_bytes,
        }
    }
}

/// What one direction needs to know.
pub(crate) struct Line<'a> {
    pub(crate) direction: Direction,
    pub(crate) state: watch::Receiver<State>,
    pub(crate) counts: &'a Counts,
    pub(crate) random: SmallRng,
}

/// Moves everything from here to there, until one side ends or so much got through that the connection has to end: how, is
/// said.
pub(crate) async fn pass(
    line: Line<'_>,
    from: impl AsyncRead + Unpin,
    to: impl AsyncWrite + Unpin,
) -> io::Result<Option<End>> {
    let (sent, arrives) = mpsc::channel(CHUNKS_MAX);
    let (read, written) = tokio::join!(take(from, sent), line.give(arrives, to));
    let end = written?;
    read.map(|()| end)
}

async fn take(mut from: impl AsyncRead + Unpin, sent: mpsc::Sender<(Instant, Vec<u8>)>) -> io::Result<()> {
    loop {
        let mut chunk = vec![0; CHUNK_BYTES];
        let read = tokio::select! {
            read = from.read(&mut chunk) => read?,
            // The other end of the line is gone: nothing more will arrive.
            () = sent.closed() => return Ok(()),
        };
        chunk.truncate(read);
        if read == 0 || sent.send((now(), chunk)).await.is_err() {
            return Ok(());
        }
    }
}

impl Line<'_> {
    async fn give(
        mut self,
        mut arrives: mpsc::Receiver<(Instant, Vec<u8>)>,
        mut to: impl AsyncWrite + Unpin,
    ) -> io::Result<Option<End>> {
        let (mut passed, mut since, mut last) = (0_u64, self.state.borrow().changes, now());
        while let Some((sent, mut chunk)) = arrives.recv().await {
            let way = self.when_it_speaks().await;
            // In order: nothing overtakes what was later by chance.
            last = last.max(sent + way.delay + self.jitter(way.jitter));
            tokio::time::sleep_until(last).await;
            // It may have fallen silent meanwhile.
            let way = self.when_it_speaks().await;
            let changes = self.state.borrow().changes;
            if changes != since {
                (passed, since) = (0, changes);
            }
            self.flip(&way, &mut chunk);
            let left = way.ends_after.map_or(u64::MAX, |(bytes, _)| bytes.saturating_sub(passed));
            chunk.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            to.write_all(&chunk).await?;
            let bytes = chunk.len() as u64;
            passed += bytes;
            self.direction.bytes(self.counts).fetch_add(bytes, Relaxed);
            if let Some((_, end)) = way.ends_after.filter(|(most, _)| passed >= *most) {
                to.flush().await?;
                return Ok(Some(end));
            }
            if let Some(rate) = way.bytes_per_second {
                tokio::time::sleep(Duration::from_nanos(bytes.saturating_mul(1_000_000_000) / rate.max(1))).await;
            }
        }
        to.shutdown().await.map(|()| None)
    }

    /// Waits while it is silent; how things are then.
    async fn when_it_speaks(&mut self) -> Way {
        let direction = self.direction;
        let way = self.state.wait_for(|state| !direction.of(state).silent).await;
        let way = way.map(|state| direction.of(&state).clone());
        match way {
            Ok(way) => way,
            // The proxy ends, and this with it.
            Err(_) => std::future::pending().await,
        }
    }

    fn jitter(&mut self, most: Duration) -> Duration {
        most.mul_f64(self.random.random::<f64>())
    }

    fn flip(&mut self, way: &Way, chunk: &mut [u8]) {
        let Some(one_in) = way.flips_one_in else { return };
        for byte in chunk {
            if self.random.random_range(0..one_in.max(1)) == 0 {
                *byte ^= 1 << self.random.random_range(0..8_u32);
                self.counts.flipped.fetch_add(1, Relaxed);
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "delays are tokio's, and have no other clock")]
fn now() -> Instant {
    Instant::now()
}
