//! UpdateWatch: a watch of single keys begins with nothing or with what it names, follows what is added from the
//! answer's position on, hears of every set, and is changed only by who knows its id in its namespace.

use std::collections::BTreeSet;

use hotplate_proto::v1::{
    self, EventType, UpdateWatchRequest, UpdateWatchResponse, WatchRequest, watch_response::Message,
};
use tonic::Code;

use crate::{
    follower::{Follower, covers, told},
    harness::{Local, grant, with_token},
    promises::names,
    wire::*,
};

/// A watch of single keys that begins with these.
fn of_keys(keys: &[&str]) -> WatchRequest {
    WatchRequest { follow_keys: true, keys: texts(keys), ..watch(vec![]) }
}

fn id(follower: &Follower) -> String {
    match follower.seen.first().and_then(|first| first.message.as_ref()) {
        Some(Message::Created(created)) => created.watch_id.clone(),
        other => panic!("the first message is Created, not {other:?}"),
    }
}

fn change(watch_id: &str, add: &[&str], remove: &[&str]) -> UpdateWatchRequest {
    let (add_keys, remove_keys) = (texts(add), texts(remove));
    UpdateWatchRequest { watch_id: watch_id.to_owned(), add_keys, remove_keys, ..Default::default() }
}

async fn update(client: &mut Client, request: UpdateWatchRequest) -> UpdateWatchResponse {
    client.update_watch(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn keys_are_followed_from_the_answer_on_until_they_are_removed() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(put("a", "before")).await;
    let mut follower = Follower::open(&mut client, of_keys(&[])).await;
    let added = update(&mut client, change(&id(&follower), &["a", "b", "a"], &[])).await;
    assert_eq!(added.key_count, 2);
    client.store(put("a", "1")).await;
    client.store(put("c", "1")).await;
    client.drop_all(vec![select::key("b"), select::key("c")]).await;
    assert_eq!(told(&follower.events(2).await), [(EventType::Put, "a"), (EventType::Invalidated, "b")]);
    let removed = update(&mut client, change(&id(&follower), &["b", "d"], &["a", "b", "absent"])).await;
    assert_eq!(removed.key_count, 2, "a key in both lists is followed");
    client.store(put("a", "2")).await;
    let last = client.store(put("d", "2")).await.position.unwrap();
    assert_eq!(told(&follower.until_progress(&last).await), [(EventType::Put, "d")]);
}

#[tokio::test]
async fn the_answer_names_the_logs_from_which_everything_is_told() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let at = client.store(put("a", "1")).await.position.unwrap();
    let swept = client.drop_all(vec![select::tag("t")]).await.position.unwrap();
    let mut follower = Follower::open(&mut client, of_keys(&[])).await;
    let answer = update(&mut client, change(&id(&follower), &["a"], &[])).await.position.unwrap();
    assert_eq!(answer.logs.len(), 2);
    assert!(covers(&answer, &at) && covers(&answer, &swept), "{answer:?}");
    let next = client.store(put("a", "2")).await.position.unwrap();
    assert_eq!(follower.events(1).await[0].position, Some(next.logs[0]));
    assert!(!covers(&answer, &next));
}

#[tokio::test]
async fn writers_and_updates_at_once_leave_no_hole() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let mut follower = Follower::open(&mut client, of_keys(&[])).await;
    let watch_id = id(&follower);
    let mut writer = client.clone();
    let writes = async {
        let mut truth = Vec::new();
        for n in 0..400 {
            let key = format!("k{}", n % 40);
            truth.push((key.clone(), writer.store(put(&key, format!("{n}"))).await.position.unwrap().logs[0]));
        }
        truth
    };
    let mut updater = client.clone();
    let updates = async {
        let mut from = Vec::new();
        for n in 0..40 {
            let key = format!("k{n}");
            let answer = update(&mut updater, change(&watch_id, &[&key], &[])).await;
            from.push((key, answer.position.unwrap()));
        }
        from
    };
    let (truth, from) = tokio::join!(writes, updates);
    let end = client.store(put("k0", "end")).await.position.unwrap();
    let events = follower.until_progress(&end).await;
    let told: BTreeSet<_> = events.iter().map(|event| (event.key.clone(), event.position.unwrap().number)).collect();
    for (key, at) in truth {
        let followed = &from.iter().find(|(followed, _)| *followed == key).unwrap().1;
        let before = followed.logs.iter().any(|log| log.log == at.log && log.number >= at.number);
        assert!(before || told.contains(&(key, at.number)), "{at:?} is missing after {followed:?}");
    }
}

