//! Large values as streams: read and written in chunks, each checked, and gone on with where a stream broke. What small
//! calls do lives in `calls`; which of the two a value takes, in `whole`.

mod read;
mod sink;
mod typed;
mod uplink;
mod upload;
mod whole;

use std::time::Duration;

use crate::{Calls, Error, ErrorKind, Result, clock, retry};

pub(crate) use self::whole::{SURE_BYTES, is_large};
pub use self::{
    read::ValueReader,
    sink::ValueWriter,
    typed::{ReadStream, WriteStream},
    upload::ValueSource,
};

/// Failures in a row, without a byte of progress between them, after which a transfer is given up.
const FAILURES_MAX: u32 = 8;
/// Wait before the first time a stream is opened again.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
/// Longest wait before that, unless the server asks for more.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Bytes of a chunk that is sent, where the server takes as much.
const CHUNK_BYTES: u64 = 1 << 20;

/// How often in a row a transfer failed.
#[derive(Debug, Default)]
struct Failures(u32);

impl Failures {
    /// Something arrived.
    fn progress(&mut self) {
        self.0 = 0;
    }

    /// Counts a failure; the one that is too many is given back.
    fn count(&mut self, error: Error) -> Result<()> {
        self.0 += 1;
        if self.0 > FAILURES_MAX { Err(error) } else { Ok(()) }
    }

    /// Waits before the next try, or gives the failure back when there is none.
    async fn pause(&mut self, calls: &Calls, error: Error) -> Result<()> {
        if calls.attempts == 1 || !is_interruption(&error) || calls.is_closed() {
            return Err(error);
        }
        self.count(error.clone())?;
        let own = retry::jittered(retry::backoff(self.0, PAUSE_FIRST, PAUSE_MAX));
        let pause = error.retry_after.map_or(own, |asked| asked.max(own));
        if pause > calls.bulk_time() {
            return Err(error);
        }
        let pause = async {
            tokio::time::sleep(pause).await;
            Ok(())
        };
        calls.while_open(pause).await
    }
}

/// Whether a stream that ended like this may go on in another one. Who took an upload over is this client's own older
/// stream, which was held up on its way: nobody else knows its id.
fn is_interruption(error: &Error) -> bool {
    if error.reason.as_deref() == Some("UPLOAD_TAKEN_OVER") {
        return true;
    }
    match error.kind {
        ErrorKind::Unavailable | ErrorKind::DeadlineExceeded | ErrorKind::Cancelled => true,
        ErrorKind::ResourceExhausted => error.retry_after.is_some(),
        ErrorKind::Internal => error.reason.as_deref() == Some(DAMAGED),
        _ => false,
    }
}

/// Reason of what arrived otherwise than it was sent.
const DAMAGED: &str = "CHUNK_DAMAGED";

fn damaged(what: &str) -> Error {
    Error::new(ErrorKind::Internal, what).with_reason(DAMAGED)
}

impl Calls {
    /// Waits for a step of a transfer. There is no deadline for all of it, as nobody knows how long it takes: what counts is
    /// that it goes on.
    async fn step<T>(&self, long: Duration, step: impl Future<Output = T>) -> Result<T> {
        let step = tokio::time::timeout_at(clock::after(long), step);
        self.while_open(async { step.await.map_err(|_elapsed| Error::timed_out(long)) }).await
    }

    /// The bytes of a chunk to send.
    async fn chunk_bytes(&self) -> Result<usize> {
        let allowed = self.limits().await?.chunk_bytes_max;
        if allowed == 0 {
            let text = "the server takes no values as streams: it is older than this client";
            return Err(Error::new(ErrorKind::Unimplemented, text));
        }
        Ok(usize::try_from(allowed.min(CHUNK_BYTES)).unwrap_or(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_goes_on_after_what_passes_and_after_nothing_else() {
        let of = |kind, reason: &str| is_interruption(&Error::new(kind, "it ended").with_reason(reason));
        assert!(of(ErrorKind::Unavailable, "DRAINING") && of(ErrorKind::Internal, DAMAGED));
        assert!(of(ErrorKind::FailedPrecondition, "UPLOAD_TAKEN_OVER"), "by its own older stream");
        assert!(!of(ErrorKind::FailedPrecondition, "VERSION_GONE"));
        assert!(!of(ErrorKind::InvalidArgument, "DIGEST_MISMATCH") && !of(ErrorKind::Internal, "BUG"));
    }
}
