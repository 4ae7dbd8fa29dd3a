//! hotplate without its client library's joining: one Get that waits on the server, one Put under the lease.

use std::time::Duration;

use hotplate::{Calls, Client, v1};

use super::Answer;

/// Longer than the server lets anyone wait.
const CALL_TIME: Duration = Duration::from_secs(60);

/// One caller's share of a connection to hotplate, which carries any number of calls at once.
#[derive(Clone)]
pub(crate) struct Connection {
    calls: Calls,
}

impl Connection {
    pub(crate) async fn open(url: &str) -> Result<Self, String> {
        let client = Client::builder().url(url).build().map_err(|error| error.to_string())?;
        let calls = client.calls().with_timeout(CALL_TIME);
        calls.get_server_info().await.map_err(|error| error.to_string())?;
        Ok(Self { calls })
    }

    pub(crate) async fn ask(&mut self, key: &str) -> Result<Answer, String> {
        let request = v1::GetRequest {
            key: key.to_owned(),
            miss_policy: v1::MissPolicy::LeaseOrWait.into(),
            ..v1::GetRequest::default()
        };
        let response = self.calls.get(request).await.map_err(|error| error.to_string())?;
        if let Some(lease) = response.lease {
            return Ok(Answer::Compute(lease.token));
        }
        match response.entry.and_then(|entry| entry.payload) {
            Some(v1::entry::Payload::Value(bytes)) => Ok(Answer::Value(String::from_utf8_lossy(&bytes).into_owned())),
            Some(v1::entry::Payload::Negative(_) | v1::entry::Payload::Large(_)) | None => Ok(Answer::Later),
        }
    }

    pub(crate) async fn store(&mut self, key: &str, value: &str, token: &str) -> Result<(), String> {
        let request = v1::PutRequest {
            key: key.to_owned(),
            payload: Some(v1::put_request::Payload::Value(value.to_owned().into())),
            lease_token: token.to_owned(),
            ..v1::PutRequest::default()
        };
        self.calls.put(request).await.map(drop).map_err(|error| error.to_string())
    }
}
