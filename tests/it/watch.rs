//! Watch: what it sends, what it leaves out, how it resumes, and the eight promises over real streams.

use std::time::Duration;

use hotplate_proto::v1::{self, DiscontinuityReason, EventType, WatchContent, WatchRequest, watch_response::Message};
use tonic::Code;

use crate::{
    follower::{Follower, told},
    harness::{Local, Server, Setup},
    promises::{self, Change, change, names},
    wire::*,
};

#[tokio::test]
async fn every_kind_of_change_is_told() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let mut follower = Follower::open(&mut client, watch(vec![])).await;
    client.store(v1::PutRequest { client_id: "me".to_owned(), ..put("a", "v") }).await;
    let dropped = v1::InvalidateRequest { reason: "wrong data".to_owned(), ..invalidate(vec![select::key("a")]) };
    client.invalidate(dropped).await.unwrap();
    client.drop_all(vec![select::tag("t")]).await;
    let events = follower.events(3).await;
    assert_eq!(told(&events), [(EventType::Put, "a"), (EventType::Invalidated, "a"), (EventType::SetInvalidated, "")]);
    assert_eq!((events[0].client_id.as_str(), events[1].reason.as_str()), ("me", "wrong data"));
    assert!(names(&events[2], &select::tag("t")), "{:?}", events[2]);
    client.store(v1::PutRequest { expiration: Some(ttl(5)), ..put("b", "v") }).await;
    follower.events(1).await;
    server.advance(Duration::from_secs(6));
    assert_eq!(told(&follower.events(1).await), [(EventType::Expired, "b")]);
}

#[tokio::test]
async fn a_set_is_one_event_however_many_it_holds() {
    let server = Local::start().await;
    let mut client = server.client().await;
    for n in 0..50 {
        client.store(put_tagged(&format!("k{n}"), "v", &["t"])).await;
    }
    let mut follower = Follower::open(&mut client, watch(vec![])).await;
    for selector in [select::tag("t"), select::prefix("k"), select::kind("x"), select::glob("k*"), select::everything()]
    {
        let position = client.drop_all(vec![selector.clone()]).await.position.unwrap();
        let events = follower.until_progress(&position).await;
        assert_eq!(events.len(), 1, "{events:?}");
        assert!(names(&events[0], &selector));
        assert_eq!(events[0].position, Some(position.logs[0]));
    }
}

#[tokio::test]
async fn a_set_that_one_call_names_twice_is_told_once() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(put("k", "v")).await;
    let mut follower = Follower::open(&mut client, watch(vec![])).await;
    let position = client.drop_all(vec![select::tag("t"), select::tag("s"), select::tag("t")]).await.position.unwrap();
    let events = follower.until_progress(&position).await;
    assert!(names(&events[0], &select::tag("t")) && names(&events[1], &select::tag("s")) && events.len() == 2);
}

#[tokio::test]
async fn only_what_is_followed_is_told() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let selectors = vec![select::prefix("a:"), select::tag("t"), select::kind("q"), select::key("one")];
    let mut follower = Follower::open(&mut client, watch(selectors)).await;
    client.store(put("b:1", "v")).await;
    client.store(put("a:1", "v")).await;
    client.store(put_tagged("b:2", "v", &["t"])).await;
    client.store(put_kind("b:3", "v", "q")).await;
    client.store(v1::PutRequest { namespace: "elsewhere".to_owned(), ..put("a:1", "v") }).await;
    let last = client.store(put("one", "v")).await.position.unwrap();
    let events = follower.until_progress(&last).await;
    let mut keys: Vec<_> = events.iter().map(|event| event.key.as_str()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["a:1", "b:2", "b:3", "one"]);
}

#[tokio::test]
async fn content_is_keys_metadata_or_values() {
    let server = Local::start().await;
    let mut client = server.client().await;
    for (content, metadata, value) in [
        (WatchContent::Keys, false, false),
        (WatchContent::Unspecified, true, false),
        (WatchContent::Metadata, true, false),
        (WatchContent::Values, true, true),
    ] {
        let request = WatchRequest { content: content.into(), ..watch(vec![]) };
        let mut follower = Follower::open(&mut client, request).await;
        client.store(put("k", format!("{content:?}"))).await;
        let event = follower.events(1).await.remove(0);
        let entry = event.entry.unwrap_or_default();
        assert_eq!((entry.metadata.is_some(), entry.payload.is_some()), (metadata, value), "{content:?}");
    }
}

