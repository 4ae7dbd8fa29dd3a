//! The double's Pipeline: what each stream does is scripted, and what came on it is kept.

use std::{pin::Pin, sync::Arc};

use futures::{Stream, StreamExt};
use hotplate::v1::{self, pipeline_operation::Operation, pipeline_result::Result as Said};
use parking_lot::Mutex;
use tokio::sync::watch;
use tonic::{Status, Streaming};

use crate::double::State;

/// What one stream does.
#[derive(Clone, Default)]
pub(crate) enum Script {
    /// An older server: it does not have this call.
    #[default]
    Absent,
    /// Answers.
    Serve,
    /// Carries out, and answers when told to, the last operation first.
    Hold,
    /// Carries out this many operations and ends with a status, without an answer.
    BreakAfter(usize, Status),
    /// Carries out this many operations and ends as if all was well, without an answer.
    EndAfter(usize),
}

/// What came on the double's streams.
#[derive(Default)]
pub(crate) struct Piped {
    /// What streams do, all of them after the last.
    pub(crate) script: Mutex<Vec<Script>>,
    /// Streams that were opened.
    pub(crate) opened: Mutex<usize>,
    pub(crate) messages: Mutex<Vec<v1::PipelineRequest>>,
    pub(crate) cancelled: Mutex<Vec<u64>>,
    /// Messages with more operations than the server takes: each ended its stream.
    pub(crate) refused: Mutex<usize>,
    /// How many operations held streams may answer.
    pub(crate) released: watch::Sender<bool>,
}

pub(crate) type Answers = Pin<Box<dyn Stream<Item = Result<v1::PipelineResponse, Status>> + Send>>;

impl Piped {
    pub(crate) fn operations(&self) -> Vec<v1::PipelineOperation> {
        self.messages.lock().iter().flat_map(|message| message.operations.clone()).collect()
    }

    fn next(&self) -> Script {
        let mut script = self.script.lock();
        if script.len() > 1 { script.remove(0) } else { script.first().cloned().unwrap_or_default() }
    }
}

/// Serves one stream.
pub(crate) fn serve(state: &Arc<State>, requests: Streaming<v1::PipelineRequest>) -> Result<Answers, Status> {
    *state.piped.opened.lock() += 1;
    let script = state.piped.next();
    if let Script::Absent = script {
        return Err(Status::unimplemented("no such call"));
    }
    let stream = Served { state: Arc::clone(state), requests, script, kept: Vec::new(), over: false };
    let next = async |mut stream: Served| stream.next().await.map(|answer| (answer, stream));
    Ok(futures::stream::unfold(stream, next).boxed())
}

/// A stream that is open.
struct Served {
    state: Arc<State>,
    requests: Streaming<v1::PipelineRequest>,
    script: Script,
    /// Answers that are not given yet.
    kept: Vec<v1::PipelineResult>,
    over: bool,
}

impl Served {
    async fn next(&mut self) -> Option<Result<v1::PipelineResponse, Status>> {
        while !self.over {
            let mut release = self.state.piped.released.subscribe();
            let message = tokio::select! {
                message = self.requests.message() => message.ok().flatten()?,
                _ = release.wait_for(|released| *released), if !self.kept.is_empty() => return self.release(),
            };
            if let Err(status) = self.state.few_enough(message.operations.len()) {
                *self.state.piped.refused.lock() += 1;
                self.over = true;
                return Some(Err(status));
            }
            self.state.piped.messages.lock().push(message.clone());
            self.kept.extend(carry_out(&self.state, message));
            let enough = |count: usize| self.kept.len() >= count;
            match &self.script {
                Script::Absent | Script::Serve if enough(1) => return self.release(),
                Script::EndAfter(count) if enough(*count) => return None,
                Script::BreakAfter(count, status) if enough(*count) => {
                    self.over = true;
                    return Some(Err(status.clone()));
                }
                _ => {}
            }
        }
        None
    }

    /// Answers what was kept, the last first; from now on the stream answers at once.
    fn release(&mut self) -> Option<Result<v1::PipelineResponse, Status>> {
        self.script = Script::Serve;
        let results = std::mem::take(&mut self.kept).into_iter().rev().collect();
        Some(Ok(v1::PipelineResponse { results }))
    }
}

fn carry_out(state: &State, message: v1::PipelineRequest) -> Vec<v1::PipelineResult> {
    let namespace = message.namespace;
    let one = |operation: v1::PipelineOperation| {
        let call_id = operation.call_id;
        let said = match operation.operation? {
            Operation::Get(get) if get.key == "bad" => Said::Error(bad()),
            Operation::Get(mut get) => {
                state.counted("piped get");
                named(&mut get.namespace, &namespace);
                Said::Get(state.answer(&get))
            }
            Operation::Put(mut put) => {
                state.counted("piped put");
                named(&mut put.namespace, &namespace);
                Said::Put(state.store(put))
            }
            Operation::Touch(_) => {
                state.counted("piped touch");
                Said::Touch(v1::TouchResponse::default())
            }
            Operation::Invalidate(invalidate) => {
                state.counted("piped invalidate");
                Said::Invalidate(state.invalidate(invalidate))
            }
            Operation::Cancel(_) => {
                state.piped.cancelled.lock().push(call_id);
                return None;
            }
        };
        Some(v1::PipelineResult { call_id, result: Some(said) })
    };
    message.operations.into_iter().filter_map(one).collect()
}

fn named(own: &mut String, of_message: &str) {
    if own.is_empty() {
        of_message.clone_into(own);
    }
}

/// The failure of the key `bad`.
fn bad() -> v1::ItemError {
    v1::ItemError {
        code: tonic::Code::InvalidArgument.into(),
        reason: "BAD_KEY".to_owned(),
        message: "no".to_owned(),
        field: "key".to_owned(),
        retry_after: Some(prost_types::Duration { seconds: 0, nanos: 30_000_000 }),
        details: [("applied".to_owned(), "LOCAL".to_owned())].into(),
    }
}
