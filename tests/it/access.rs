//! Access: every RPC for every role in and outside its namespaces, bad tokens, and that nothing secret is written down.

use std::time::Duration;

use hotplate_daemon::access::{Role, token};
use hotplate_proto::v1;
use tonic::{Code, Request, Status};

use crate::{
    harness::{Local, Setup, grant, with_token},
    wire::*,
};

/// Every RPC of the contract, and the selector that needs more.
const CALLS: [&str; 20] = [
    "Get",
    "GetLease",
    "BatchGet",
    "BatchGetLease",
    "Put",
    "BatchPut",
    "Touch",
    "Invalidate",
    "InvalidateAll",
    "Refresh",
    "Preload",
    "Stats",
    "Watch",
    "UpdateWatch",
    "Revalidate",
    "ListEntries",
    "ExplainKey",
    "ExtendLease",
    "ReleaseLease",
    "GetServerInfo",
];

/// Makes one call in a namespace with a token and answers how it ended.
async fn call(client: &mut Client, name: &str, namespace: &str, token: &str) -> Result<(), Status> {
    Box::pin(call_inline(client, name, namespace.to_owned(), token)).await
}

async fn call_inline(client: &mut Client, name: &str, namespace: String, token: &str) -> Result<(), Status> {
    match name {
        "Get" => done(client.get(with_token(v1::GetRequest { namespace, ..get("k") }, token)).await),
        "GetLease" => done(client.get(with_token(v1::GetRequest { namespace, ..lease("k") }, token)).await),
        "BatchGet" => {
            let request = v1::BatchGetRequest { namespace, items: vec![get("k")] };
            done(client.batch_get(with_token(request, token)).await)
        }
        "BatchGetLease" => {
            let request = v1::BatchGetRequest { namespace, items: vec![get("a"), lease("k")] };
            done(client.batch_get(with_token(request, token)).await)
        }
        "Put" => done(client.put(with_token(v1::PutRequest { namespace, ..put("k", "v") }, token)).await),
        "BatchPut" => {
            let request = v1::BatchPutRequest { namespace, items: vec![put("k", "v")] };
            done(client.batch_put(with_token(request, token)).await)
        }
        "Touch" => {
            let request = v1::TouchRequest { namespace, ..touch("k", v1::TouchMode::Set, ttl(9)) };
            done(client.touch(with_token(request, token)).await)
        }
        "Invalidate" | "InvalidateAll" | "Refresh" => {
            let selector = if name == "InvalidateAll" { select::everything() } else { select::tag("t") };
            let mode = if name == "Refresh" { v1::InvalidateMode::Refresh } else { v1::InvalidateMode::Delete };
            let request = v1::InvalidateRequest { namespace, mode: mode.into(), ..invalidate(vec![selector]) };
            done(client.invalidate(with_token(request, token)).await)
        }
        "Preload" => {
            let items = vec![v1::PreloadItem { key: "k".to_owned(), ..Default::default() }];
            let request = v1::PreloadRequest { namespace, items, ..Default::default() };
            done(client.preload(with_token(request, token)).await)
        }
        "Stats" => {
            let request = v1::StatsRequest { namespace, ..Default::default() };
            done(client.stats(with_token(request, token)).await)
        }
        "Watch" => done(client.watch(with_token(v1::WatchRequest { namespace, ..watch(vec![]) }, token)).await),
        "UpdateWatch" | "Revalidate" => Box::pin(call_of_a_near_cache(client, name, namespace, token)).await,
        "ListEntries" => {
            let request = v1::ListEntriesRequest { namespace, ..Default::default() };
            done(client.list_entries(with_token(request, token)).await)
        }
        "ExplainKey" => {
            let request = v1::ExplainKeyRequest { namespace, key: "k".to_owned(), ..Default::default() };
            done(client.explain_key(with_token(request, token)).await)
        }
        "ExtendLease" => {
            let request = v1::ExtendLeaseRequest { namespace, key: "k".to_owned(), token: "0".repeat(32) };
            done(client.extend_lease(with_token(request, token)).await)
        }
        "ReleaseLease" => {
            let (key, no_lease) = ("k".to_owned(), "0".repeat(32));
            let request = v1::ReleaseLeaseRequest { namespace, key, token: no_lease, ..Default::default() };
            done(client.release_lease(with_token(request, token)).await)
        }
        "GetServerInfo" => done(client.get_server_info(with_token(v1::GetServerInfoRequest {}, token)).await),
        other => panic!("no such call: {other}"),
    }
}

