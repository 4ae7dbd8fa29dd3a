//! Revalidate: several copies compared with what is stored, each for itself.

use hotplate_engine::flow::revalidate::RevalidateRequest;
use hotplate_proto::v1;

use super::{
    convert,
    service::{Answer, Call, Parts},
    status::Failure,
};

/// Serves `Revalidate`.
pub(crate) fn revalidate(
    parts: &Parts,
    call: &Call,
    request: v1::RevalidateRequest,
) -> Result<Answer<v1::RevalidateResponse>, Failure> {
    call.allow(&request.namespace)?;
    convert::check_batch(request.items.len(), parts.batch_items_max)?;
    let compare = |(number, item): (usize, &v1::RevalidateItem)| {
        let copy = RevalidateRequest { namespace: &request.namespace, key: &item.key, etag: &item.etag };
        match parts.cache.revalidate(&copy) {
            Ok(answer) => convert::revalidate_result(answer),
            Err(error) => {
                let failure = Failure::from(error).within(&format!("items[{number}]"));
                v1::RevalidateResult { error: Some(failure.item()), ..Default::default() }
            }
        }
    };
    let results = request.items.iter().enumerate().map(compare).collect();
    Ok(Answer::plain(v1::RevalidateResponse { results }))
}
