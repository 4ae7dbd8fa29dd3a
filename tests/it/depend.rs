//! Dependencies over the wire: what a Put says, what an Invalidate leads to, what is refused, what watchers hear.

use hotplate_proto::v1::{self, MissReason};
use tonic::Code;

use crate::{harness::Local, wire::*};

fn made(key: &str, from: &[&str]) -> v1::PutRequest {
    v1::PutRequest { depends_on: texts(from), ..put(key, "v") }
}

async fn chain(client: &mut Client) {
    client.store(put("model:7", "v")).await;
    client.store(made("metrics:7", &["model:7", "tag:daily", "model:7"])).await;
    client.store(made("report", &["metrics:7"])).await;
    client.store(put("other", "v")).await;
}

#[tokio::test]
async fn what_was_made_from_a_model_goes_with_it() {
    let server = Local::start().await;
    let mut client = server.client().await;
    chain(&mut client).await;
    let got = client.get(get("metrics:7")).await.unwrap().into_inner();
    assert_eq!(facts_of(&got).depends_on, ["model:7", "tag:daily"], "sorted, without duplicates");
    let dry = v1::InvalidateRequest { validate_only: true, ..invalidate(vec![select::key("model:7")]) };
    let shown = client.invalidate(dry).await.unwrap().into_inner();
    assert_eq!((shown.matched_count, shown.cascaded_count, shown.sample_keys), (1, 2, texts(&["model:7"])));
    let answer = client.drop_all(vec![select::key("model:7")]).await;
    assert_eq!((answer.matched_count, answer.cascaded_count), (1, 2));
    for key in ["model:7", "metrics:7", "report"] {
        assert_eq!(client.value(key).await, Err(MissReason::Invalidated), "{key}");
    }
    assert!(client.value("other").await.is_ok());
}

#[tokio::test]
async fn a_tag_leads_to_what_was_made_from_it_and_a_switch_stops_it() {
    let server = Local::start().await;
    let mut client = server.client().await;
    chain(&mut client).await;
    let alone = v1::InvalidateRequest { cascade: Some(false), ..invalidate(vec![select::key("model:7")]) };
    assert_eq!(client.invalidate(alone).await.unwrap().into_inner().cascaded_count, 0);
    assert!(client.value("metrics:7").await.is_ok());
    let answer = client.drop_all(vec![select::tag("daily")]).await;
    assert_eq!((answer.matched_count, answer.cascaded_count), (0, 2));
    chain(&mut client).await;
    let alone = v1::InvalidateRequest { cascade: Some(false), ..invalidate(vec![select::dependents_of("model:7")]) };
    assert_eq!(client.invalidate(alone).await.unwrap().into_inner().matched_count, 1);
    assert!(client.value("report").await.is_ok() && client.value("model:7").await.is_ok());
    let list = v1::ListEntriesRequest { selectors: vec![select::dependents_of("metrics:7")], ..Default::default() };
    let listed = client.list_entries(list).await.unwrap().into_inner().entries;
    assert_eq!(listed.into_iter().map(|entry| entry.key).collect::<Vec<_>>(), ["report"]);
}

#[tokio::test]
async fn cycles_and_too_large_cascades_are_refused() {
    let server = Local::with(|settings| settings.limits.cascade_entries_max = 1).await;
    let mut client = server.client().await;
    chain(&mut client).await;
    let refused = failure(client.put(made("model:7", &["x", "report"])).await);
    refused.is(Code::InvalidArgument, "DEPENDENCY_CYCLE").blames("depends_on[1]");
    let refused = failure(client.put(made("k", &["tag:"])).await);
    refused.is(Code::InvalidArgument, "BAD_ARGUMENT").blames("depends_on");
    let refused = failure(client.invalidate(invalidate(vec![select::key("model:7")])).await);
    refused.is(Code::ResourceExhausted, "CASCADE_TOO_LARGE").blames("cascade");
    for key in ["model:7", "metrics:7", "report"] {
        assert!(client.value(key).await.is_ok(), "nothing was dropped: {key}");
    }
}