#[tokio::test]
async fn every_set_is_told_whatever_is_followed() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(put("b:1", "v")).await;
    let request = WatchRequest { event_types: vec![EventType::Put.into()], ..of_keys(&["a:1"]) };
    let mut follower = Follower::open(&mut client, request).await;
    for selector in [select::tag("t"), select::prefix("b:"), select::kind("q"), select::everything()] {
        client.drop_all(vec![selector.clone()]).await;
        assert!(names(&follower.events(1).await[0], &selector));
    }
    client.drop_all(vec![select::key("a:1")]).await;
    let last = client.store(put("a:1", "v")).await.position.unwrap();
    assert_eq!(told(&follower.until_progress(&last).await), [(EventType::Put, "a:1")], "other types are left out");
}

#[tokio::test]
async fn selectors_and_single_keys_are_followed_together() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let request = WatchRequest { selectors: vec![select::prefix("a:"), select::tag("t")], ..of_keys(&["one"]) };
    let mut follower = Follower::open(&mut client, request).await;
    for key in ["a:1", "b:1", "two"] {
        client.store(put(key, "v")).await;
    }
    client.store(put_tagged("b:2", "v", &["t"])).await;
    let last = client.store(put("one", "v")).await.position.unwrap();
    let events = follower.until_progress(&last).await;
    let keys: BTreeSet<_> = events.iter().map(|event| event.key.as_str()).collect();
    assert_eq!(keys, ["a:1", "b:2", "one"].into());
}

#[tokio::test]
async fn a_resumed_watch_that_names_its_keys_misses_nothing() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let follower = Follower::open(&mut client, of_keys(&["a", "b"])).await;
    let token = follower.token();
    drop(follower);
    for key in ["a", "c", "b"] {
        client.store(put(key, "meanwhile")).await;
    }
    let request = WatchRequest { resume_token: token, ..of_keys(&["a", "b"]) };
    let mut resumed = Follower::open(&mut client, request).await;
    assert_eq!(told(&resumed.events(2).await), [(EventType::Put, "a"), (EventType::Put, "b")]);
}

#[tokio::test]
async fn over_the_bound_nothing_changes() {
    let server = Local::with(|settings| settings.watch.keys_max = 2).await;
    let mut client = server.client().await;
    let mut follower = Follower::open(&mut client, of_keys(&["a"])).await;
    let too_many = client.update_watch(change(&id(&follower), &["b", "c"], &[])).await;
    failure(too_many).is(Code::ResourceExhausted, "TOO_MANY_KEYS");
    failure(client.watch(of_keys(&["a", "b", "c"])).await).is(Code::ResourceExhausted, "TOO_MANY_KEYS");
    client.store(put("b", "v")).await;
    let last = client.store(put("a", "v")).await.position.unwrap();
    assert_eq!(told(&follower.until_progress(&last).await), [(EventType::Put, "a")]);
    assert_eq!(update(&mut client, change(&id(&follower), &["b", "c"], &["a"])).await.key_count, 2);
}

