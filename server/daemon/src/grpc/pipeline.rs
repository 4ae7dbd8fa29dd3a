//! Pipeline: many small operations over one stream, each served as the RPC of its name. What they mean is not known here.

use std::sync::Arc;

use futures::{StreamExt, stream::FuturesUnordered};
use hotplate_proto::v1::{self, Permission, pipeline_operation::Operation, pipeline_result::Result as Said};
use tokio::time::timeout;
use tonic::Streaming;

use super::{
    convert, get, invalidate, put,
    service::{Call, Messages, Parts},
    status::Failure,
    touch,
};

/// Messages of one stream that are served at once at most.
const MESSAGES_MAX: usize = 16;

/// Serves `Pipeline`.
pub(crate) fn pipeline(
    parts: Arc<Parts>,
    call: Arc<Call>,
    requests: Streaming<v1::PipelineRequest>,
) -> Messages<v1::PipelineResponse> {
    let serve = move |request: Result<v1::PipelineRequest, tonic::Status>| {
        let (parts, call) = (Arc::clone(&parts), Arc::clone(&call));
        async move {
            let request = request?;
            convert::check_batch(request.operations.len(), parts.batch_items_max)?;
            let each =
                request.operations.into_iter().map(|operation| one(&parts, &call, &request.namespace, operation));
            let results = each.collect::<FuturesUnordered<_>>().collect().await;
            Ok(v1::PipelineResponse { results })
        }
    };
    requests.map(serve).buffer_unordered(MESSAGES_MAX).boxed()
}

async fn one(parts: &Parts, call: &Call, namespace: &str, operation: v1::PipelineOperation) -> v1::PipelineResult {
    let v1::PipelineOperation { call_id, operation, .. } = operation;
    let said = match Box::pin(timeout(call.time, answer(parts, call, namespace, operation))).await {
        Ok(said) => said,
        Err(_elapsed) => Err(Failure::deadline()),
    };
    let result = Some(said.unwrap_or_else(|failure| Said::Error(failure.item())));
    v1::PipelineResult { call_id, result }
}

async fn answer(parts: &Parts, call: &Call, namespace: &str, operation: Option<Operation>) -> Result<Said, Failure> {
    let named = |own: &mut String| {
        if own.is_empty() {
            namespace.clone_into(own);
        }
    };
    let with = |permission| Call {
        rpc: call.rpc,
        caller: call.caller.clone(),
        permission,
        started: parts.cache.clock().now(),
        time: call.time,
    };
    Ok(match operation {
        Some(Operation::Get(mut request)) => {
            named(&mut request.namespace);
            Said::Get(get::get(parts, &with(Permission::Read), request).await?.message)
        }
        Some(Operation::Put(mut request)) => {
            named(&mut request.namespace);
            Said::Put(put::put(parts, &with(Permission::Write), request).await?.message)
        }
        Some(Operation::Touch(mut request)) => {
            named(&mut request.namespace);
            Said::Touch(touch::touch(parts, &with(Permission::Write), request).await?.message)
        }
        Some(Operation::Invalidate(mut request)) => {
            named(&mut request.namespace);
            Said::Invalidate(invalidate::invalidate(parts, &with(Permission::Invalidate), request).await?.message)
        }
        Some(Operation::Cancel(_)) | None => return Err(Failure::new("BAD_ARGUMENT", "an operation is missing")),
    })
}
