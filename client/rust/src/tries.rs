//! How a call is carried out: on a shared stream or alone, with token and deadline, tried again where that is safe. Which
//! calls there are lives in `calls`.

use std::{future::Future, sync::atomic::Ordering, time::Duration};

use tokio::time::Instant;
use tonic::{Request, Response, Status, Streaming, transport::Channel};

use crate::{
    Calls, Error, ErrorKind, Result, clock,
    pipe::{Operation, Said},
    retry::{self, Repeat},
    v1::cache_service_client::CacheServiceClient,
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
}

impl Calls {
    pub(crate) fn small(&self, repeat: Repeat) -> Plan {
        Plan { timeout: self.time(), attempts: self.attempts, repeat }
    }

    pub(crate) fn bulk(&self, repeat: Repeat) -> Plan {
        Plan { timeout: self.bulk_time(), attempts: self.attempts, repeat }
    }

    /// A small call, which shares a stream with others where it can. What is tried again goes alone.
    pub(crate) async fn gathered<Q: Operation>(&self, plan: Plan, mut request: Q) -> Result<Q::Answer> {
        let (now, long, turn) = (clock::now(), plan.timeout.min(clock::FAR), self.wire.pool.turn());
        let mut course = Course { plan, ends: now + long, attempt: 1 };
        if let Some(pipes) = self.wire.pipes.as_ref().filter(|pipes| pipes.takes(turn, &request)) {
            match pipes.ask(turn, &mut request, (now, long)).await {
                Said::Answer(answer) => {
                    self.wire.budget.succeeded();
                    return Ok(answer);
                }
                Said::Expired => return Err(Error::timed_out(plan.timeout)),
                Said::Failed(error) => {
                    course.attempt = 2;
                    Box::pin(self.wait_to_retry(course, error)).await?;
                }
                Said::Unsent => {}
            }
        }
        Box::pin(self.alone(course, request, Q::alone)).await
    }

    /// A call of its own.
    pub(crate) async fn unary<Q, A, F, R>(&self, plan: Plan, message: Q, send: F) -> Result<A>
    where
        Q: Clone,
        F: Fn(CacheServiceClient<Channel>, Request<Q>) -> R,
        R: Future<Output = Result<Response<A>, Status>>,
    {
        self.alone(Course::new(plan), message, send).await
    }

    async fn alone<Q, A, F, R>(&self, course: Course, message: Q, send: F) -> Result<A>
    where
        Q: Clone,
        F: Fn(CacheServiceClient<Channel>, Request<Q>) -> R,
        R: Future<Output = Result<Response<A>, Status>>,
    {
        let send = &send;
        self.repeated(course, || {
            let place = self.wire.pool.for_call();
            let mut request = self.request(message.clone());
            request.set_timeout(course.ends.saturating_duration_since(clock::now()));
            async move { send(stub(place.channel()), request).await }
        })
        .await
    }

    /// Opens a stream.
    pub(crate) async fn stream<Q, A, F, R>(&self, plan: Plan, message: Q, send: F) -> Result<Streaming<A>>
    where
        Q: Clone,
        F: Fn(CacheServiceClient<Channel>, Request<Q>) -> R,
        R: Future<Output = Result<Response<Streaming<A>>, Status>>,
    {
        let open = || send(stub(self.wire.pool.for_stream()), self.request(message.clone()));
        self.repeated(Course::new(plan), open).await
    }

    /// Tries until it works, may not be repeated, or the time is over. The local clock is the one that counts: a
    /// server that never answers must not hold the caller.
    async fn repeated<A, F, R>(&self, mut course: Course, send: F) -> Result<A>
    where
        F: Fn() -> R,
        R: Future<Output = Result<Response<A>, Status>>,
    {
        let Course { plan, ends, .. } = course;
        let tries = async {
            loop {
                let error = match send().await {
                    Ok(response) => break self.answered(response),
                    Err(status) => Error::from(status),
                };
                course.attempt += 1;
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
        let Course { plan, ends, attempt } = course;
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
    fn new(plan: Plan) -> Self {
        Self { plan, ends: clock::after(plan.timeout), attempt: 1 }
    }
}

fn stub(channel: Channel) -> CacheServiceClient<Channel> {
    CacheServiceClient::new(channel)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
}
