//! Small calls that share streams: which ones, and on which stream. How a stream is run lives in `lane`, what is on it
//! in `desk`; trying again lives in `tries`.

mod answer;
mod batch;
mod desk;
mod lane;
mod operation;
mod queue;
mod terms;

use std::{sync::Arc, time::Duration};

use prost::Message;
use tokio::time::Instant;
use tonic::metadata::{Ascii, MetadataValue};

use self::{
    answer::Answer,
    desk::Outcome,
    lane::Lane,
    operation::OPERATION_BYTES_MAX,
    queue::{MESSAGE_BYTES, OPERATIONS_MAX},
    terms::Terms,
};
use crate::{Error, ErrorKind, Result, pool::Pool, task::Tasks, v1};

pub(crate) use self::{operation::Operation, terms::batch_items};

/// The streams of a client.
#[derive(Debug)]
pub(crate) struct Pipes {
    servers: Vec<Server>,
    tasks: Tasks,
}

/// The streams to one server, one on each of its connections. The next is opened when those before it are full.
#[derive(Debug)]
struct Server {
    lanes: Vec<Arc<Lane>>,
    terms: Arc<Terms>,
}

/// What came of a call on a stream.
#[derive(Debug)]
pub(crate) enum Said<A> {
    /// The server's answer.
    Answer(A),
    /// The server's, or the stream's, failure.
    Failed(Error),
    /// The caller's time is over.
    Expired,
    /// It was not sent: it has to go alone.
    Unsent,
    /// The same, because the server takes fewer operations with a message than it was given.
    TooMany,
}

impl Pipes {
    pub(crate) fn new(pool: &Pool, authorization: Option<&MetadataValue<Ascii>>) -> Self {
        let server = |channels: Vec<_>| {
            let terms = Arc::new(Terms::default());
            let lane = |channel| Lane::new(channel, authorization.cloned(), Arc::clone(&terms));
            Server { lanes: channels.into_iter().map(lane).collect(), terms }
        };
        Self { servers: pool.by_server().map(server).collect(), tasks: Tasks::default() }
    }

    /// Whether this request may share a stream to the server whose turn it is.
    pub(crate) fn takes<Q: Operation>(&self, turn: usize, request: &Q) -> bool {
        self.are_there(turn) && request.is_quick() && request.encoded_len() <= OPERATION_BYTES_MAX
    }

    /// Whether the items of this batch may. One that is a message of its own anyhow goes alone, and so does one whose items
    /// could be told from Gets by more than their answers.
    pub(crate) fn take_all(&self, turn: usize, batch: &v1::BatchGetRequest) -> bool {
        let plain = |item: &v1::GetRequest| {
            let reports = matches!(item.miss_policy(), v1::MissPolicy::Unspecified | v1::MissPolicy::Report);
            let here = item.namespace.is_empty() || item.namespace == batch.namespace;
            reports && here && item.min_position.is_none()
        };
        let few = (1..=OPERATIONS_MAX).contains(&batch.items.len());
        self.are_there(turn) && few && batch.items.iter().all(plain) && batch.encoded_len() <= MESSAGE_BYTES
    }

    fn are_there(&self, turn: usize) -> bool {
        !self.server(turn).terms.absent() && !self.tasks.is_over()
    }

    /// Takes note of how many operations servers take with a message.
    pub(crate) fn allow(&self, operations_max: usize) {
        self.servers.iter().for_each(|server| server.terms.allow(operations_max));
    }

    /// Sends a request along with others and waits for its answer, `long` from `now` at most.
    pub(crate) async fn ask<Q: Operation>(
        &self,
        turn: usize,
        request: &mut Q,
        time: (Instant, Duration),
    ) -> Said<Box<Q::Answer>> {
        for lane in &self.server(turn).lanes {
            if let Some(outcome) = lane.ask(request, time, &self.tasks).await {
                return said::<Q>(outcome);
            }
        }
        Said::Unsent
    }

    /// Sends the items of a batch along with others and waits for all their answers.
    pub(crate) async fn ask_all(
        &self,
        turn: usize,
        batch: &mut v1::BatchGetRequest,
        time: (Instant, Duration),
    ) -> Said<v1::BatchGetResponse> {
        for lane in &self.server(turn).lanes {
            let v1::BatchGetRequest { namespace, items } = &mut *batch;
            if let Some(outcomes) = lane.ask_all(items, namespace, time, &self.tasks).await {
                return batch::said(outcomes);
            }
        }
        Said::Unsent
    }

    /// Ends all streams. What is asked from now on goes alone.
    pub(crate) async fn close(&self) {
        self.tasks.close().await;
    }

    fn server(&self, turn: usize) -> &Server {
        &self.servers[turn % self.servers.len()]
    }
}

fn said<Q: Operation>(outcome: Outcome) -> Said<Box<Q::Answer>> {
    match outcome {
        Outcome::Answered(answer) => match read::<Q>(answer) {
            Ok(answer) => Said::Answer(answer),
            Err(error) => Said::Failed(error),
        },
        Outcome::Lost { error, sent: true } => Said::Failed(*error),
        Outcome::Lost { sent: false, .. } | Outcome::Absent => Said::Unsent,
        Outcome::TooMany => Said::TooMany,
        Outcome::Expired => Said::Expired,
    }
}

/// An answer is read into the place where it stays: it is large, and its call has many layers.
fn read<Q: Operation>(answer: Answer) -> Result<Box<Q::Answer>> {
    match answer.field {
        field if field == Q::ANSWER => {
            let mut read = Box::<Q::Answer>::default();
            read.merge(answer.body).map_err(|_unreadable| senseless())?;
            Ok(read)
        }
        answer::ERROR => {
            let item: v1::ItemError = prost::Message::decode(answer.body).map_err(|_unreadable| senseless())?;
            Err(Error::from_item(&item))
        }
        _ => Err(senseless()),
    }
}

fn senseless() -> Error {
    Error::new(ErrorKind::Internal, "the server answered another operation than was asked")
}

#[cfg(test)]
mod tests {
    use tonic::transport::Endpoint;

    use super::*;
    use crate::clock;

    #[tokio::test(start_paused = true)]
    async fn who_asks_while_the_client_is_closed_is_not_left_waiting() {
        let pool = Pool::new(&[Endpoint::from_static("http://127.0.0.1:1")], 1);
        // Which of two things that are ready is looked at first is left to chance.
        for _ in 0..50 {
            let pipes = Pipes::new(&pool, None);
            let mut request = v1::GetRequest { key: "k".to_owned(), ..v1::GetRequest::default() };
            assert!(pipes.takes(0, &request), "it was open when it was looked at");
            pipes.close().await;
            let long = Duration::from_secs(3_600);
            let asked = pipes.ask(0, &mut request, (clock::now(), long));
            let said = tokio::time::timeout(long, asked).await.expect("it ends");
            assert!(matches!(said, Said::Unsent), "{said:?}");
        }
    }
}
