//! A driver process: requests go in, answers come out in any order. What they mean is not known here.

use std::{
    collections::{HashMap, VecDeque},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::{mpsc, oneshot},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::wrong::{Fate, Wrong};

/// How long a driver may take to say hello.
const HELLO_WITHIN: Duration = Duration::from_secs(60);
/// How long it may take to end at the end of its input; the protocol says 5 seconds.
const END_WITHIN: Duration = Duration::from_secs(10);
/// Requests that wait to be written.
const REQUESTS_MAX: usize = 4_096;
/// Lines of its log that are shown when it dies.
const TAIL_LINES: usize = 20;
/// Things that it said out of the protocol that are told.
const ODD_MAX: usize = 5;
/// How long it is waited for what a driver that is gone ended with.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Stands for half of a surrogate pair, which no text here can hold: drivers are told it as the escape that JSON has for it.
pub(crate) const LONE: &str = "\u{10fffe}";
/// The version of the protocol that is spoken here.
const PROTOCOL: u64 = 1;

/// What a driver answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The client returned.
    Ok(Value),
    /// The client reported a failure.
    Error(Value),
    /// The client has no such thing.
    Unsupported(String),
    /// The driver met something that must not be.
    Fault(String),
    /// The driver is gone; the end of its log.
    Gone(String),
}

/// A request that is under way.
#[derive(Debug)]
pub struct Pending {
    /// Its id.
    pub id: u64,
    answer: oneshot::Receiver<Answer>,
    driver: Arc<Shared>,
}

impl Pending {
    /// Its answer.
    pub async fn answer(self) -> Answer {
        match self.answer.await {
            Ok(answer) => answer,
            Err(_gone) => Answer::Gone(self.driver.tail().await),
        }
    }
}

#[derive(Debug)]
struct Shared {
    waiting: Mutex<HashMap<u64, oneshot::Sender<Answer>>>,
    log: Mutex<VecDeque<String>>,
    /// What it said that is no answer to a request under way: the first of it, and how often.
    odd: Mutex<(Vec<String>, u64)>,
    /// All that it wrote was read.
    ended: CancellationToken,
    wrong: Option<Wrong>,
}

impl Shared {
    /// The end of its log, when all of it was read.
    async fn tail(&self) -> String {
        // What a killed process wrote may still be on its way.
        let _late = tokio::time::timeout(LAST_WORDS, self.ended.cancelled()).await;
        self.log.lock().iter().cloned().collect::<Vec<_>>().join("\n")
    }

    fn odd(&self, what: String) {
        let mut odd = self.odd.lock();
        odd.1 += 1;
        if odd.0.len() < ODD_MAX {
            odd.0.push(what);
        }
    }

    fn say(&self, line: String) {
        let mut log = self.log.lock();
        if log.len() == TAIL_LINES {
            log.pop_front();
        }
        log.push_back(line);
    }
}

/// A driver process. It is killed when it is dropped.
#[derive(Debug)]
pub struct Driver {
    child: Mutex<Child>,
    requests: mpsc::Sender<String>,
    shared: Arc<Shared>,
    gone: CancellationToken,
    next: AtomicU64,
    tasks: JoinSet<()>,
    /// Who it says it is.
    pub hello: Value,
}