async fn call_of_a_near_cache(client: &mut Client, name: &str, namespace: String, token: &str) -> Result<(), Status> {
    if name == "Revalidate" {
        let items = vec![v1::RevalidateItem { key: "k".to_owned(), etag: "e".to_owned() }];
        return done(client.revalidate(with_token(v1::RevalidateRequest { namespace, items }, token)).await);
    }
    let request = v1::UpdateWatchRequest { namespace, ..Default::default() };
    let status = client.update_watch(with_token(request, token)).await.unwrap_err();
    // There is no such watch: who hears that was let through.
    if status.code() == Code::NotFound { Ok(()) } else { Err(status) }
}

fn done<T>(result: Result<tonic::Response<T>, Status>) -> Result<(), Status> {
    result.map(drop)
}

fn may(role: Role, call: &str) -> bool {
    match call {
        "Get" | "BatchGet" | "Revalidate" | "Stats" | "Watch" | "UpdateWatch" | "ListEntries" | "ExplainKey"
        | "GetServerInfo" => true,
        "InvalidateAll" => role == Role::Admin,
        _ => role != Role::Reader,
    }
}

#[tokio::test]
async fn every_role_may_do_its_own_in_its_own_namespaces_only() {
    let mut tokens = Vec::new();
    let server = Local::with(|settings| {
        for role in [Role::Reader, Role::Writer, Role::Admin] {
            tokens.push((role, grant(&mut settings.access, role, &["team-a/*", "shared"])));
        }
    })
    .await;
    let mut client = server.client().await;
    let places =
        [("team-a/x", true), ("shared", true), ("team-ab", false), ("team-a", false), ("", false), ("shared2", false)];
    for (role, token) in &tokens {
        for (name, (namespace, granted)) in CALLS.iter().flat_map(|name| places.map(|place| (*name, place))) {
            let allowed = may(*role, name) && (granted || name == "GetServerInfo");
            let case = format!("{} {name} in {namespace:?}", role.name());
            judge(call(&mut client, name, namespace, token).await, allowed, &case);
        }
    }
}

#[track_caller]
fn judge(ended: Result<(), Status>, allowed: bool, case: &str) {
    match ended {
        Err(status) if status.code() == Code::PermissionDenied => {
            assert!(!allowed, "{case} is refused: {status}");
            Failure::of(&status).is(Code::PermissionDenied, "PERMISSION_DENIED");
        }
        // Neither has an origin here: what counts is that it was let through.
        Err(status) => {
            assert!(allowed && ["Preload", "Refresh"].iter().any(|name| case.contains(name)), "{case}: {status}");
        }
        Ok(()) => assert!(allowed, "{case} went through"),
    }
}

#[tokio::test]
async fn items_of_a_batch_cannot_reach_another_namespace() {
    let mut token = String::new();
    let server = Local::with(|settings| token = grant(&mut settings.access, Role::Admin, &["mine"])).await;
    let mut client = server.client().await;
    let items = vec![v1::PutRequest { namespace: "theirs".to_owned(), ..put("k", "v") }];
    let request = v1::BatchPutRequest { namespace: "mine".to_owned(), items };
    let answer = client.batch_put(with_token(request, &token)).await.unwrap().into_inner();
    assert!(matches!(answer.results[0].result, Some(v1::batch_put_result::Result::Error(_))), "{answer:?}");
}

#[tokio::test]
async fn all_namespaces_are_counted_only_as_far_as_granted() {
    let (mut admin, mut reader) = (String::new(), String::new());
    let server = Local::with(|settings| {
        admin = grant(&mut settings.access, Role::Admin, &["*"]);
        reader = grant(&mut settings.access, Role::Reader, &["mine"]);
    })
    .await;
    let mut client = server.client().await;
    for namespace in ["mine", "theirs"] {
        call(&mut client, "Put", namespace, &admin).await.unwrap();
    }
    let all = v1::StatsRequest {
        namespace: "*".to_owned(),
        group_by: v1::StatsGroupBy::Namespace.into(),
        ..Default::default()
    };
    let seen = client.stats(with_token(all, &reader)).await.unwrap().into_inner();
    assert_eq!(seen.total.unwrap().entry_count, 1);
    assert_eq!(seen.groups.iter().map(|group| group.name.as_str()).collect::<Vec<_>>(), ["mine"]);
}

