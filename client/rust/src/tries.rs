//! How a call is carried out: on a shared stream or alone, with token and deadline, tried again where that is safe. Which
//! calls there are lives in `calls`.

use std::{future::Future, pin::pin, sync::atomic::Ordering, time::Duration};

use tokio::time::Instant;
use tonic::{Request, Response, Status, Streaming, transport::Channel};

use crate::{
    Calls, Error, ErrorKind, Result, clock,
    pipe::{Operation, Said},
    retry::{self, Repeat},
    v1::{self, cache_service_client::CacheServiceClient},
};

/// Largest message accepted or sent, in bytes. Above every server's own limit, so that the server's clear answer wins.
pub(crate) const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// How one call is made.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    timeout: Duration,
    attempts: u32,
    repeat: Repeat,
}

/// One call, from its first try on.
#[derive(Clone, Copy)]
struct Course {
    plan: Plan,
    ends: Instant,
    /// Number of the next try.
    attempt: u32,
    /// Whose turn it is: that of the server of the next try.
    turn: usize,
}

impl Calls {
    pub(crate) fn small(&self, repeat: Repeat) -> Plan {
        Plan { timeout: self.time(), attempts: self.attempts, repeat }
    }

    pub(crate) fn bulk(&self, repeat: Repeat) -> Plan {
        Plan { timeout: self.bulk_time(), attempts: self.attempts, repeat }
    }

    /// A small call, which shares a stream with others where it can. What is tried again goes alone. The request is whole
    /// afterwards.
    pub(crate) async fn gathered<Q: Operation>(&self, plan: Plan, request: &mut Q) -> Result<Box<Q::Answer>> {
        self.while_open(pin!(self.gathered_now(plan, request))).await
    }

    async fn gathered_now<Q: Operation>(&self, plan: Plan, request: &mut Q) -> Result<Box<Q::Answer>> {
        let (now, mut course) = self.begun(plan);
        let turn = course.turn;
        if let Some(pipes) = self.wire.pipes.as_ref().filter(|pipes| pipes.takes(turn, request)) {
            let said = pipes.ask(turn, request, (now, course.ends - now)).await;
            if let Some(answer) = self.settled(said, &mut course).await? {
                return Ok(answer);
            }
        }
        Box::pin(self.alone(course, request, Q::alone)).await.map(Box::new)
    }

    /// Several look-ups, which share a stream with others where they can.
    pub(crate) async fn gathered_batch(&self, plan: Plan, batch: v1::BatchGetRequest) -> Result<v1::BatchGetResponse> {
        self.while_open(pin!(self.gathered_batch_now(plan, batch))).await
    }

    async fn gathered_batch_now(&self, plan: Plan, mut batch: v1::BatchGetRequest) -> Result<v1::BatchGetResponse> {
        let (now, mut course) = self.begun(plan);
        let turn = course.turn;
        if let Some(pipes) = self.wire.pipes.as_ref().filter(|pipes| pipes.take_all(turn, &batch)) {
            let said = pipes.ask_all(turn, &mut batch, (now, course.ends - now)).await;
            if let Some(answer) = self.settled(said, &mut course).await? {
                return Ok(answer);
            }
        }
        Box::pin(self.alone(course, &batch, |mut stub, batch| async move { stub.batch_get(batch).await })).await
    }

    /// What came of a call on a stream; `None`: it is to go alone.
    async fn settled<A>(&self, said: Said<A>, course: &mut Course) -> Result<Option<A>> {
        match said {
            Said::Answer(answer) => {
                self.wire.budget.succeeded();
                Ok(Some(answer))
            }
            Said::Expired => Err(Error::timed_out(course.plan.timeout)),
            Said::Failed(error) => {
                course.next();
                Box::pin(self.wait_to_retry(*course, error)).await?;
                Ok(None)
            }
            Said::TooMany => {
                // From now on it is known. Whoever does not hear of it in time goes on all the same.
                let _known = tokio::time::timeout_at(course.ends, Box::pin(self.limits())).await;
                Ok(None)
            }
            Said::Unsent => Ok(None),
        }
    }

