//! Follows a Watch and keeps every message it got. What a recording must look like is judged in `promises`.

use hotplate_proto::v1::{
    DiscontinuityReason, EventType, Position, WatchEvent, WatchProgress, WatchRequest, WatchResponse,
    watch_response::Message,
};
use tonic::Streaming;

use crate::promises::events_of;
use crate::wire::{Client, PATIENCE, within};

/// One open Watch and what it said so far.
#[derive(Debug)]
pub(crate) struct Follower {
    stream: Streaming<WatchResponse>,
    pub(crate) seen: Vec<WatchResponse>,
}

impl Follower {
    /// Opens a watch; returns once the server says that it exists.
    pub(crate) async fn open(client: &mut Client, request: WatchRequest) -> Self {
        let stream = within("a watch", client.watch(request)).await.expect("the watch opens").into_inner();
        let mut follower = Self { stream, seen: Vec::new() };
        let first = follower.next().await;
        assert!(matches!(first, Some(Message::Created(_))), "Created comes first, not {first:?}");
        follower
    }

    /// The next message; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        let next = within("a message of a watch", self.stream.message()).await.expect("the watch goes on")?;
        self.seen.push(next.clone());
        Some(next.message.expect("one is set"))
    }

    /// Waits for how the stream ends.
    pub(crate) async fn end(&mut self) -> Result<(), tonic::Status> {
        loop {
            match tokio::time::timeout(PATIENCE, self.stream.message()).await.expect("the stream ends") {
                Ok(Some(message)) => self.seen.push(message),
                Ok(None) => return Ok(()),
                Err(status) => return Err(status),
            }
        }
    }

    /// Reads until this many events came and answers them; a lost change fails the test.
    pub(crate) async fn events(&mut self, count: usize) -> Vec<WatchEvent> {
        let mut events = Vec::new();
        while events.len() < count {
            match self.next().await {
                Some(Message::Events(more)) => events.extend(more.events),
                Some(Message::Progress(progress)) if !progress.closing => {}
                other => panic!("waiting for event {} of {count}, got {other:?}", events.len() + 1),
            }
        }
        assert_eq!(events.len(), count, "{events:?}");
        events
    }

    /// Reads until the server says that everything up to this position was sent; answers the events on the way.
    pub(crate) async fn until_progress(&mut self, position: &Position) -> Vec<WatchEvent> {
        let mut events = Vec::new();
        loop {
            match self.next().await {
                Some(Message::Events(more)) => events.extend(more.events),
                Some(Message::Progress(progress)) if reached(&progress, position) => return events,
                Some(Message::Progress(_) | Message::Discontinuity(_)) => {}
                other => panic!("waiting for progress, got {other:?}"),
            }
        }
    }

    /// Reads until a discontinuity and answers its reason.
    pub(crate) async fn discontinuity(&mut self) -> DiscontinuityReason {
        loop {
            match self.next().await.expect("the stream goes on") {
                Message::Discontinuity(lost) => return lost.reason(),
                _ => continue,
            }
        }
    }

    /// The last token that came.
    pub(crate) fn token(&self) -> bytes::Bytes {
        let tokens = self.seen.iter().rev().map(|message| &message.resume_token);
        tokens.clone().find(|token| !token.is_empty()).expect("a token came").clone()
    }

    /// All events so far.
    pub(crate) fn all_events(&self) -> Vec<WatchEvent> {
        events_of(&self.seen)
    }
}

fn reached(progress: &WatchProgress, position: &Position) -> bool {
    covers(progress.position.as_ref().expect("progress has a position"), position)
}

/// Whether one position has reached another, log by log.
pub(crate) fn covers(position: &Position, needed: &Position) -> bool {
    needed.logs.iter().all(|need| {
        position.logs.iter().any(|log| log.log == need.log && log.epoch == need.epoch && log.number >= need.number)
    })
}

/// Type and key of events, for comparing.
pub(crate) fn told(events: &[WatchEvent]) -> Vec<(EventType, &str)> {
    events.iter().map(|event| (event.r#type(), event.key.as_str())).collect()
}
