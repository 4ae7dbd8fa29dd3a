//! What is remembered of requests, so that a scenario can look at it.

use hotplate_proto::v1;
use serde_json::{Value, json};

/// What is remembered of a request.
pub(crate) trait Facts {
    /// As an object.
    fn facts(&self) -> Value;
}

impl Facts for v1::GetRequest {
    fn facts(&self) -> Value {
        let Self { namespace, key, peek, .. } = self;
        let (policy, stale) = (self.miss_policy().as_str_name(), self.stale_policy().as_str_name());
        json!({ "namespace": namespace, "key": key, "peek": peek, "miss_policy": policy, "stale_policy": stale })
    }
}

impl Facts for v1::BatchGetRequest {
    fn facts(&self) -> Value {
        let keys: Vec<_> = self.items.iter().map(|item| &item.key).collect();
        json!({ "namespace": self.namespace, "keys": keys })
    }
}

impl Facts for v1::PutRequest {
    fn facts(&self) -> Value {
        json!({
            "namespace": self.namespace, "key": self.key, "request_id": self.request_id, "client_id": self.client_id,
            "content_type": self.content_type, "lease": !self.lease_token.is_empty(), "kind": self.kind,
            "tags": self.tags,
        })
    }
}

impl Facts for v1::BatchPutRequest {
    fn facts(&self) -> Value {
        let keys: Vec<_> = self.items.iter().map(|item| &item.key).collect();
        json!({ "namespace": self.namespace, "keys": keys })
    }
}

impl Facts for v1::InvalidateRequest {
    fn facts(&self) -> Value {
        json!({
            "namespace": self.namespace, "request_id": self.request_id, "client_id": self.client_id,
            "selectors": self.selectors.len(), "mode": self.mode().as_str_name(),
        })
    }
}

impl Facts for v1::PreloadRequest {
    fn facts(&self) -> Value {
        json!({ "request_id": self.request_id, "job_id": self.job_id, "items": self.items.len() })
    }
}

impl Facts for v1::WatchRequest {
    fn facts(&self) -> Value {
        json!({ "namespace": self.namespace, "resumes": !self.resume_token.is_empty() })
    }
}

/// Requests of which it is enough that they were made, and where.
macro_rules! bare {
    ($($request:ident $(.$field:ident)?),* $(,)?) => {
        $(impl Facts for v1::$request {
            fn facts(&self) -> Value {
                json!({ $("key": self.$field)? })
            }
        })*
    };
}

bare!(
    TouchRequest.key,
    ExtendLeaseRequest.key,
    ReleaseLeaseRequest.key,
    ReadValueRequest.key,
    ExplainKeyRequest.key,
    StatsRequest,
    UpdateWatchRequest,
    RevalidateRequest,
    ListEntriesRequest,
    GetServerInfoRequest,
    QueryWriteRequest,
);

impl<T> Facts for tonic::Streaming<T> {
    fn facts(&self) -> Value {
        json!({})
    }
}
