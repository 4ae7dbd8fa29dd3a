//! Deadlines of calls and of streams: what `grpc-timeout` says, and the end of a response whose time is over. Which
//! call gets which deadline is decided by the gate.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Sleep, sleep},
};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::body::Body;

use crate::{grpc::status::Failure, net::waits_for_reader};

/// Digits of a `grpc-timeout` at most, as the protocol says.
const DIGITS_MAX: usize = 8;

/// The time a caller gives, from the `grpc-timeout` header; `None` when it gives none.
///
/// # Errors
/// A header that is not 1 to 8 digits and a unit.
pub(crate) fn asked_for(headers: &HeaderMap) -> Result<Option<Duration>, Failure> {
    let Some(value) = headers.get("grpc-timeout") else { return Ok(None) };
    let rule = "grpc-timeout is 1 to 8 digits and a unit: H, M, S, m, u or n";
    let parsed = value.to_str().ok().and_then(parse).ok_or_else(|| Failure::new("BAD_ARGUMENT", rule))?;
    Ok(Some(parsed))
}

fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > DIGITS_MAX || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

/// The body of a response that ends early, with a status, when its time is over.
pub(crate) struct Ending {
    inner: Body,
    at: Option<(Pin<Box<Sleep>>, Failure)>,
    stop: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    over: bool,
    /// The call counts as in flight until its response is sent.
    place: Option<OwnedSemaphorePermit>,
}

impl Ending {
    /// A body that keeps the call's place until it is sent.
    pub(crate) fn new(inner: Body, place: Option<OwnedSemaphorePermit>) -> Self {
        Self { inner, at: None, stop: None, over: false, place }
    }

    /// Ends with this failure when the time is over.
    pub(crate) fn after(mut self, time: Duration, failure: Failure) -> Self {
        self.at = Some((Box::pin(sleep(time)), failure));
        self
    }

    /// Ends as soon as the server is on its way out.
    pub(crate) fn when_stopped(mut self, stop: WaitForCancellationFutureOwned) -> Self {
        self.stop = Some(Box::pin(stop));
        self
    }

    fn due(&mut self, cx: &mut Context<'_>) -> Option<Failure> {
        if let Some((sleep, failure)) = &mut self.at
            && sleep.as_mut().poll(cx).is_ready()
        {
            return Some(failure.clone());
        }
        let stopped = self.stop.as_mut().is_some_and(|stop| stop.as_mut().poll(cx).is_ready());
        stopped.then(Failure::draining)
    }
}

impl http_body::Body for Ending {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if self.over {
            return Poll::Ready(None);
        }
        if let Some(failure) = self.due(cx) {
            // The rest is dropped now: a watch gives its place back although its reader may be slow to notice.
            self.inner = Body::empty();
            self.over = true;
            return Poll::Ready(Some(Ok(Frame::trailers(failure.trailers()))));
        }
        let frame = Pin::new(&mut self.inner).poll_frame(cx);
        // Streams wait for their readers as long as those like, or look after that themselves.
        if self.place.is_some() {
            waits_for_reader(frame.is_ready());
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_the_protocol_writes_them() {
        assert_eq!(parse("99999999n"), Some(Duration::from_nanos(99_999_999)));
        assert_eq!(parse("2H"), Some(Duration::from_secs(7200)));
        assert_eq!(parse("0m"), Some(Duration::ZERO));
        for bad in ["", "5", "m", "x", "123456789m", "-1S", "+1S", "1 S", "1s", "1é", "é"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