impl Driver {
    /// Starts it and waits until it says hello.
    ///
    /// # Errors
    /// It cannot be started, or says something else.
    pub async fn start(mut command: Command, wrong: Option<Wrong>) -> Result<Self, String> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| format!("the driver cannot be started: {error}"))?;
        let (input, output, errors) = match (child.stdin.take(), child.stdout.take(), child.stderr.take()) {
            (Some(input), Some(output), Some(errors)) => (input, output, errors),
            _ => return Err("the driver has no pipes".to_owned()),
        };
        let ended = CancellationToken::new();
        let (waiting, log, odd) = (Mutex::default(), Mutex::default(), Mutex::default());
        let shared = Arc::new(Shared { waiting, log, odd, ended, wrong });
        let (gone, mut tasks) = (CancellationToken::new(), JoinSet::new());
        tasks.spawn(keep(errors, Arc::clone(&shared)));
        let mut lines = BufReader::new(output);
        let hello = match tokio::time::timeout(HELLO_WITHIN, hello(&mut lines)).await {
            Ok(Ok(hello)) => hello,
            Ok(Err(why)) => return Err(format!("{why}\n{}", shared.tail().await)),
            Err(_late) => return Err(format!("the driver did not say hello within {HELLO_WITHIN:?}")),
        };
        let (requests, written) = mpsc::channel(REQUESTS_MAX);
        tasks.spawn(write(input, written));
        tasks.spawn(read(lines, Arc::clone(&shared), gone.clone()));
        Ok(Self { child: Mutex::new(child), requests, shared, gone, next: AtomicU64::new(1), tasks, hello })
    }

    /// What one that is gone ended with, and the end of its log.
    pub async fn last_words(&self) -> String {
        let log = self.shared.tail().await;
        // It has closed its output; that the process has ended may be known a moment later.
        let ended = async {
            while self.status().is_none() {
                tokio::time::sleep(LAST_WORDS / 50).await;
            }
        };
        let _late = tokio::time::timeout(LAST_WORDS, ended).await;
        let status = self.status().unwrap_or_else(|| "its output is closed, and it runs".to_owned());
        format!("{status}\n{log}")
    }

    /// What it ended with, when it has.
    fn status(&self) -> Option<String> {
        match self.child.lock().try_wait() {
            Ok(status) => status.map(|status| status.to_string()),
            Err(error) => Some(error.to_string()),
        }
    }

    /// What it said that is no answer to a request under way; nothing of a good one.
    #[must_use]
    pub fn out_of_protocol(&self) -> Option<String> {
        let odd = self.shared.odd.lock();
        (odd.1 > 0).then(|| format!("{} times, such as\n{}", odd.1, odd.0.join("\n")))
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.gone.is_cancelled()
    }

    /// Sends a request.
    pub async fn begin(&self, op: &str, fields: Map<String, Value>) -> Pending {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (said, answer) = oneshot::channel();
        let shared = &self.shared;
        let pending = Pending { id, answer, driver: Arc::clone(shared) };
        let mut request = json!({ "id": id, "op": op });
        if let Value::Object(own) = &mut request {
            own.extend(fields);
        }
        let company = !shared.waiting.lock().is_empty();
        match shared.wrong.map_or(Fate::Sent, |wrong| wrong.fate(op, &mut request, company)) {
            Fate::Sent => {}
            Fate::Answered(answer) => {
                // Its caller holds the other end.
                let _held = said.send(answer);
                return pending;
            }
            Fate::Lost => {
                shared.waiting.lock().insert(id, said);
                return pending;
            }
            Fate::Kills => self.kill(),
        }
        shared.waiting.lock().insert(id, said);
        let line = format!("{request}\n").replace(LONE, r"\ud800");
        if self.is_gone() || self.requests.send(line).await.is_err() {
            shared.waiting.lock().remove(&id);
        }
        pending
    }

    fn kill(&self) {
        let id = self.child.lock().id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        // One that has ended by itself is as dead.
        let _ended = id.map(|id| kill_process(id, Signal::KILL));
    }

    /// Sends a request and waits for its answer.
    pub async fn ask(&self, op: &str, fields: Map<String, Value>) -> Answer {
        self.begin(op, fields).await.answer().await
    }

    /// Ends its input and waits until it has ended: whether it did so in time and well, and what it said out of the
    /// protocol until then.
    pub async fn end(mut self) -> (Result<(), String>, Option<String>) {
        let (closed, _none) = mpsc::channel(1);
        drop(std::mem::replace(&mut self.requests, closed));
        let status = tokio::time::timeout(END_WITHIN, self.child.get_mut().wait()).await;
        // What it wrote last may still be on its way.
        let _late = tokio::time::timeout(LAST_WORDS, self.gone.cancelled()).await;
        let ended = match status {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(format!("the driver ended with {status}\n{}", self.shared.tail().await)),
            Ok(Err(error)) => Err(format!("the driver cannot be waited for: {error}")),
            Err(_late) => Err(format!("the driver did not end within {END_WITHIN:?} of the end of its input")),
        };
        self.tasks.abort_all();
        (ended, self.out_of_protocol())
    }
}

