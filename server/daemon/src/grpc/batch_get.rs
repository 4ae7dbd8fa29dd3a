//! BatchGet: several look-ups, each for itself, as many as fit the response.

use hotplate_proto::v1::{self, batch_get_result::Result as Found};
use prost::Message;

use super::{
    convert, get,
    service::{Answer, Call, Parts},
    status::Failure,
};

/// Bytes around a result in the response, and of a result that only says "deferred".
const AROUND: usize = 24;

/// Serves `BatchGet`.
pub(crate) fn batch_get(
    parts: &Parts,
    call: &Call,
    request: v1::BatchGetRequest,
) -> Result<Answer<v1::BatchGetResponse>, Failure> {
    call.allow(&request.namespace)?;
    convert::check_batch(request.items.len(), parts.batch_items_max)?;
    let mut room = parts.message_bytes_max.saturating_sub(request.items.len() * AROUND);
    let mut results: Vec<v1::BatchGetResult> = Vec::with_capacity(request.items.len());
    for (number, mut item) in request.items.into_iter().enumerate() {
        let found = convert::batch_namespace(&request.namespace, &mut item.namespace)
            .and_then(|()| convert::only_reported(&item))
            .and_then(|()| get::find(parts, item))
            .map_err(|failure| failure.within(&format!("items[{number}]")));
        let result = match found {
            Ok(answer) => Found::Response(answer.message),
            Err(failure) => Found::Error(failure.item()),
        };
        let whole = v1::BatchGetResult { result: Some(result) };
        let length = whole.encoded_len();
        // The first always goes out, so that every call brings its caller further.
        if number == 0 || length <= room {
            room = room.saturating_sub(length);
            results.push(whole);
        } else {
            let deferred = v1::DeferredItem { size_bytes: convert::value_bytes(&whole) };
            results.push(v1::BatchGetResult { result: Some(Found::Deferred(deferred)) });
        }
    }
    Ok(Answer::plain(v1::BatchGetResponse { results }))
}
