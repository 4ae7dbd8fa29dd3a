//! What Redis refuses, and what it is told: rights, passwords, certificates, replicas. Nothing secret is in what is said.

use std::{fs, time::Duration};

use hotplate_engine::{
    position::LogId,
    tier::{TierErrorKind, TierHealth, shared::SharedTier},
};
use hotplate_redisctl::{Options, Server};

use crate::harness::*;

/// The rights in docs/redis.md.
fn template() -> Vec<String> {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/redis.md")).unwrap();
    let line =
        page.lines().find_map(|line| line.strip_prefix("ACL SETUSER hotplate ")).expect("docs/redis.md has the rights");
    line.split(' ').map(|rule| rule.replace("PASSWORD", "secret")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rights_of_the_documentation_are_enough_and_without_them_it_says_so() {
    let server = Server::start().unwrap();
    let rules = template();
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    server.acl_user("hotplate", &rules).unwrap();
    let options = options(&server.url().replace("//", "//hotplate:secret@"));
    let redis = open(options);
    crate::promises::all(&*redis, &*open(crate::harness::options(&server.url()))).await;

    let key = key("rights");
    put(&*redis, &key, "x").await;
    server.acl_user("hotplate", &["-@write"]).unwrap();
    let refused = redis.raise(&[of_key(&key)], None).await.unwrap_err();
    assert_eq!(refused.kind, TierErrorKind::Refused);
    assert!(refused.message.contains("docs/redis.md"), "{refused}");
    server.acl_user("hotplate", &["-@all"]).unwrap();
    for error in [redis.read(&key, None, None).await.unwrap_err(), redis.ping().await.unwrap_err()] {
        assert_eq!(error.kind, TierErrorKind::Refused, "{error}");
    }
    assert!(redis.poll(&[(LogId::SELECTOR, None)]).await.is_err());
    server.acl_user("hotplate", &rules).unwrap();
    assert_eq!(value(&*redis, &key).await.as_deref(), Some("x"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_refused_and_not_repeated() {
    let server = Server::with(Options::default().password("right")).unwrap();
    for url in ["redis://", "redis://:wrong@", "redis://nobody:wrong@"] {
        let tier = tier(&format!("{url}{}", server.address()));
        let error = tier.ping().await.unwrap_err();
        assert_eq!(error.kind, TierErrorKind::Refused, "{error}");
        assert!(!error.message.contains("wrong@") && !format!("{tier:?}").contains("wrong"), "{error}");
        assert_eq!(tier.state().health, TierHealth::Away);
    }
    let mut options = options(&server.url());
    options.password = Some("right".into());
    assert!(!format!("{options:?}").contains("right"));
    open(options).ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_needs_a_certificate_that_is_trusted() {
    let server = Server::with(Options::default().tls().password("secret")).unwrap();
    let with_ca = |ca: Option<Vec<u8>>| {
        let mut options = options(&server.url().replace("//", "//:secret@"));
        options.authorities = ca;
        open(options)
    };
    let tier = with_ca(Some(fs::read(server.ca_file().unwrap()).unwrap()));
    put(&*tier, &key("tls"), "over TLS").await;
    assert_eq!(value(&*tier, &key("tls")).await.as_deref(), Some("over TLS"));
    let mut hints = tier.hints();
    for _lost in 0..2 {
        assert!(futures::StreamExt::next(&mut hints).await.is_some());
    }

    let other = Server::with(Options::default().tls()).unwrap();
    let stranger = with_ca(Some(fs::read(other.ca_file().unwrap()).unwrap()));
    let error = stranger.ping().await.unwrap_err();
    assert_eq!(error.kind, TierErrorKind::Unreachable);
    assert!(error.message.contains("TLS") && !error.message.contains("secret"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_not_written_to() {
    let (master, server) = (Server::start().unwrap(), Server::start().unwrap());
    let (tier, key) = (tier(&server.url()), key("read only"));
    put(&*tier, &key, "x").await;
    server.command(&["REPLICAOF", "127.0.0.1", &master.port().to_string()]).unwrap();
    let error = tier.raise(&[of_key(&key)], None).await.unwrap_err();
    assert_eq!(error.kind, TierErrorKind::Refused, "{error}");
    assert!(error.message.contains("replica"), "{error}");
    server.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
    eventually("it is a master again", || async { tier.raise(&[of_key(&key)], None).await.is_ok() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_unreachable_at_once() {
    let mut server = Server::start().unwrap();
    let tier = tier(&server.url());
    tier.ping().await.unwrap();
    server.kill();
    let first = tier.ping().await.unwrap_err();
    assert_eq!(first.kind, TierErrorKind::Unreachable, "{first}");
    let begin = tokio::time::timeout(Duration::from_millis(50), tier.ping()).await;
    assert!(begin.is_ok(), "nobody waits for a connection that cannot be made");
    server.restart().unwrap();
    eventually("it is found again", || async { tier.ping().await.is_ok() }).await;
    assert_eq!(tier.state().health, TierHealth::Up);
}
