//! Which way a whole value takes: with the call where it is small enough, as a stream where it is not.

use bytes::{Bytes, BytesMut};

use crate::{Calls, Error, ErrorKind, Result, retry::Repeat, v1};
use v1::{entry::Payload as Found, put_request::Payload};

/// Bytes of a value that every server takes with a call, unless it says otherwise.
const SURE_BYTES: usize = 1 << 20;
/// Bytes of a value that no server refuses for its size.
const SMALL_BYTES: usize = 4 << 10;
/// How often a value that is replaced while it is read is read anew.
const VERSIONS_MAX: u32 = 4;
/// Bytes that are set aside for a value before any of them came.
const RESERVED_MAX: u64 = 64 << 20;

impl Calls {
    /// A Get whose answer has the value, however large it is.
    pub(crate) async fn get_whole(&self, mut request: v1::GetRequest) -> Result<Box<v1::GetResponse>> {
        let response = self.gathered(self.small(Repeat::Safe), &mut request).await?;
        match response.entry.as_ref().map(|entry| &entry.payload) {
            Some(Some(Found::Large(_))) => Box::pin(self.with_large(request, response)).await,
            _ => Ok(response),
        }
    }

    /// Reads the value that is too large for this answer, and puts it there.
    async fn with_large(
        &self,
        asked: v1::GetRequest,
        mut response: Box<v1::GetResponse>,
    ) -> Result<Box<v1::GetResponse>> {
        let v1::GetRequest { namespace, key, stale_policy, .. } = asked;
        for _ in 0..VERSIONS_MAX {
            let Some(entry) = &mut response.entry else { return Ok(response) };
            if !matches!(entry.payload, Some(Found::Large(_))) {
                return Ok(response);
            }
            let version = entry.metadata.as_ref().map(|metadata| metadata.etag.clone()).unwrap_or_default();
            let wanted = v1::ReadValueRequest {
                namespace: namespace.clone(),
                key: key.clone(),
                version,
                stale_policy,
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
            let (namespace, key) = (namespace.clone(), key.clone());
            let mut request = v1::GetRequest { namespace, key, stale_policy, ..v1::GetRequest::default() };
            response = self.gathered(self.small(Repeat::Safe), &mut request).await?;
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
