//! What is remembered of requests, so that a scenario can look at it.

use hotplate_proto::v1;
use prost::Message;
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
        json!({
            "namespace": namespace, "key": key, "peek": peek, "miss_policy": policy, "stale_policy": stale,
            "max_age_ms": millis(self.max_age.as_ref()), "wait_timeout_ms": millis(self.wait_timeout.as_ref()),
            "slowest_tier": self.slowest_tier().as_str_name(),
        })
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
        json!({ "namespace": self.namespace, "keys": keys, "bytes": self.encoded_len() })
    }
}

impl Facts for v1::InvalidateRequest {
    fn facts(&self) -> Value {
        json!({
            "namespace": self.namespace, "request_id": self.request_id, "client_id": self.client_id,
            "selectors": self.selectors.iter().map(selected).collect::<Vec<_>>(), "mode": self.mode().as_str_name(),
        })
    }
}

/// A selector as scenarios write it.
fn selected(selector: &v1::Selector) -> Value {
    use v1::selector::Selector as By;
    match &selector.selector {
        Some(By::Key(key)) => json!({ "key": key }),
        Some(By::Prefix(prefix)) => json!({ "prefix": prefix }),
        Some(By::Glob(glob)) => json!({ "glob": glob }),
        Some(By::Tag(tag)) => json!({ "tag": tag }),
        Some(By::AllTags(set)) => json!({ "all_tags": set.tags }),
        Some(By::Kind(kind)) => json!({ "kind": kind }),
        Some(By::Everything(all)) => json!({ "everything": all }),
        Some(By::DependentsOf(key)) => json!({ "dependents_of": key }),
        None => Value::Null,
    }
}

/// A duration in milliseconds; null where there is none.
fn millis(duration: Option<&prost_types::Duration>) -> Option<i64> {
    duration.map(|duration| duration.seconds * 1_000 + i64::from(duration.nanos) / 1_000_000)
}

impl Facts for v1::PreloadRequest {
    fn facts(&self) -> Value {
        json!({ "request_id": self.request_id, "job_id": self.job_id, "items": self.items.len() })
    }
}

impl Facts for v1::WatchRequest {
    fn facts(&self) -> Value {
        let (resumes, leaves_out) = (!self.resume_token.is_empty(), &self.exclude_client_id);
        json!({ "namespace": self.namespace, "resumes": resumes, "exclude_client_id": leaves_out })
    }
}

impl Facts for v1::ReleaseLeaseRequest {
    fn facts(&self) -> Value {
        let failure = self.failure.as_ref().map(|failure| &failure.reason);
        let lasts = self.expiration.as_ref().is_some();
        json!({ "key": self.key, "failure": failure, "lasts": lasts, "hold_off_ms": millis(self.hold_off.as_ref()) })
    }
}

impl Facts for v1::ReadValueRequest {
    fn facts(&self) -> Value {
        let Self { namespace, key, version, read_offset, follow, .. } = self;
        json!({ "namespace": namespace, "key": key, "version": version, "read_offset": read_offset, "follow": follow })
    }
}

impl Facts for v1::WriteValueHeader {
    fn facts(&self) -> Value {
        let key = self.put.as_ref().map(|put| &put.key);
        json!({ "key": key, "upload_id": self.upload_id, "write_offset": self.write_offset, "size_bytes": self.size_bytes })
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