    /// A call of its own.
    pub(crate) async fn unary<Q, A, F, R>(&self, plan: Plan, message: Q, send: F) -> Result<A>
    where
        Q: Clone,
        F: Fn(CacheServiceClient<Channel>, Request<Q>) -> R,
        R: Future<Output = Result<Response<A>, Status>>,
    {
        self.while_open(pin!(self.alone(self.begun(plan).1, &message, send))).await
    }

    async fn alone<Q, A, F, R>(&self, course: Course, message: &Q, send: F) -> Result<A>
    where
        Q: Clone,
        F: Fn(CacheServiceClient<Channel>, Request<Q>) -> R,
        R: Future<Output = Result<Response<A>, Status>>,
    {
        let send = &send;
        self.repeated(course, |turn| {
            let place = self.wire.pool.for_call(turn);
            let mut request = self.request(message.clone());
            request.set_timeout(course.ends.saturating_duration_since(clock::now()));
            async move { send(stub(place.channel()), request).await }
        })
        .await
    }

    /// A call that begins now, at the server whose turn it is.
    fn begun(&self, plan: Plan) -> (Instant, Course) {
        let now = clock::now();
        let ends = now + plan.timeout.min(clock::FAR);
        (now, Course { plan, ends, attempt: 1, turn: self.wire.pool.turn() })
    }

    /// Opens a stream.
    pub(crate) async fn stream<Q, A, F, R>(&self, plan: Plan, message: Q, send: F) -> Result<Streaming<A>>
    where
        Q: Clone,
        F: Fn(CacheServiceClient<Channel>, Request<Q>) -> R,
        R: Future<Output = Result<Response<Streaming<A>>, Status>>,
    {
        let open = |turn| send(stub(self.wire.pool.for_stream(turn)), self.request(message.clone()));
        self.while_open(pin!(self.repeated(self.begun(plan).1, open))).await
    }

    /// Tries until it works, may not be repeated, or the time is over. The local clock is the one that counts: a
    /// server that never answers must not hold the caller.
    async fn repeated<A, F, R>(&self, mut course: Course, send: F) -> Result<A>
    where
        F: Fn(usize) -> R,
        R: Future<Output = Result<Response<A>, Status>>,
    {
        let Course { plan, ends, .. } = course;
        let tries = async {
            loop {
                let error = match send(course.turn).await {
                    Ok(response) => break self.answered(response),
                    Err(status) => Error::from(status),
                };
                course.next();
                self.wait_to_retry(course, error).await?;
            }
        };
        match tokio::time::timeout_at(ends, Box::pin(tries)).await {
            Ok(result) => result,
            Err(_elapsed) => Err(Error::timed_out(plan.timeout)),
        }
    }

    fn answered<A>(&self, response: Response<A>) -> Result<A> {
        self.wire.budget.succeeded();
        Ok(response.into_inner())
    }

    /// Sleeps before the next try, or gives the error back when there is none. A wait that would not end before the
    /// deadline is not begun: the true cause says more than a timeout.
    async fn wait_to_retry(&self, course: Course, error: Error) -> Result<()> {
        if error.kind != ErrorKind::Unavailable || retry::is_answer(&error) {
            self.wire.budget.succeeded();
            return Err(error);
        }
        let allowed = self.wire.budget.failed();
        let Course { plan, ends, attempt, .. } = course;
        match retry::wait_before(attempt, plan.attempts, plan.repeat, &error) {
            Some(wait) if allowed && clock::after(wait) < ends => {
                tokio::time::sleep(wait).await;
                self.wire.repeats.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            _ => Err(error),
        }
    }

    /// A request with the token.
    pub(crate) fn request<Q>(&self, message: Q) -> Request<Q> {
        let mut request = Request::new(message);
        if let Some(authorization) = &self.wire.authorization {
            request.metadata_mut().insert("authorization", authorization.clone());
        }
        request
    }
}

impl Course {
    /// Another try, at another server where there is one.
    fn next(&mut self) {
        self.attempt += 1;
        self.turn = self.turn.wrapping_add(1);
    }
}

fn stub(channel: Channel) -> CacheServiceClient<Channel> {
    CacheServiceClient::new(channel)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
}