#[tokio::test]
async fn evictions_are_told_only_on_request() {
    let server = Local::with(|settings| settings.memory.entries_max = 4).await;
    let mut client = server.client().await;
    let asked = WatchRequest { event_types: vec![EventType::Evicted.into()], ..watch(vec![]) };
    let mut asking = Follower::open(&mut client, asked).await;
    let mut standard = Follower::open(&mut client, watch(vec![])).await;
    let mut last = None;
    for n in 0..12 {
        last = client.store(put(&format!("k{n}"), "v")).await.position;
    }
    let held = client.count("").await.total.unwrap().entry_count;
    let evicted = asking.events(usize::try_from(12 - held).unwrap()).await;
    assert!(evicted.iter().all(|event| event.r#type() == EventType::Evicted));
    let others = standard.until_progress(&last.unwrap()).await;
    assert!(others.iter().all(|event| event.r#type() == EventType::Put), "{others:?}");
}

#[tokio::test]
async fn the_same_content_again_is_no_event() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(put("k", "v")).await;
    let mut follower = Follower::open(&mut client, watch(vec![])).await;
    client.store(put("k", "v")).await;
    client.touch(touch("k", v1::TouchMode::Set, ttl(9))).await.unwrap();
    let marker = client.store(put("marker", "v")).await.position.unwrap();
    assert_eq!(told(&follower.until_progress(&marker).await), [(EventType::Put, "marker")]);
}

#[tokio::test]
async fn own_changes_can_be_left_out() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let request = WatchRequest { exclude_client_id: "me".to_owned(), ..watch(vec![]) };
    let mut follower = Follower::open(&mut client, request).await;
    client.store(v1::PutRequest { client_id: "me".to_owned(), ..put("mine", "v") }).await;
    let own = v1::InvalidateRequest { client_id: "me".to_owned(), ..invalidate(vec![select::tag("t")]) };
    client.invalidate(own).await.unwrap();
    let position = client.store(v1::PutRequest { client_id: "you".to_owned(), ..put("yours", "v") }).await.position;
    assert_eq!(told(&follower.until_progress(&position.unwrap()).await), [(EventType::Put, "yours")]);
}

#[tokio::test]
async fn present_entries_come_first_then_synced_then_changes() {
    let server = Local::start().await;
    let mut client = server.client().await;
    for n in 0..300 {
        client.store(put(&format!("k{n}"), "v")).await;
    }
    let request = WatchRequest {
        include_present: true,
        content: WatchContent::Values.into(),
        ..watch(vec![select::prefix("k")])
    };
    let mut follower = Follower::open(&mut client, request).await;
    client.store(put("k-new", "v")).await;
    let mut present = std::collections::BTreeSet::new();
    loop {
        match follower.next().await.unwrap() {
            Message::Present(more) => {
                let fresh = more.entries.into_iter().all(|entry| entry.payload.is_some() && present.insert(entry.key));
                assert!(fresh, "every entry comes once and with its value");
            }
            Message::Synced(synced) => break assert!(synced.position.is_some()),
            other => panic!("before Synced: {other:?}"),
        }
    }
    assert!((300..=301).contains(&present.len()), "{} of 300", present.len());
    if !present.contains("k-new") {
        assert_eq!(told(&follower.events(1).await), [(EventType::Put, "k-new")]);
    }
    let both = WatchRequest { include_present: true, resume_token: follower.token(), ..watch(vec![]) };
    assert_eq!(failure(client.watch(both).await).code, Code::InvalidArgument);
}

#[tokio::test]
async fn a_quiet_watch_still_makes_progress() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let mut follower = Follower::open(&mut client, watch(vec![])).await;
    for _ in 0..3 {
        let message = follower.next().await;
        assert!(matches!(message, Some(Message::Progress(v1::WatchProgress { closing: false, .. }))), "{message:?}");
    }
    for bad in [Duration::from_millis(99), Duration::from_secs(601)] {
        let request = WatchRequest { progress_interval: Some(wire(bad)), ..watch(vec![]) };
        failure(client.watch(request).await).blames("progress_interval");
    }
}

/// Puts and drops that leave a truth to compare with.
async fn some_changes(client: &mut Client, from: usize, to: usize) -> (Vec<Change>, Vec<Vec<v1::LogPosition>>) {
    let (mut truth, mut calls) = (Vec::new(), Vec::new());
    for n in from..to {
        let key = format!("k{}", n % 7);
        let answer = client.store(put(&key, format!("{n}"))).await;
        truth.push(change(&key, EventType::Put, answer.position));
        if n % 5 == 4 {
            let keys: Vec<String> = (0..3).map(|k| format!("k{k}")).collect();
            let position = client.drop_all(keys.iter().map(|key| select::key(key)).collect()).await.position.unwrap();
            calls.push(position.logs.clone());
            for key in keys {
                let log = truth.iter().rev().find(|change: &&Change| change.key == key).map(|change| change.at.log);
                let at = log.and_then(|log| position.logs.iter().find(|place| place.log == log)).copied();
                truth.extend(at.map(|at| Change { key, at, event: EventType::Invalidated }));
            }
        }
    }
    (truth, calls)
}

#[tokio::test]
async fn a_recorded_stream_keeps_the_promises() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let mut follower = Follower::open(&mut client, watch(vec![])).await;
    let (truth, calls) = some_changes(&mut client, 0, 60).await;
    let last = client.store(put("end", "v")).await.position.unwrap();
    follower.until_progress(&last).await;
    promises::keeps_all(&follower.seen, &truth, &calls);
    let strangers = promises::authorised(&follower.seen, |key| key.starts_with('k') || key == "end");
    assert!(strangers.is_empty(), "{strangers:?}");
}

