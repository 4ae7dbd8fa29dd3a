//! Listens to what replicas tell each other, on a connection of its own, and comes back by itself. What a hint means is not
//! known here.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt, stream, stream::BoxStream};
use hotplate_engine::{clock::Moment, tier::shared::Hint};
use redis::{PushInfo, PushKind, Value};
use tokio::{sync::mpsc, time};

use super::{
    Core,
    connect::Opened,
    counters::Counters,
    fail::Fail,
    hint::{self, HINT_BYTES_MAX},
    url::Address,
};

/// Messages that wait to be taken, and their bytes: beyond either the connection is given up, and what was told is lost.
const MESSAGES_MAX: usize = 8192;
const BYTES_MAX: usize = 8 << 20;
/// Between two attempts to listen, and as much again at random by half.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// Time for an attempt.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(2);
/// When nothing is told for so long, it is asked whether the connection still is one.
const QUIET: Duration = Duration::from_secs(1);
/// Time for the answer to that.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// What is told from now on, beginning with a loss; see the port.
pub(super) fn hints(core: Arc<Core>) -> BoxStream<'static, Hint> {
    let listener = Listener { core, ear: None, attempted: None };
    let first = stream::once(async { Hint::Lost });
    let rest = stream::unfold(listener, |mut listener| async move { Some((listener.next().await, listener)) });
    first.chain(rest).boxed()
}

struct Listener {
    core: Arc<Core>,
    ear: Option<Ear>,
    attempted: Option<Moment>,
}

/// A connection that listens.
struct Ear {
    opened: Opened,
    address: Address,
    messages: mpsc::Receiver<Vec<u8>>,
    bytes: Arc<AtomicUsize>,
}

impl Listener {
    async fn next(&mut self) -> Hint {
        let Some(ear) = &mut self.ear else {
            self.ear = Some(self.listening().await);
            return Hint::Lost;
        };
        match ear.next(&self.core).await {
            Some(hint) => hint,
            None => {
                self.ear = None;
                // Said at once, and again when somebody listens: what was told in between is lost too.
                Hint::Lost
            }
        }
    }

    /// Tries until somebody listens.
    async fn listening(&mut self) -> Ear {
        loop {
            self.pause().await;
            if let Ok(Ok(ear)) = time::timeout(LISTEN_TIMEOUT, listen(&self.core)).await {
                return ear;
            }
        }
    }

    async fn pause(&mut self) {
        let clock = &self.core.clock;
        if let Some(attempted) = self.attempted {
            let pause = RETRY_AFTER + RETRY_AFTER.mul_f64(rand::random_range(0.0..0.5));
            time::sleep(pause.saturating_sub(clock.now().since(attempted))).await;
        }
        self.attempted = Some(clock.now());
    }
}

async fn listen(core: &Arc<Core>) -> Result<Ear, Fail> {
    let address = core.route.teller().await?.address.clone();
    let (sender, messages) = mpsc::channel(MESSAGES_MAX);
    let bytes = Arc::new(AtomicUsize::new(0));
    let full = tokio_util::sync::CancellationToken::new();
    let (waiting, overflow) = (Arc::clone(&bytes), full.clone());
    let counting = Arc::clone(core);
    let on_push = move |info: PushInfo| {
        let Some(message) = message_of(info) else { return };
        let length = message.len();
        if length > HINT_BYTES_MAX {
            Counters::count(&counting.counters.hints_dropped);
            return;
        }
        if waiting.fetch_add(length, Ordering::Relaxed) > BYTES_MAX || sender.try_send(message).is_err() {
            overflow.cancel();
        }
    };
    let mut opened = core.route.dialer.listen(&address, Arc::new(on_push)).await?;
    opened.connection.subscribe(core.keyspace.channel()).await.map_err(|error| Fail::of(&error))?;
    let ended = opened.ended.clone();
    core.route.dialer.spawn("redis listener's end", async move {
        tokio::select! { () = full.cancelled() => ended.cancel(), () = ended.cancelled() => {} }
    });
    Ok(Ear { opened, address, messages, bytes })
}

fn message_of(info: PushInfo) -> Option<Vec<u8>> {
    match (info.kind, info.data.into_iter().nth(1)) {
        (PushKind::Message, Some(Value::BulkString(message))) => Some(message),
        _ => None,
    }
}

impl Ear {
    /// The next hint; `None` when nothing can be heard any more.
    async fn next(&mut self, core: &Core) -> Option<Hint> {
        loop {
            let heard = tokio::select! {
                biased;
                () = self.opened.ended.cancelled() => return None,
                message = self.messages.recv() => Some(message?),
                () = time::sleep(QUIET) => None,
            };
            // Every message counts against the connection's bytes, and none of them is a reply.
            self.opened.received.store(0, Ordering::Relaxed);
            let Some(message) = heard else {
                self.still_listens(core).await.then_some(())?;
                continue;
            };
            self.bytes.fetch_sub(message.len(), Ordering::Relaxed);
            match hint::read(&message) {
                Some(hint) => return Some(hint),
                None => Counters::count(&core.counters.hints_dropped),
            }
        }
    }

    async fn still_listens(&self, core: &Core) -> bool {
        let ping = redis::cmd("PING");
        let mut connection = self.opened.connection.clone();
        let answer = time::timeout(ANSWER_TIMEOUT, connection.send_packed_command(&ping)).await;
        matches!(answer, Ok(Ok(_))) && core.route.still_tells(&self.address)
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.opened.ended.cancel();
    }
}
