//! Small calls that share streams: which ones, and on which stream. How a stream is run lives in `lane`, what is on it
//! in `desk`; trying again lives in `tries`.

mod answer;
mod desk;
mod lane;
mod operation;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;
use tonic::metadata::{Ascii, MetadataValue};

use self::{answer::Answer, desk::Outcome, lane::Lane, operation::OPERATION_BYTES_MAX};
use crate::{Error, ErrorKind, Result, pool::Pool, task::Tasks, v1};

pub(crate) use self::operation::Operation;

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
    absent: Arc<AtomicBool>,
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
}

impl Pipes {
    pub(crate) fn new(pool: &Pool, authorization: Option<&MetadataValue<Ascii>>) -> Self {
        let server = |channels: Vec<_>| {
            let absent = Arc::new(AtomicBool::new(false));
            let lane = |channel| Lane::new(channel, authorization.cloned(), Arc::clone(&absent));
            Server { lanes: channels.into_iter().map(lane).collect(), absent }
        };
        Self { servers: pool.by_server().map(server).collect(), tasks: Tasks::default() }
    }

    /// Whether this request may share a stream to the server whose turn it is.
    pub(crate) fn takes<Q: Operation>(&self, turn: usize, request: &Q) -> bool {
        let absent = self.server(turn).absent.load(Ordering::Relaxed);
        !absent && !self.tasks.is_over() && request.is_quick() && request.encoded_len() <= OPERATION_BYTES_MAX
    }

    /// Sends a request along with others and waits for its answer, `long` from `now` at most.
    pub(crate) async fn ask<Q: Operation>(
        &self,
        turn: usize,
        request: &mut Q,
        time: (Instant, Duration),
    ) -> Said<Q::Answer> {
        for lane in &self.server(turn).lanes {
            if let Some(outcome) = lane.ask(request, time, &self.tasks).await {
                return said::<Q>(outcome);
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

fn said<Q: Operation>(outcome: Outcome) -> Said<Q::Answer> {
    match outcome {
        Outcome::Answered(answer) => match read::<Q>(answer) {
            Ok(answer) => Said::Answer(answer),
            Err(error) => Said::Failed(error),
        },
        Outcome::Lost { error, sent: true } => Said::Failed(error),
        Outcome::Lost { sent: false, .. } | Outcome::Absent => Said::Unsent,
        Outcome::Expired => Said::Expired,
    }
}

fn read<Q: Operation>(answer: Answer) -> Result<Q::Answer> {
    let senseless = || Error::new(ErrorKind::Internal, "the server answered another operation than was asked");
    match answer.field {
        field if field == Q::ANSWER => prost::Message::decode(answer.body).map_err(|_unreadable| senseless()),
        answer::ERROR => {
            let item: v1::ItemError = prost::Message::decode(answer.body).map_err(|_unreadable| senseless())?;
            Err(Error::from_item(&item))
        }
        _ => Err(senseless()),
    }
}
