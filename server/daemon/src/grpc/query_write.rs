//! QueryWrite: tells how much of an upload is here.

use std::sync::Arc;

use hotplate_engine::key::DEFAULT_NAMESPACE;
use hotplate_proto::v1;
use tonic::body::Body;

use super::{
    blob::{
        service::{About, Parts},
        uploads::{Known, Name},
        wire::Sent,
    },
    service::{Answer, Call},
    status::Failure,
};

/// Letters of an upload's id.
const ID_BYTES: std::ops::RangeInclusive<usize> = 16..=64;

/// Serves `QueryWrite`.
pub(super) async fn query_write(
    parts: &Parts,
    call: &Call,
    sent: Sent<Body>,
    about: &mut About,
) -> Result<Answer<v1::QueryWriteResponse>, Failure> {
    let request: v1::QueryWriteRequest = sent.only().await?;
    request.namespace.clone_into(&mut about.namespace);
    call.allow(&request.namespace)?;
    let answer = match parts.uploads.query(&name(&request.namespace, &request.upload_id, "upload_id")?)? {
        Known::Open(received_bytes) => v1::WriteValueResponse { received_bytes, put: None },
        // Half of the time is left for the answer.
        Known::Closed(upload) => match tokio::time::timeout(call.time / 2, upload.outcome()).await {
            Ok(outcome) => outcome?,
            Err(_elapsed) => v1::WriteValueResponse { received_bytes: upload.received(), put: None },
        },
        Known::Finished(finished) => finished.answer,
    };
    let v1::WriteValueResponse { received_bytes, put } = answer;
    Ok(Answer::plain(v1::QueryWriteResponse { received_bytes, put }))
}

/// Names an upload, checked.
pub(super) fn name(namespace: &str, id: &str, field: &str) -> Result<Name, Failure> {
    let fits =
        ID_BYTES.contains(&id.len()) && id.bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'-');
    if !fits {
        let rule = "an upload is named by 16 to 64 letters, digits and hyphens that nobody guesses";
        return Err(Failure::argument(field, rule));
    }
    let namespace = if namespace.is_empty() { DEFAULT_NAMESPACE } else { namespace };
    Ok(Name { namespace: Arc::from(namespace), id: Arc::from(id) })
}