#[tokio::test]
async fn any_token_resumes_without_hole_or_repetition() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let mut whole = Follower::open(&mut client, watch(vec![])).await;
    let (truth, _) = some_changes(&mut client, 0, 25).await;
    let last = client.store(put("end", "v")).await.position.unwrap();
    whole.until_progress(&last).await;
    for cut in 0..whole.seen.len() {
        let token = whole.seen[cut].resume_token.clone();
        if token.is_empty() {
            continue;
        }
        let request = WatchRequest { resume_token: token, ..watch(vec![]) };
        let mut rest = Follower::open(&mut client, request).await;
        rest.until_progress(&last).await;
        let found = promises::resumable(&whole.seen[..=cut], &rest.seen, &truth);
        assert!(found.is_empty(), "cut after message {cut}: {found:#?}");
    }
}

#[tokio::test]
async fn a_token_no_server_made_is_refused() {
    let server = Local::start().await;
    let mut client = server.client().await;
    for token in [&b"made up"[..], &[0; 600], &[255; 8]] {
        let request = WatchRequest { resume_token: bytes::Bytes::copy_from_slice(token), ..watch(vec![]) };
        failure(client.watch(request).await).is(Code::InvalidArgument, "BAD_RESUME_TOKEN").blames("resume_token");
    }
}

#[tokio::test]
async fn a_token_older_than_the_history_says_so() {
    let server = Local::with(|settings| settings.watch.history_changes_max = 16).await;
    let mut client = server.client().await;
    let token = Follower::open(&mut client, watch(vec![])).await.token();
    for n in 0..2000 {
        client.store(put("k", format!("{n}"))).await;
    }
    let request = WatchRequest { resume_token: token, ..watch(vec![]) };
    let mut follower = Follower::open(&mut client, request).await;
    assert_eq!(follower.discontinuity().await, DiscontinuityReason::HistoryTrimmed);
    client.store(put("after", "v")).await;
    assert!(told(&follower.events(1).await).contains(&(EventType::Put, "after")));
}

#[tokio::test]
async fn a_restart_is_a_new_epoch() {
    let first = Server::start();
    let mut client = first.client().await;
    let mut follower = Follower::open(&mut client, watch(vec![])).await;
    let old = client.store(put("k", "v")).await.position.unwrap();
    follower.events(1).await;
    let token = follower.token();
    drop(first);
    let second = Setup::default().spawn();
    let mut client = second.client().await;
    let request = WatchRequest { resume_token: token, ..watch(vec![]) };
    let mut follower = Follower::open(&mut client, request).await;
    assert_eq!(follower.discontinuity().await, DiscontinuityReason::NewEpoch);
    let new = client.store(put("k", "v")).await.position.unwrap();
    assert_ne!(old.logs[0].epoch, new.logs[0].epoch);
    assert_eq!(told(&follower.events(1).await), [(EventType::Put, "k")]);
}

