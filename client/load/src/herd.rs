//! A herd: many callers want one key that is not there. How many of them compute it, and how long they all wait.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hotplate_proto::v1::{self, cache_service_client::CacheServiceClient};
use tokio::{
    task::{JoinSet, LocalSet},
    time::sleep,
};
use tonic::transport::Channel;

use crate::{
    clock, cpu,
    failure::Failure,
    link::{Common, codec::Requests, stubs::fault},
    plan::Server,
    stub,
    tally::{Generator, Tally},
    work::{Act, Op, Outcome},
};

/// How many callers there are, and what each of them would have to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Herd {
    /// Callers that want the same key at once, 1 to 100,000.
    pub callers: usize,
    /// How long computing its value takes; at most 5 s, as leases are not extended here.
    pub compute: Duration,
}

/// Callers at most.
const CALLERS_MAX: usize = 100_000;
/// A lease lasts 10 s unless a server says otherwise.
const COMPUTE_MAX: Duration = Duration::from_secs(5);
/// A caller asks so often before it gives up: each time it waits as long as the server lets it.
const ASKS_MAX: usize = 20;

/// What became of all keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stampede {
    /// Callers that wanted each key.
    pub callers: usize,
    /// Keys.
    pub keys: u64,
    /// Computations of all keys together; as many as keys when nobody computed in vain.
    pub computed: u64,
    /// Computations of that key which had most.
    pub computed_max: u64,
}

impl Herd {
    /// Whether it can be done.
    pub(crate) fn check(self) -> Result<(), String> {
        if !(1..=CALLERS_MAX).contains(&self.callers) {
            return Err(format!("--herd is 1 to {CALLERS_MAX}"));
        }
        if self.compute > COMPUTE_MAX {
            return Err("--compute-time is 5s at most".into());
        }
        Ok(())
    }
}

/// One key after the other, for as long as `goes_on`; at least one.
pub(crate) async fn herd(
    herd: Herd,
    server: &Server,
    common: &Common,
    goes_on: impl Fn() -> bool,
) -> Result<(Tally, Stampede), Failure> {
    let plan = &common.plan;
    let mut channels = Vec::new();
    for _connection in 0..plan.shape.connections.min(herd.callers) {
        channels.push(stub::connect_for_load(server, plan.http2).await?);
    }
    let (begins, before) = (clock::now(), cpu::Thread::now());
    let (mut tally, mut stampede) = (Tally::default(), Stampede { callers: herd.callers, ..Stampede::default() });
    let tasks = LocalSet::new();
    while stampede.keys == 0 || goes_on() {
        let op = Op::read(stampede.keys, plan.sizes.of(stampede.keys, plan.seed));
        let computed = Arc::new(AtomicU64::new(0));
        let mut callers = JoinSet::new();
        for channel in channels.iter().cycle().take(herd.callers) {
            let caller = Caller::new(channel, server, common, &computed);
            callers.spawn_local_on(caller.wants(op, herd.compute), &tasks);
        }
        let start = clock::now();
        let answered = async {
            while let Some(Ok((outcome, when))) = callers.join_next().await {
                tally.message(start, when, &[op], &[outcome]);
            }
        };
        tasks.run_until(answered).await;
        let computed = computed.load(Ordering::Relaxed);
        stampede.keys += 1;
        stampede.computed += computed;
        stampede.computed_max = stampede.computed_max.max(computed);
    }
    tally.elapsed = clock::now().saturating_duration_since(begins);
    let (busy, held_up) = cpu::Thread::now().shares(before, tally.elapsed);
    tally.generator = Generator { busy, held_up, ahead: None };
    Ok((tally, stampede))
}

struct Caller {
    client: CacheServiceClient<Channel>,
    server: Server,
    common: Common,
    requests: Requests,
    computed: Arc<AtomicU64>,
}

impl Caller {
    fn new(channel: &Channel, server: &Server, common: &Common, computed: &Arc<AtomicU64>) -> Self {
        Self {
            client: CacheServiceClient::new(channel.clone()).max_decoding_message_size(usize::MAX),
            server: server.clone(),
            requests: Requests::new(common.clone(), &server.namespace),
            common: common.clone(),
            computed: Arc::clone(computed),
        }
    }

    /// What it got, and when.
    async fn wants(mut self, op: Op, compute: Duration) -> (Outcome, tokio::time::Instant) {
        for _ask in 0..ASKS_MAX {
            if let Some(outcome) = self.asks(&op, compute).await {
                return (outcome, clock::now());
            }
        }
        (Outcome::Wrong("NEVER_ANSWERED"), clock::now())
    }

    /// None: it is to ask again.
    async fn asks(&mut self, op: &Op, compute: Duration) -> Option<Outcome> {
        let request = v1::GetRequest {
            namespace: self.server.namespace.clone(),
            key: self.common.key(op.key),
            view: v1::EntryView::Value.into(),
            miss_policy: v1::MissPolicy::LeaseOrWait.into(),
            ..Default::default()
        };
        let request = stub::with_token(&self.server, request).ok()?;
        let found = match self.client.get(request).await {
            Ok(response) => response.into_inner(),
            Err(status) => return Some(Outcome::Wrong(fault(&status).kind)),
        };
        if let Some(lease) = found.lease {
            return Some(self.computes(op, compute, lease.token).await);
        }
        match found.outcome() {
            v1::GetOutcome::Hit => Some(self.judged(op, found)),
            v1::GetOutcome::Pending => {
                let again = found.pending.and_then(|pending| pending.retry_after);
                sleep(again.and_then(|again| Duration::try_from(again).ok()).unwrap_or_default()).await;
                None
            }
            _ => Some(Outcome::Wrong("OTHER_OUTCOME")),
        }
    }

    async fn computes(&mut self, op: &Op, compute: Duration, lease_token: String) -> Outcome {
        self.computed.fetch_add(1, Ordering::Relaxed);
        sleep(compute).await;
        let put = v1::PutRequest { lease_token, ..self.requests.put(&op.to(Act::Write)) };
        let Ok(request) = stub::with_token(&self.server, put) else { return Outcome::Wrong("UNKNOWN") };
        match self.client.put(request).await {
            Ok(response) if response.get_ref().outcome() == v1::PutOutcome::Stored => Outcome::Written(op.size),
            Ok(_) => Outcome::Wrong("NOT_STORED"),
            Err(status) => Outcome::Wrong(fault(&status).kind),
        }
    }

    fn judged(&self, op: &Op, found: v1::GetResponse) -> Outcome {
        match found.entry.and_then(|entry| entry.payload) {
            Some(v1::entry::Payload::Value(value)) => {
                let wrong = self.common.checker().wrong(op, &value);
                wrong.map_or(Outcome::Hit(value.len() as u64), Outcome::Wrong)
            }
            _ => Outcome::Wrong("OTHER_OUTCOME"),
        }
    }
}
