//! Tests of uploads without a stream: who may write, what is given up when, and what is never disturbed.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Wake, Waker},
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt, poll};
use hotplate_engine::{
    Cache, chunks::Chunk, entry::Payload, flow::put::PutRequest, namespace::EngineConfig, origin::Origins,
};

use super::*;
use crate::{grpc::blob::writer::Closing, telemetry::Telemetry};

const MIB: usize = 1 << 20;

struct Setup {
    cache: Arc<Cache>,
    uploads: Uploads,
    clock: Clock,
}

impl Setup {
    fn new() -> Self {
        let clock = Clock::manual();
        let telemetry = Telemetry::detached(clock.clone());
        let cache = Cache::new(EngineConfig::default(), clock.clone(), telemetry, Origins::new()).unwrap();
        let uploads = Uploads::new(&Settings::default(), clock.clone());
        Self { cache, uploads, clock }
    }

    fn plan(&self) -> Plan {
        let put = PutRequest::new("default", "k", Payload::Value(Bytes::new()));
        Plan { put, lease: None, begun: self.cache.ticket("default", "k").unwrap(), size: None }
    }

    fn open(&self, offset: u64) -> Opened {
        self.uploads.open(&name(), self.plan(), offset).unwrap()
    }

    fn writing(&self, offset: u64) -> Writer {
        let Opened::Writing(writer) = self.open(offset) else { panic!("nobody may write it") };
        writer
    }

    /// An upload of 2 MiB that was sent to its end.
    fn closed(&self) -> Closing {
        let writer = self.writing(0);
        writer.push(0, Chunk::new(vec![1; 2 * MIB].into())).unwrap();
        writer.close().unwrap()
    }

    fn known(&self) -> Option<Known> {
        self.uploads.query(&name()).ok()
    }
}

fn name() -> Name {
    Name { namespace: Arc::from("default"), id: Arc::from("upload-of-a-test") }
}

#[tokio::test]
async fn whoever_comes_to_a_closed_upload_waits_for_what_becomes_of_it() {
    let setup = Setup::new();
    let closing = setup.closed();
    let upload = Arc::clone(closing.upload());
    for offset in [2 * MIB as u64, 0, 7] {
        assert!(matches!(setup.open(offset), Opened::Closed(_)), "{offset}");
    }
    assert!(matches!(setup.known(), Some(Known::Closed(_))));
    let mut waiting = upload.outcome().boxed();
    assert!(poll!(&mut waiting).is_pending());
    let (chunks, _) = closing.complete(None);
    assert_eq!(chunks.size(), 2 * MIB as u64);
    assert!(matches!(setup.open(0), Opened::Closed(_)), "nor while it is stored");
    let answer = v1::WriteValueResponse { received_bytes: chunks.size(), put: Some(v1::PutResponse::default()) };
    setup.uploads.finish(&name(), &upload, answer.clone());
    let readers = crate::grpc::readers::Readers::new(
        Duration::from_secs(1),
        crate::ledger::Ledger::new(&crate::config::LedgerSettings::default()),
        setup.clock.clone(),
    );
    upload.stored(answer.clone(), (Some(Arc::from("e")), &readers));
    assert_eq!(waiting.await.unwrap(), answer);
    assert!(matches!(setup.open(0), Opened::Finished(finished) if finished.answer == answer));
}

#[tokio::test]
async fn whoever_waits_hears_as_well_that_it_failed() {
    let setup = Setup::new();
    let closing = setup.closed();
    let upload = Arc::clone(closing.upload());
    let waiting = upload.outcome();
    setup.uploads.give_up(&name(), &upload, Failure::new("DIGEST_MISMATCH", "it is another value"));
    assert_eq!(waiting.await.unwrap_err().reason(), "DIGEST_MISMATCH");
    assert!(setup.known().is_none());
    assert!(matches!(setup.open(0), Opened::Writing(_)), "it may be begun anew");
}

/// Counts how often it was woken while somebody had the table.
#[derive(Default)]
struct Heard {
    of: Option<Setup>,
    times: AtomicUsize,
    locked: AtomicUsize,
}

impl Wake for Heard {
    fn wake(self: Arc<Self>) {
        let is_locked = self.of.as_ref().is_some_and(|setup| setup.uploads.table.try_lock().is_none());
        self.times.fetch_add(1, Ordering::SeqCst);
        self.locked.fetch_add(usize::from(is_locked), Ordering::SeqCst);
    }
}