/// The next line, of whatever bytes: one that is no text must not end the reading.
async fn line(output: &mut (impl AsyncBufReadExt + Unpin)) -> std::io::Result<Option<String>> {
    let mut bytes = Vec::new();
    let read = output.read_until(b'\n', &mut bytes).await?;
    Ok((read > 0).then(|| String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']).to_owned()))
}

async fn hello(output: &mut BufReader<ChildStdout>) -> Result<Value, String> {
    let said = line(output).await.map_err(|error| format!("the driver cannot be read: {error}"))?;
    let line = said.ok_or("the driver ended without a word")?;
    let said: Value = serde_json::from_str(&line).unwrap_or_default();
    match said["hello"]["protocol"].as_u64() {
        Some(PROTOCOL) => Ok(said["hello"].clone()),
        _ => Err(format!("instead of hello in protocol {PROTOCOL} the driver said: {line}")),
    }
}

async fn write(mut input: ChildStdin, mut requests: mpsc::Receiver<String>) {
    while let Some(line) = requests.recv().await {
        // Who reads its answers finds out that it is gone.
        if input.write_all(line.as_bytes()).await.is_err() || input.flush().await.is_err() {
            return;
        }
    }
}

async fn read(mut output: BufReader<ChildStdout>, shared: Arc<Shared>, gone: CancellationToken) {
    while let Ok(Some(line)) = line(&mut output).await {
        take(&line, &shared);
        if shared.wrong.is_some_and(|wrong| wrong.repeats(&line)) {
            take(&line, &shared);
        }
    }
    gone.cancel();
    shared.waiting.lock().clear();
}

/// Hands an answer to who waits for it.
fn take(line: &str, shared: &Shared) {
    let answer: Value = match serde_json::from_str(line) {
        Ok(answer) => answer,
        Err(error) => return shared.odd(format!("not an answer: {error}: {line}")),
    };
    let waits = answer["id"].as_u64().and_then(|id| shared.waiting.lock().remove(&id));
    match waits {
        // Who does not wait any more is told nothing.
        Some(waits) => drop(waits.send(said(answer, shared.wrong))),
        None => shared.odd(format!("an answer to no request, or a second one: {line}")),
    }
}

fn said(mut answer: Value, wrong: Option<Wrong>) -> Answer {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if let Some(wrong) = wrong {
        wrong.spoil(&mut answer);
    }
    let fields = |name: &str| answer.get(name).cloned();
    None.or_else(|| fields("ok").map(Answer::Ok))
        .or_else(|| fields("error").map(Answer::Error))
        .or_else(|| fields("unsupported").map(|why| Answer::Unsupported(text(&why))))
        .or_else(|| fields("fault").map(|what| Answer::Fault(text(&what))))
        .unwrap_or_else(|| Answer::Fault(format!("not an answer of the protocol: {answer}")))
}

/// Keeps the end of its log.
async fn keep(errors: impl AsyncRead + Unpin, shared: Arc<Shared>) {
    let mut errors = BufReader::new(errors);
    while let Ok(Some(line)) = line(&mut errors).await {
        shared.say(line);
    }
    shared.ended.cancel();
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ended(script: &str) -> (Result<(), String>, Option<String>) {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("echo '{{\"hello\":{{\"protocol\":1}}}}'; cat > /dev/null; {script}")]);
        Driver::start(shell, None).await.expect("it says hello").end().await
    }

    #[tokio::test]
    async fn what_a_driver_says_at_its_end_is_heard() {
        assert_eq!(ended("true").await, (Ok(()), None));
        let (came, said) = ended("echo one word more").await;
        assert!(came.is_ok() && said.is_some_and(|said| said.contains("one word more")));
        let (came, said) = ended("echo and again; exit 3").await;
        assert!(came.is_err_and(|why| why.contains('3')) && said.is_some());
    }
}
