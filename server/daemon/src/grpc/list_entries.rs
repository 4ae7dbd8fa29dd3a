//! ListEntries: translates a page, and makes it smaller where it would not fit a message.

use hotplate_proto::v1;
use prost::Message;

use super::{
    convert,
    service::{Answer, Call, Parts},
    status::Failure,
};

/// Serves `ListEntries`.
pub(crate) fn list_entries(
    parts: &Parts,
    call: &Call,
    request: v1::ListEntriesRequest,
) -> Result<Answer<v1::ListEntriesResponse>, Failure> {
    call.allow(&request.namespace)?;
    let mut request = convert::list_request(request)?;
    loop {
        let answer = parts.cache.list(&request)?;
        let count = answer.entries.len();
        let message = convert::list_response(answer);
        // Ends after ten rounds at most: a page has at most 1,000 entries.
        if count <= 1 || message.encoded_len() <= parts.message_bytes_max {
            return Ok(Answer::plain(message));
        }
        request.page_size = count / 2;
    }
}
