//! What keeps a near cache in step: follows the changes, tells the server which keys matter, and asks whether what was
//! kept over a gap is still right. Decides nothing about entries.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;

use super::{
    core::{Confirmation, Core, stamp_of},
    options::{NearFollow, PROGRESS_SHARE},
};
use crate::{
    Calls, Error, ErrorKind, Result, clock, retry, ttl, v1,
    watch::{Told, Watch},
};

/// Wait before a stream that the server refused is opened again.
const REFUSED_WAIT: Duration = Duration::from_secs(10);
/// Keys told, or asked about, in one call.
const KEYS_PER_CALL: usize = 100;
/// First and longest wait before a stream is opened again whose messages cannot be taken in.
const LATE_WAIT: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// Wait after a call about keys that failed.
const TELL_WAIT: Duration = Duration::from_millis(500);

/// What wakes the feed.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    /// The stream has to be opened again.
    pub(crate) reopen: Notify,
    /// There is something to tell or to ask.
    pub(crate) tell: Notify,
}

/// Keeps one namespace's near cache in step until it is dropped.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) core: Arc<Core>,
    pub(crate) signals: Arc<Signals>,
    pub(crate) calls: Calls,
    pub(crate) namespace: Arc<str>,
    /// Under which this client writes, where that is its own; otherwise what it writes is told to it, too.
    pub(crate) client_id: Option<String>,
}

impl Feed {
    pub(crate) async fn run(self) {
        tokio::join!(Box::pin(self.follow()), Box::pin(self.tell()));
    }

    async fn follow(&self) {
        loop {
            let error = self.follow_one().await;
            self.core.lost();
            if self.calls.is_closed() {
                return;
            }
            tracing::warn!(%error, "the near cache is off: the server does not tell what changes");
            tokio::time::sleep(retry::jittered(REFUSED_WAIT)).await;
        }
    }

    /// Follows until the server refuses to be followed.
    async fn follow_one(&self) -> Error {
        let mut watch = match self.watch() {
            Ok(watch) => watch,
            Err(error) => return error,
        };
        let mut token = bytes::Bytes::new();
        let silence = self.core.options().progress_max;
        let mut lates = 0;
        self.prepare(&mut watch, &token);
        loop {
            let told = tokio::select! {
                told = tokio::time::timeout(silence, watch.next_told()) => told,
                () = self.signals.reopen.notified() => {
                    self.prepare(&mut watch, &token);
                    continue;
                }
            };
            let message = match told {
                // A server that is paused, or a line that is cut without a word, ends like one that is closed.
                Err(_silent) if watch.is_open() => {
                    self.core.lost();
                    self.prepare(&mut watch, &token);
                    continue;
                }
                Err(_opening) => continue,
                Ok(None) => return Error::new(ErrorKind::Internal, "the watch has ended"),
                Ok(Some(Err(error))) => return error,
                Ok(Some(Ok(Told::Lost(_)))) => {
                    self.core.lost();
                    self.prepare(&mut watch, &token);
                    continue;
                }
                Ok(Some(Ok(Told::Message(message)))) => message,
            };
            if self.core.take(&message, !token.is_empty(), clock::since_boot()).is_ok() {
                token = watch.token();
                // That a stream begins does not show that it makes sense.
                lates *= u32::from(matches!(message, v1::watch_response::Message::Created(_)));
                self.signals.tell.notify_one();
                continue;
            }
            self.core.lost();
            lates += 1;
            tokio::time::sleep(retry::jittered(retry::backoff(lates, LATE_WAIT.0, LATE_WAIT.1))).await;
            self.prepare(&mut watch, &token);
        }
    }

    fn watch(&self) -> Result<Watch> {
        let options = self.core.options();
        // The usual ones, or all there are: evictions are not among the usual ones.
        let all = (1..).map_while(|number| v1::EventType::try_from(number).ok());
        let events = if options.keep_dependents { all.map(i32::from).collect() } else { Vec::new() };
        let prefix = |prefix: &String| v1::Selector { selector: Some(v1::selector::Selector::Prefix(prefix.clone())) };
        let selectors = match &options.follow {
            NearFollow::Prefixes(prefixes) => prefixes.iter().map(prefix).collect(),
            NearFollow::Namespace | NearFollow::KeptKeys => Vec::new(),
        };
        let interval = options.progress_max / PROGRESS_SHARE;
        let request = v1::WatchRequest {
            namespace: self.namespace.to_string(),
            selectors,
            event_types: events,
            progress_interval: Some(ttl::wire_duration("progress_interval", interval)?),
            follow_keys: options.follow == NearFollow::KeptKeys,
            ..v1::WatchRequest::default()
        };
        Ok(Watch::new(self.calls.clone(), request, String::new()))
    }

    /// Has the stream opened again, after the last message that was taken in.
    fn prepare(&self, watch: &mut Watch, token: &bytes::Bytes) {
        let opening = self.core.opening();
        let exclude = self.client_id.clone().filter(|_| !opening.hears_own).unwrap_or_default();
        watch.reopen(token.clone(), exclude, opening.keys.unwrap_or_default());
    }

    /// Tells and asks what there is to tell and to ask, one call at a time.
    async fn tell(&self) {
        loop {
            self.signals.tell.notified().await;
            while self.tell_one().await {}
        }
    }

    async fn tell_one(&self) -> bool {
        self.update().await || self.revalidate().await
    }

    async fn update(&self) -> bool {
        let Some(update) = self.core.update(KEYS_PER_CALL) else { return false };
        let texts = |keys: &[Arc<str>]| keys.iter().map(ToString::to_string).collect();
        let request = v1::UpdateWatchRequest {
            namespace: self.namespace.to_string(),
            watch_id: update.watch.clone(),
            add_keys: texts(&update.add),
            remove_keys: texts(&update.remove),
        };
        match self.calls.update_watch(request).await {
            Ok(response) => self.core.updated(&update, response.position.as_ref()),
            Err(error) => {
                self.core.not_updated(update, error.reason.as_deref() == Some("TOO_MANY_KEYS"));
                tokio::time::sleep(retry::jittered(TELL_WAIT)).await;
                // What is left to tell has its turn with the next message of the stream, what is to be asked now.
                return false;
            }
        }
        true
    }

    async fn revalidate(&self) -> bool {
        let (asked, suspects) = self.core.suspects(KEYS_PER_CALL, clock::since_boot());
        if suspects.is_empty() {
            return false;
        }
        for few in suspects.chunks(self.calls.asked_batch_items().await) {
            let items = few.iter().map(|kept| v1::RevalidateItem {
                key: kept.content.key.to_string(),
                etag: kept.content.etag.clone().into(),
            });
            let request = v1::RevalidateRequest { namespace: self.namespace.to_string(), items: items.collect() };
            let answer = self.calls.revalidate(request).await;
            let mut results = answer.map(|answer| answer.results).unwrap_or_default().into_iter();
            for suspect in few {
                let confirmed = results.next().as_ref().and_then(confirmation);
                self.core.confirm(asked, suspect, confirmed);
            }
        }
        true
    }
}

fn confirmation(result: &v1::RevalidateResult) -> Option<Confirmation> {
    if result.state() != v1::RevalidateState::Current {
        return None;
    }
    Some(Confirmation {
        stamp: stamp_of(result.as_of.as_ref())?,
        fresh_for: ttl::from_wire(result.fresh_for.as_ref())?,
        usable_for: ttl::from_wire(result.usable_for.as_ref()).unwrap_or_default(),
    })
}
