//! URLs that lead to something else than they say: what is told of it, and that such a tier is never up.

use std::fs;

use hotplate_engine::tier::{TierHealth, shared::SharedTier};
use hotplate_redisctl::{Cluster, Options, Server};
use hotplate_tiers::redis::RedisTier;

use crate::harness::*;

/// What it says when it is asked for, once that was tried; it was never up.
async fn said(tier: &RedisTier) -> String {
    assert_ne!(tier.state().health, TierHealth::Up);
    let error = tier.ping().await.unwrap_err();
    let state = tier.state();
    assert_eq!((state.health, state.why.as_deref()), (TierHealth::Away, Some(error.message.as_str())));
    error.message
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_reached_is_not_up_and_says_where_it_should_be() {
    let tier = tier("redis://127.0.0.1:1");
    assert!(said(&tier).await.contains("127.0.0.1:1"));
    assert_eq!(tier.state().place.as_deref(), Some("redis://127.0.0.1:1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_not_found_is_told_from_a_server_that_is_not_there() {
    let said = said(&tier("redis://no-such-host.invalid:6379")).await;
    assert!(said.contains("no-such-host.invalid of Redis is not found: check shared.url and the DNS"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_no_cluster_is_said_to_be_none() {
    let server = Server::start().unwrap();
    let said = said(&tier(&format!("redis+cluster://{}", server.address()))).await;
    assert!(said.contains("write redis:// instead of redis+cluster://"), "{said}");
    assert!(said.contains(&server.address()), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_node_of_a_cluster_is_said_to_be_that() {
    let cluster = Cluster::start().unwrap();
    let tier = tier(&format!("redis://{}", cluster.nodes[0].address()));
    let mut said = Vec::new();
    for number in 0..32 {
        said.extend(tier.read(&key(&number.to_string()), None, None).await.err().map(|error| error.message));
    }
    assert!(!said.is_empty() && said.iter().all(|said| said.contains("write redis+cluster://")), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_at_a_plain_port_and_the_other_way_round_say_what_to_write() {
    let (plain, tls) = (Server::start().unwrap(), Server::with(Options::default().tls()).unwrap());
    let mut options = options(&format!("rediss://{}", plain.address()));
    options.authorities = Some(fs::read(tls.ca_file().unwrap()).unwrap());
    let said_by_plain = said(&open(options)).await;
    assert!(said_by_plain.contains("does that port speak TLS?"), "{said_by_plain}");
    let said_by_tls = said(&tier(&format!("redis://{}", tls.address()))).await;
    assert!(said_by_tls.contains("write rediss://"), "{said_by_tls}");
}
