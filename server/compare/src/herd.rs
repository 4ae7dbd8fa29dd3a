//! Hundreds of callers who want one missing result that nobody computes: they wait for as long as they are awaited.

use futures::future::join_all;
use hotplate_proto::v1::{GetRequest, MissPolicy, cache_service_client::CacheServiceClient};

use crate::{generator::Target, servers::connected};

/// Callers.
const CALLERS: usize = 500;
/// What they want.
const KEY: &str = "compare-herd";

/// Lets them wait until this is dropped. Ends only when that fails.
pub(crate) async fn wait(target: &Target) -> String {
    let channel = match connected(target).await {
        Ok(channel) => channel,
        Err(why) => return why,
    };
    let caller = |_number: usize| {
        let mut client = CacheServiceClient::new(channel.clone());
        let request =
            GetRequest { key: KEY.into(), miss_policy: MissPolicy::LeaseOrWait.into(), ..GetRequest::default() };
        async move { client.get(request).await.err() }
    };
    let ended = join_all((0..CALLERS).map(caller)).await;
    match ended.into_iter().flatten().next() {
        Some(error) => format!("a caller of the herd was not let wait: {error}"),
        None => "nobody waited: the result was there".into(),
    }
}
