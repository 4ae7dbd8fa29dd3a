//! BatchPut: several writes, each for itself.

use hotplate_proto::v1::{self, batch_put_result::Result as Stored};

use super::{
    convert, put,
    service::{Answer, Call, Parts},
    status::Failure,
};

/// Serves `BatchPut`.
pub(crate) async fn batch_put(
    parts: &Parts,
    call: &Call,
    request: v1::BatchPutRequest,
) -> Result<Answer<v1::BatchPutResponse>, Failure> {
    call.allow(&request.namespace)?;
    convert::check_batch(request.items.len(), parts.batch_items_max)?;
    let mut results = Vec::with_capacity(request.items.len());
    for (number, mut item) in request.items.into_iter().enumerate() {
        let stored = match convert::batch_namespace(&request.namespace, &mut item.namespace) {
            Ok(()) => Box::pin(put::store(parts, item)).await,
            Err(failure) => Err(failure),
        };
        let result = match stored {
            Ok(answer) => Stored::Response(answer.message),
            Err(failure) => Stored::Error(failure.within(&format!("items[{number}]")).item()),
        };
        results.push(v1::BatchPutResult { result: Some(result) });
    }
    Ok(Answer::plain(v1::BatchPutResponse { results }))
}
