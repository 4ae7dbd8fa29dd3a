//! Preload: translates a job and its progress.

use futures::StreamExt;
use hotplate_proto::v1;

use super::{
    convert,
    service::{Answer, Call, Messages, Parts},
    status::Failure,
};

/// Serves `Preload`.
pub(crate) fn preload(
    parts: &Parts,
    call: &Call,
    request: v1::PreloadRequest,
) -> Result<Answer<Messages<v1::PreloadResponse>>, Failure> {
    call.allow(&request.namespace)?;
    let job = parts.cache.preload(convert::preload_request(request)?)?;
    let progress = futures::stream::unfold(job, async |mut job| job.next().await.map(|progress| (progress, job)));
    let messages = progress.map(|progress| Ok(convert::preload_response(progress)));
    Ok(Answer { message: messages.boxed(), outcome: "started" })
}