#[test]
fn what_was_begun_anew_gives_back_what_it_held_with_nothing_locked() {
    let heard = Arc::new(Heard { of: Some(Setup::new()), ..Heard::default() });
    let setup = heard.of.as_ref().expect("it was made with one");
    let writer = setup.writing(0);
    writer.push(0, Chunk::new(vec![1; 2 * MIB].into())).unwrap();
    let mut changes = writer.upload().changes();
    let waker = Waker::from(Arc::clone(&heard));
    let mut changed = changes.changed().boxed();
    assert!(changed.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    let _anew = setup.writing(0);
    assert_eq!([&heard.times, &heard.locked].map(|count| count.load(Ordering::SeqCst)), [1, 0]);
}

#[tokio::test]
async fn who_hears_that_an_upload_was_given_up_finds_its_room_given_back() {
    let setup = Setup::new();
    let writer = setup.writing(0);
    let room = setup.cache.reserve(&hotplate_engine::flow::reserve::ReserveRequest {
        namespace: "default",
        key: "k",
        bytes: 1 << 20,
        announced: 0,
        kind: "",
        compute_cost: None,
    });
    drop(writer.keep(room.await.unwrap()).unwrap());
    let held = || setup.cache.stats(None, hotplate_engine::stats::GroupBy::Nothing).unwrap().uploads_bytes;
    let changes = writer.upload().changes();
    let given_up = writer.upload().fail_if_open(gone("so")).expect("it was open");
    assert_eq!((held(), changes.has_changed().unwrap()), (1 << 20, false), "until that is dropped");
    drop(given_up);
    assert_eq!((held(), changes.has_changed().unwrap()), (0, true));
}

#[test]
fn while_the_server_is_at_work_no_writer_is_too_slow() {
    let setup = Setup::new();
    let writer = setup.writing(0);
    writer.push(0, Chunk::new(vec![1; 2 * MIB].into())).unwrap();
    let busy = writer.busy();
    setup.clock.advance(Duration::from_secs(3600));
    setup.uploads.sweep();
    assert!(matches!(setup.known(), Some(Known::Open(_))), "it makes room");
    drop(busy);
    setup.uploads.sweep();
    assert!(matches!(setup.known(), Some(Known::Open(_))), "it is measured from now on");
    let closing = writer.close().unwrap();
    setup.clock.advance(Duration::from_secs(3600));
    setup.uploads.sweep();
    assert!(matches!(setup.known(), Some(Known::Closed(_))), "it proves what came");
    drop(closing);
}

#[test]
fn a_writer_that_is_too_slow_is_given_up_and_sooner_when_others_want_its_room() {
    let other = Upload::new(Setup::new().plan(), Clock::manual().now());
    for (wanted, seconds) in [(false, 30), (true, 3)] {
        let setup = Setup::new();
        let writer = setup.writing(0);
        writer.push(0, Chunk::new(vec![1; 2 * MIB].into())).unwrap();
        setup.clock.advance(Duration::from_secs(30));
        setup.uploads.sweep();
        assert!(setup.known().is_some(), "that was fast enough");
        setup.clock.advance(Duration::from_secs(seconds) - Duration::from_millis(1));
        let sweep = || {
            if wanted { setup.uploads.make_room_for(&other) } else { setup.uploads.sweep_at(&setup.uploads.pace, None) }
        };
        assert!(!sweep() && setup.known().is_some());
        setup.clock.advance(Duration::from_millis(1));
        assert!(!setup.uploads.make_room_for(writer.upload()), "not for itself");
        assert!(sweep() && setup.known().is_none(), "{wanted}");
        assert_eq!(writer.push(0, Chunk::new("x".into())).unwrap_err().reason(), "UPLOAD_STALLED");
    }
}

#[test]
fn what_was_refused_for_good_is_forgotten_and_what_may_go_on_is_not() {
    let reasons = [("BAD_ARGUMENT", false), ("NOT_ADMITTED", false), ("VALUE_TOO_LARGE", false)];
    for (reason, stays) in reasons.into_iter().chain(RESUMABLE.map(|reason| (reason, true))) {
        let setup = Setup::new();
        let writer = setup.writing(0);
        writer.push(0, Chunk::new("abc".into())).unwrap();
        setup.uploads.refuse(&name(), &writer, &Failure::new(reason, "so"));
        assert_eq!(setup.known().is_some(), stays, "{reason}");
    }
    let setup = Setup::new();
    let earlier = setup.writing(0);
    let _later = setup.writing(0);
    setup.uploads.refuse(&name(), &earlier, &Failure::new("BAD_ARGUMENT", "so"));
    assert!(setup.known().is_some(), "who was taken over ends nothing");
}
