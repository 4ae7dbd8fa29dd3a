//! Which way a whole value takes: with the call where it is small enough, as a stream where it is not.

use bytes::{Bytes, BytesMut};

use crate::{Calls, Error, ErrorKind, Result, retry::Repeat, v1};
use v1::{entry::Payload as Found, put_request::Payload};

/// Bytes of a value that every server takes with a call, unless it says otherwise.
pub(crate) const SURE_BYTES: usize = 1 << 20;
/// Bytes of a value that no server refuses for its size.
const SMALL_BYTES: usize = 4 << 10;
/// How often a value that is replaced while it is read is read anew.
const VERSIONS_MAX: u32 = 4;
/// Bytes that are set aside for a value before any of them came.
const RESERVED_MAX: u64 = 64 << 20;

/// Whether the value is too large for this answer.
pub(crate) fn is_large(response: &v1::GetResponse) -> bool {
    response.entry.as_ref().is_some_and(is_large_payload)
}

fn is_large_payload(entry: &v1::Entry) -> bool {
    matches!(entry.payload, Some(Found::Large(_)))
}

impl Calls {
    /// A Get whose answer has the value, however large it is. One that may be answered with a lease takes
    /// [`Calls::get_head`]: the lease is to be held before anything else is done.
    pub(crate) async fn get_whole(&self, mut request: v1::GetRequest) -> Result<Box<v1::GetResponse>> {
        let response = self.get_head(&mut request).await?;
        if is_large(&response) { Box::pin(self.with_large(request, response)).await } else { Ok(response) }
    }

    /// A Get whose answer may say that its value [`is_large`]. The request is whole afterwards.
    pub(crate) async fn get_head(&self, request: &mut v1::GetRequest) -> Result<Box<v1::GetResponse>> {
        self.gathered(self.small(Repeat::Safe), request).await
    }

    /// Reads the value that is too large for this answer, and puts it there. What was replaced meanwhile is asked for again, as
    /// it was, but not for its lease.
    pub(crate) async fn with_large(
        &self,
        mut asked: v1::GetRequest,
        mut response: Box<v1::GetResponse>,
    ) -> Result<Box<v1::GetResponse>> {
        asked.set_miss_policy(v1::MissPolicy::Unspecified);
        asked.wait_timeout = None;
        for _ in 0..VERSIONS_MAX {
            let Some(entry) = response.entry.as_mut().filter(|entry| is_large_payload(entry)) else {
                return Ok(response);
            };
            let version = entry.metadata.as_ref().map(|metadata| metadata.etag.clone()).unwrap_or_default();
            let wanted = v1::ReadValueRequest {
                namespace: asked.namespace.clone(),
                key: asked.key.clone(),
                version,
                stale_policy: asked.stale_policy,
                slowest_tier: asked.slowest_tier,
                ..Default::default()
            };
            match self.all_of(wanted).await {
                Ok(Some(value)) => {
                    entry.payload = Some(Found::Value(value));
                    return Ok(response);
                }
                Ok(None) => {}
                Err(error) if error.reason.as_deref() == Some("VERSION_GONE") => {}
                Err(error) => return Err(error),
            }
            response = self.get_head(&mut asked).await?;
        }
        Err(Error::new(ErrorKind::Unavailable, "the value was replaced each time it was read")
            .with_reason("VERSION_GONE"))
    }

    /// All bytes of a value; `None` when there is none.
    async fn all_of(&self, request: v1::ReadValueRequest) -> Result<Option<Bytes>> {
        let mut reader = self.read_value(request).await?;
        if reader.header().version.is_empty() {
            return Ok(None);
        }
        let size = reader.header().size_bytes.min(RESERVED_MAX);
        let mut value = BytesMut::with_capacity(usize::try_from(size).unwrap_or(0));
        while let Some(bytes) = reader.next().await? {
            value.extend_from_slice(&bytes);
        }
        Ok(Some(value.freeze()))
    }

    /// A Put of a value of any size.
    pub(crate) async fn put_whole(&self, request: v1::PutRequest) -> Result<v1::PutResponse> {
        let Some(Payload::Value(value)) = &request.payload else { return self.put(request).await };
        let (value, known) = (value.clone(), self.wire.limits.get().copied());
        if value.len() <= SURE_BYTES && known.is_none() {
            // A server that takes less says so; then its limits are known.
            let kept = (value.len() > SMALL_BYTES).then(|| request.clone());
            let refused = match (self.put(request).await, kept) {
                (Err(error), Some(kept)) if error.reason.as_deref() == Some("VALUE_TOO_LARGE") => (error, kept),
                (answered, _) => return answered,
            };
            let limits = self.limits().await?;
            return match limits.chunk_bytes_max > 0 && value.len() as u64 > limits.unary_value_bytes_max {
                true => Box::pin(self.write_value(refused.1, value, false)).await,
                false => Err(refused.0),
            };
        }
        let limits = match known {
            Some(limits) => limits,
            None => self.limits().await?,
        };
        // A server without streams says itself what is too large.
        if limits.chunk_bytes_max == 0 || value.len() as u64 <= limits.unary_value_bytes_max {
            return self.put(request).await;
        }
        Box::pin(self.write_value(request, value, false)).await
    }
}