#[tokio::test]
async fn the_keys_of_all_watches_share_their_bytes_and_give_them_back() {
    let server = Local::with(|settings| settings.watch.keys_bytes_max = 64 << 10).await;
    let mut client = server.client().await;
    let long: Vec<String> = (0..50).map(|n| format!("{n:01000}")).collect();
    let many = WatchRequest { keys: long, ..of_keys(&[]) };
    let first = Follower::open(&mut client, many.clone()).await;
    failure(client.watch(many.clone()).await).is(Code::ResourceExhausted, "TOO_MANY_KEYS");
    drop(first);
    let again = || {
        let (mut client, many) = (client.clone(), many.clone());
        async move { client.watch(many).await.is_ok() }
    };
    until("room for the keys of another watch", again, |opened| *opened).await;
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let follower = Follower::open(&mut client, of_keys(&[])).await;
    let plain = Follower::open(&mut client, watch(vec![])).await;
    failure(client.update_watch(change(&id(&plain), &["a"], &[])).await).blames("watch_id");
    failure(client.update_watch(change(&id(&follower), &["a", ""], &[])).await).blames("add_keys[1]");
    failure(client.update_watch(change(&id(&follower), &[], &["\n"])).await).blames("remove_keys[0]");
    let keys_only = WatchRequest { keys: texts(&["a"]), ..watch(vec![]) };
    failure(client.watch(keys_only).await).blames("keys");
    let present = WatchRequest { include_present: true, ..of_keys(&[]) };
    failure(client.watch(present).await).blames("follow_keys");
    failure(client.watch(of_keys(&["a", ""])).await).blames("keys[1]");
}

#[tokio::test]
async fn a_watch_is_changed_in_its_namespace_only_and_while_it_is_open() {
    let (mut mine, mut theirs) = (String::new(), String::new());
    let server = Local::with(|settings| {
        mine = grant(&mut settings.access, hotplate_daemon::access::Role::Reader, &["mine"]);
        theirs = grant(&mut settings.access, hotplate_daemon::access::Role::Reader, &["theirs"]);
    })
    .await;
    let mut client = server.client().await;
    let request = WatchRequest { namespace: "mine".to_owned(), ..of_keys(&[]) };
    let mut stream = client.watch(with_token(request, &mine)).await.unwrap().into_inner();
    let first = stream.message().await.unwrap().unwrap();
    let Some(Message::Created(created)) = first.message else { panic!("{first:?}") };
    assert_eq!(created.watch_id.len(), 32, "128 bits");
    let of = |namespace: &str, watch_id: &str| UpdateWatchRequest {
        namespace: namespace.to_owned(),
        ..change(watch_id, &["k"], &[])
    };
    let elsewhere = client.update_watch(with_token(of("theirs", &created.watch_id), &theirs)).await;
    failure(elsewhere).is(Code::NotFound, "WATCH_UNKNOWN");
    let stranger = client.update_watch(with_token(of("mine", &created.watch_id), &theirs)).await;
    failure(stranger).is(Code::PermissionDenied, "PERMISSION_DENIED");
    for wrong in ["", "0", &"0".repeat(32), &created.watch_id.to_uppercase(), &format!("+{}", &created.watch_id[1..])] {
        if wrong != created.watch_id {
            let answer = client.update_watch(with_token(of("mine", wrong), &mine)).await;
            failure(answer).is(Code::NotFound, "WATCH_UNKNOWN");
        }
    }
    client.update_watch(with_token(of("mine", &created.watch_id), &mine)).await.unwrap();
    drop(stream);
    let ask = || {
        let (mut client, request) = (client.clone(), with_token(of("mine", &created.watch_id), &mine));
        async move { client.update_watch(request).await.map(|_| ()).map_err(|status| status.code()) }
    };
    let ended = until("the end of the watch", ask, |answer| answer.is_err()).await;
    assert_eq!(ended, Err(Code::NotFound));
}

#[tokio::test]
async fn own_changes_stay_left_out() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let request = WatchRequest { exclude_client_id: "me".to_owned(), ..of_keys(&["k"]) };
    let mut follower = Follower::open(&mut client, request).await;
    client.store(v1::PutRequest { client_id: "me".to_owned(), ..put("k", "mine") }).await;
    let last = client.store(put("k", "yours")).await.position.unwrap();
    assert_eq!(follower.until_progress(&last).await.len(), 1);
}