#[tokio::test]
async fn a_reader_that_does_not_read_slows_no_writer_and_hears_of_its_loss() {
    let server = Server::start();
    let (mut client, mut writer) = (server.client().await, server.client().await);
    let request = WatchRequest { max_pending_events: 8, content: WatchContent::Values.into(), ..watch(vec![]) };
    let mut slow = Follower::open(&mut client, request).await;
    let mut truth = Vec::new();
    let value = vec![7; 16 << 10];
    let writes = async {
        for n in 0..600_u32 {
            let key = format!("k{n}");
            let answer = writer.store(put(&key, [&n.to_be_bytes()[..], &value[..]].concat())).await;
            truth.push(change(&key, EventType::Put, answer.position));
        }
        writer.store(put("end", "v")).await.position.unwrap()
    };
    let last = within("600 writes beside a stuck reader", writes).await;
    slow.until_progress(&last).await;
    let lost = slow.seen.iter().find_map(|message| match message.message.as_ref()? {
        Message::Discontinuity(lost) => Some(lost.reason()),
        _ => None,
    });
    assert_eq!(lost, Some(DiscontinuityReason::SlowConsumer));
    let found = promises::bounded(&slow.seen, &truth, 8);
    assert!(found.is_empty(), "{found:#?}");
    promises::keeps_all(&slow.seen, &truth, &[]);
}

#[tokio::test]
async fn many_watchers_get_everything_beside_one_that_is_stuck() {
    const WATCHERS: usize = 200;
    let server = Server::start();
    let mut writer = server.client().await;
    let mut followers = Vec::new();
    for n in 0..WATCHERS {
        if n % 50 == 0 {
            writer = server.client().await;
        }
        let request = WatchRequest { content: WatchContent::Keys.into(), ..watch(vec![select::prefix("k")]) };
        followers.push(Follower::open(&mut writer, request).await);
    }
    let request = WatchRequest { max_pending_events: 8, content: WatchContent::Values.into(), ..watch(vec![]) };
    let mut stuck = Follower::open(&mut server.client().await, request).await;
    let mut writer = server.client().await;
    let value = vec![7; 16 << 10];
    let mut truth = Vec::new();
    for n in 0..200_u32 {
        let key = format!("k{n}");
        let answer = writer.store(put(&key, [&n.to_be_bytes()[..], &value[..]].concat())).await;
        truth.push(change(&key, EventType::Put, answer.position));
    }
    let last = writer.store(put("end", "v")).await.position.unwrap();
    for follower in &mut followers {
        assert_eq!(follower.until_progress(&last).await.len(), truth.len());
        promises::keeps_all(&follower.seen, &truth, &[]);
    }
    stuck.until_progress(&last).await;
    let lost = stuck.seen.iter().any(|message| matches!(message.message, Some(Message::Discontinuity(_))));
    assert!(lost, "what the stuck one missed is told");
    promises::keeps_all(&stuck.seen, &truth, &[]);
}

#[tokio::test]
async fn changes_of_one_key_coalesce_to_the_latest_for_a_slow_reader() {
    let server = Server::start();
    let (mut client, mut writer) = (server.client().await, server.client().await);
    let request = WatchRequest { max_pending_events: 8, content: WatchContent::Values.into(), ..watch(vec![]) };
    let mut slow = Follower::open(&mut client, request).await;
    let mut truth = Vec::new();
    for n in 0..400_u32 {
        let value = [&n.to_be_bytes()[..], &vec![7; 16 << 10]].concat();
        truth.push(change("k", EventType::Put, writer.store(put("k", value)).await.position));
    }
    let last = writer.store(put("end", "v")).await.position.unwrap();
    slow.until_progress(&last).await;
    promises::keeps_all(&slow.seen, &truth, &[]);
    assert!(slow.all_events().len() < 400, "{} events", slow.all_events().len());
}

#[tokio::test]
async fn open_watches_are_counted_and_end_with_their_stream() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let follower = Follower::open(&mut client, watch(vec![])).await;
    assert_eq!(client.count("").await.watch_count, 1);
    drop(follower);
    let count = || {
        let mut client = client.clone();
        async move { client.count("").await.watch_count }
    };
    until("the end of the watch", count, |count| *count == 0).await;
}
