//! The driver of the Rust client: reads requests from its standard input, carries them out at the same time, and writes what
//! came of them. What requests mean is `tests/conformance/PROTOCOL.md`'s, what they do is in `ops`.

mod answer;
mod arguments;
mod codec;
mod ops;
mod options;
mod value;
mod world;

use std::{io, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    sync::mpsc,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    answer::Refusal,
    arguments::{Arguments, Request},
    world::World,
};

/// How long closing all clients may take at the end of the input.
const FAREWELL: Duration = Duration::from_secs(4);
/// Answers that wait to be written.
const ANSWERS_MAX: usize = 4_096;

#[tokio::main]
async fn main() -> io::Result<()> {
    let (answers, written) = mpsc::channel(ANSWERS_MAX);
    let tasks = TaskTracker::new();
    let writer = tasks.spawn(write(written));
    let version = env!("CARGO_PKG_VERSION");
    say(&answers, json!({ "hello": { "language": "rust", "version": version, "protocol": 1 } })).await;
    let world = Arc::new(World::default());
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let request = match Arguments::of_request(&line) {
            Ok(request) => request,
            Err((id, refusal)) => {
                say(&answers, answer::of(id, Err(refusal))).await;
                continue;
            }
        };
        let (world, answers) = (Arc::clone(&world), answers.clone());
        // Before the next line is read, which may give this one up.
        let given_up = world.begins(request.0);
        tasks.spawn(async move { say(&answers, answered(&world, request, given_up).await).await });
    }
    // What is still under way is nobody's any more.
    world.cancel_all();
    let _late = tokio::time::timeout(FAREWELL, world.close_all()).await;
    drop(answers);
    tasks.close();
    let _late = tokio::time::timeout(FAREWELL, writer).await;
    Ok(())
}

async fn say(answers: &mpsc::Sender<Value>, answer: Value) {
    // Whoever does not read any more is told nothing.
    let _gone = answers.send(answer).await;
}

async fn write(mut answers: mpsc::Receiver<Value>) -> io::Result<()> {
    let mut output = tokio::io::stdout();
    while let Some(answer) = answers.recv().await {
        output.write_all(format!("{answer}\n").as_bytes()).await?;
        output.flush().await?;
    }
    Ok(())
}

/// Carries out one request.
async fn answered(world: &Arc<World>, (id, op, arguments): Request, given_up: CancellationToken) -> Value {
    let outcome = tokio::select! {
        () = given_up.cancelled() => Err(Refusal::given_up()),
        outcome = Box::pin(ops::carry_out(world, &op, arguments)) => outcome,
    };
    world.ended(id);
    answer::of(Some(id), outcome)
}