#[tokio::test]
async fn tokens_that_are_missing_wrong_or_over_are_told_apart() {
    let mut valid = String::new();
    let server = Local::with(|settings| {
        valid = grant(&mut settings.access, Role::Admin, &["*"]);
        settings.access.tokens[0].expires = Some(Duration::from_secs(1_750_000_010));
    })
    .await;
    let mut client = server.client().await;
    failure(client.get(get("k")).await).is(Code::Unauthenticated, "TOKEN_MISSING");
    let (head, last) = valid.split_at(valid.len() - 1);
    let altered = format!("{head}{}", if last == "A" { "B" } else { "A" });
    for wrong in [altered.as_str(), "hp_", "x", &token::generate().secret_text, &valid[..20]] {
        failure(client.get(with_token(get("k"), wrong)).await).is(Code::Unauthenticated, "TOKEN_INVALID");
    }
    let mut basic = Request::new(get("k"));
    basic.metadata_mut().insert("authorization", "Basic abc".parse().unwrap());
    failure(client.get(basic).await).is(Code::Unauthenticated, "TOKEN_INVALID");
    assert!(client.get(with_token(get("k"), &valid)).await.is_ok());
    server.advance(Duration::from_secs(10));
    failure(client.get(with_token(get("k"), &valid)).await).is(Code::Unauthenticated, "TOKEN_EXPIRED");
}

#[tokio::test]
async fn logs_hold_no_key_no_value_and_no_token() {
    let new = token::generate();
    let config = format!(
        "log.level = \"debug\"\nlog.format = \"json\"\n[[access.tokens]]\nid = \"{}\"\nsha256 = \"{}\"\nrole = \"admin\"\nnamespaces = [\"*\"]\n",
        new.id, new.sha256_hex
    );
    let server = Setup::default().config(&config).spawn();
    let mut client = server.client().await;
    let secret = new.secret_text.as_str();
    let key = "canary-key-8151";
    let canary = || v1::PutRequest {
        tags: texts(&["canary-tag-8151"]),
        labels: [("canary-label-8151".to_owned(), "canary-fact-8151".to_owned())].into(),
        ..put(key, "canary-value-8151")
    };
    client.put(with_token(canary(), secret)).await.unwrap();
    client.get(with_token(get(key), secret)).await.unwrap();
    client.get(with_token(get("canary-absent-8151"), secret)).await.unwrap();
    client.get(with_token(get("canary-bad-8151\u{1b}[31m\n"), secret)).await.unwrap_err();
    let wrong = token::generate().secret_text;
    client.get(with_token(get(key), &wrong)).await.unwrap_err();
    let drop_it = invalidate(vec![select::key(key), select::tag("canary-tag-8151")]);
    client.invalidate(with_token(drop_it, secret)).await.unwrap();
    let lines = || async { server.errors() };
    let logged =
        until("log lines of the calls", lines, |text| text.contains("Invalidate") && text.ends_with('\n')).await;
    let everything = format!("{logged}{}", server.output());
    assert!(everything.contains("hit") && everything.contains("miss"), "hits and misses are logged:\n{everything}");
    for secret in ["8151", &new.secret_text[12..], &wrong[12..], "\u{1b}"] {
        assert!(!everything.contains(secret), "{secret:?} is in the logs:\n{everything}");
    }
    for line in logged.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
}

#[tokio::test]
async fn an_open_watch_ends_when_its_token_expires() {
    let mut token = String::new();
    let server = Local::with(|settings| {
        token = grant(&mut settings.access, Role::Reader, &["*"]);
        // The clock of the server stands still; the time that is left on it is then waited for.
        settings.access.tokens[0].expires = Some(Duration::from_millis(1_750_000_000_300));
    })
    .await;
    let mut client = server.client().await;
    let mut stream = client.watch(with_token(watch(vec![]), &token)).await.unwrap().into_inner();
    let ended = async {
        while stream.message().await?.is_some() {}
        Ok::<_, Status>(())
    };
    let status = within("the end of the watch", ended).await.unwrap_err();
    Failure::of(&status).is(Code::Unauthenticated, "TOKEN_EXPIRED");
}
