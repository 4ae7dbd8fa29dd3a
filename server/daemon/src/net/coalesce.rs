//! Fewer, larger writes: what HTTP/2 writes in small pieces during one poll of a connection leaves as one. Encryption
//! happens below this. Which bytes they are is not known here.

use std::{
    future::{Future, poll_fn},
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Writes from this size on are not copied.
const LARGE: usize = 8 << 10;
/// Bytes that wait at most.
const WAITING_MAX: usize = 64 << 10;
/// Pieces that one write hands to the stream at most, what waits included.
const PIECES_MAX: usize = 16;
/// Bytes thrown away at once.
const UNREAD: usize = 1 << 10;

struct Shared<S> {
    stream: S,
    waiting: BytesMut,
    /// Whether something was written since the stream was last flushed.
    dirty: bool,
    received: u64,
}

/// A stream whose small writes wait until [`FlushAfterPoll`] sends them.
pub struct CoalesceIo<S>(Arc<Mutex<Shared<S>>>);

/// Sends what waits; shared with the stream's [`CoalesceIo`].
pub struct Drain<S>(Arc<Mutex<Shared<S>>>);

/// Wraps a stream. Its writes reach the peer only while the drain is used by a [`FlushAfterPoll`].
pub fn coalesce<S>(stream: S) -> (CoalesceIo<S>, Drain<S>) {
    let shared = Shared { stream, waiting: BytesMut::new(), dirty: false, received: 0 };
    let shared = Arc::new(Mutex::new(shared));
    (CoalesceIo(Arc::clone(&shared)), Drain(shared))
}

impl<S> Drain<S> {
    /// Bytes the peer has sent so far.
    pub(crate) fn received(&self) -> u64 {
        self.0.lock().received
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Drain<S> {
    /// Ends what is sent and throws away what still comes, until the peer ends too. A socket that is closed with unread
    /// bytes resets its connection, and the peer then may lose the last it was told.
    async fn linger(self) {
        let ended = poll_fn(|cx| {
            let mut shared = self.0.lock();
            ready!(shared.poll_drain(cx))?;
            Pin::new(&mut shared.stream).poll_shutdown(cx)
        });
        if ended.await.is_err() {
            return;
        }
        let mut unread = [0; UNREAD];
        let mut more = true;
        while more {
            more = poll_fn(|cx| {
                let mut unread = ReadBuf::new(&mut unread);
                let read = ready!(Pin::new(&mut self.0.lock().stream).poll_read(cx, &mut unread));
                Poll::Ready(read.is_ok() && !unread.filled().is_empty())
            })
            .await;
        }
    }
}

impl<S: AsyncWrite + Unpin> Shared<S> {
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.waiting.has_remaining() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.waiting))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.waiting.advance(written);
            self.dirty = true;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        if self.dirty {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.dirty = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Puts by what is small, in order.
    fn poll_put_by(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>], length: usize) -> Poll<io::Result<usize>> {
        if self.waiting.len() + length > WAITING_MAX {
            ready!(self.poll_send(cx))?;
        }
        for buf in bufs {
            self.waiting.extend_from_slice(buf);
        }
        Poll::Ready(Ok(length))
    }

    /// Writes what is large without copying it, and what waits before it in the same write.
    fn poll_write_large(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if !self.stream.is_write_vectored() {
            ready!(self.poll_send(cx))?;
        }
        self.dirty = true;
        while self.waiting.has_remaining() {
            let mut pieces = [IoSlice::new(&[]); PIECES_MAX];
            let following = bufs.len().min(PIECES_MAX - 1);
            pieces[0] = IoSlice::new(&self.waiting);
            pieces[1..=following].copy_from_slice(&bufs[..following]);
            let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, &pieces[..=following]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let waited = written.min(self.waiting.len());
            self.waiting.advance(waited);
            if written > waited {
                return Poll::Ready(Ok(written - waited));
            }
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for CoalesceIo<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut shared = self.0.lock();
        let before = buf.filled().len();
        ready!(Pin::new(&mut shared.stream).poll_read(cx, buf))?;
        shared.received += (buf.filled().len() - before) as u64;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for CoalesceIo<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = bufs.iter().map(|buf| buf.len()).sum();
        let mut shared = self.0.lock();
        if length < LARGE { shared.poll_put_by(cx, bufs, length) } else { shared.poll_write_large(cx, bufs) }
    }

    fn is_write_vectored(&self) -> bool {
        self.0.lock().stream.is_write_vectored()
    }

    /// Flushing is the drain's business, once the connection has written all it has.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut shared = self.0.lock();
        ready!(shared.poll_drain(cx))?;
        Pin::new(&mut shared.stream).poll_shutdown(cx)
    }
}

/// Why a connection broke.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A connection that sends what waits after each of its polls.
pub struct FlushAfterPoll<C, S> {
    connection: Pin<Box<C>>,
    drain: Drain<S>,
}

impl<C, S> FlushAfterPoll<C, S> {
    /// The connection must write to the other half of the drain.
    pub fn new(connection: C, drain: Drain<S>) -> Self {
        Self { connection: Box::pin(connection), drain }
    }

    /// The connection.
    pub(crate) fn connection(&mut self) -> Pin<&mut C> {
        self.connection.as_mut()
    }

    /// Bytes the peer has sent so far.
    pub(crate) fn received(&self) -> u64 {
        self.drain.received()
    }

    /// Closes a connection that has ended, once the peer has closed it too. Needs a bound in time from outside.
    pub(crate) async fn linger(self)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let Self { connection, drain } = self;
        drop(connection);
        drain.linger().await;
    }
}

