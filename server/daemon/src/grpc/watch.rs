//! Watch: translates what to follow and what happened. A watch is of one namespace, for which its caller was checked
//! when it began; the gate ends it when the caller's token expires.

use futures::StreamExt;
use hotplate_proto::v1;

use super::{
    convert,
    service::{Answer, Call, Messages, Parts},
    status::Failure,
};

/// Serves `Watch`.
pub(crate) fn watch(
    parts: &Parts,
    call: &Call,
    request: v1::WatchRequest,
) -> Result<Answer<Messages<v1::WatchResponse>>, Failure> {
    call.allow(&request.namespace)?;
    let request = convert::watch_request(request)?;
    let bytes_max = (parts.message_bytes_max, parts.cache.config().unary_value_bytes_max);
    let content = request.content;
    let watcher = parts.cache.watch(request)?;
    let told = futures::stream::unfold(watcher, async |mut watcher| watcher.next().await.map(|told| (told, watcher)));
    let messages = told.flat_map(move |told| {
        let pieces = convert::watch_responses(told, content, bytes_max);
        futures::stream::iter(pieces.into_iter().map(Ok))
    });
    // The engine ends a watch only when it closes: whoever is left is to go on elsewhere.
    let end = futures::stream::iter([Err(Failure::draining().into())]);
    Ok(Answer { message: messages.chain(end).boxed(), outcome: "opened" })
}