impl<C, S, E> Future for FlushAfterPoll<C, S>
where
    C: Future<Output = Result<(), E>>,
    S: AsyncWrite + Unpin,
    E: Into<BoxError>,
{
    type Output = Result<(), BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = self.connection.as_mut().poll(cx);
        let drained = self.drain.0.lock().poll_drain(cx);
        match (ended, drained) {
            (Poll::Pending, Poll::Ready(Err(error))) => Poll::Ready(Err(error.into())),
            (ended, _) => ended.map_err(Into::into),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt, TryStreamExt};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn small_writes_wait_for_the_end_of_the_poll_and_keep_their_order() {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        let (mut io, drain) = coalesce(near);
        let connection = async move {
            io.write_all(b"one ").await?;
            io.write_all(&[b'x'; LARGE]).await?;
            io.write_all(b" two").await?;
            io.flush().await?;
            std::future::pending::<io::Result<()>>().await
        };
        let mut flushed = FlushAfterPoll::new(connection, drain);
        assert!(futures::poll!(&mut flushed).is_pending());
        let mut got = vec![0; 4 + LARGE + 4];
        far.read_exact(&mut got).await.unwrap();
        assert_eq!((&got[..4], &got[4 + LARGE..]), (&b"one "[..], &b" two"[..]));
    }

    /// Takes so many bytes of each write, and notes what it took.
    #[derive(Default)]
    struct Noting {
        most: usize,
        writes: Vec<Vec<u8>>,
    }

    impl AsyncWrite for Noting {
        fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            self.poll_write_vectored(cx, &[IoSlice::new(buf)])
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
            bufs: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let taken: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).take(self.most).collect();
            let length = taken.len();
            self.writes.push(taken);
            Poll::Ready(Ok(length))
        }

        fn is_write_vectored(&self) -> bool {
            true
        }

        fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// What is written of three large pieces, each after something small, where a write takes so much at most.
    async fn three(most: usize) -> Vec<Vec<u8>> {
        let (mut io, drain) = coalesce(Noting { most, ..Noting::default() });
        let connection = async move {
            for number in 0..3_u8 {
                io.write_all(b"head ").await?;
                io.write_all(&[number; LARGE]).await?;
            }
            std::future::pending::<io::Result<()>>().await
        };
        let mut flushed = FlushAfterPoll::new(connection, drain);
        assert!(futures::poll!(&mut flushed).is_pending());
        let mut shared = flushed.drain.0.lock();
        std::mem::take(&mut shared.stream.writes)
    }

    #[tokio::test]
    async fn what_waits_goes_out_with_the_next_large_write() {
        for most in [usize::MAX, LARGE, 7, 3] {
            let writes = three(most).await;
            let expected: Vec<u8> = (0..3).flat_map(|number| [&b"head "[..], &[number; LARGE]].concat()).collect();
            assert_eq!(writes.concat(), expected);
            assert!(most != usize::MAX || writes.len() == 3, "{} writes", writes.len());
        }
    }

    #[tokio::test]
    async fn a_full_peer_holds_what_waits_within_bounds() {
        let (near, mut far) = tokio::io::duplex(1000);
        let (mut io, drain) = coalesce(near);
        let connection = async move {
            io.write_all(&[b'y'; 5000]).await?;
            let small = futures::stream::iter(0..100).map(Ok::<_, io::Error>);
            small.try_fold(&mut io, async |io, _| io.write_all(&[b'y'; 1950]).await.map(|()| io)).await?;
            io.shutdown().await
        };
        let mut flushed = FlushAfterPoll::new(connection, drain);
        assert!(futures::poll!(&mut flushed).is_pending());
        assert!(flushed.drain.0.lock().waiting.len() <= WAITING_MAX);
        let mut got = Vec::new();
        let (ended, read) = tokio::join!(flushed, far.read_to_end(&mut got));
        ended.unwrap();
        assert_eq!((read.unwrap(), got.len()), (200_000, 200_000));
    }
}
