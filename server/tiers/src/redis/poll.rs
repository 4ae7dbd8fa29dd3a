//! Where all logs are, in one exchange with each server; what happened in those that moved; and that this replica lives.

use std::time::Duration;

use futures::{StreamExt, stream};
use hotplate_engine::{
    position::{LogId, Position},
    tier::shared::{LogNow, Since},
};
use redis::Value;

use super::{
    Core,
    delta::Marks,
    fail::{Cause, Fail},
    node::{Link, field, run_of, text_of},
    read::{millis, scores},
};

/// For how long a replica counts as alive after it said so.
const ALIVE: Duration = Duration::from_secs(3);
/// Logs whose changes are asked for at the same time.
const AT_ONCE: usize = 16;
/// What the server is asked besides, before the logs.
const INFOS: [&str; 2] = ["replication", "memory"];

/// A log, and up to where what happened there is known.
type Asked = (LogId, Option<Position>);

impl Core {
    /// Where the logs are; those are left out whose server does not say it, unless none does.
    pub(super) async fn all(&self, at: &[Asked]) -> Result<Vec<LogNow>, Fail> {
        let logs: Vec<LogId> = at.iter().map(|(log, _)| *log).collect();
        let servers = self.route.by_server(&logs).await;
        let among_others = servers.len() > 1;
        let asked = servers.into_iter().map(|(logs, link)| async move {
            let asked = match link {
                Ok(link) if among_others => match link.talks(self.clock.now()) {
                    Ok(()) => self.one_server(&link, &logs, at).await,
                    Err(fail) => Err(fail),
                },
                Ok(link) => self.one_server(&link, &logs, at).await,
                Err(fail) => Err(fail),
            };
            asked.inspect_err(|_fail| self.route.look_again())
        });
        let (known, mut failed) = apart(futures::future::join_all(asked).await);
        let nows = known.into_iter().flatten().map(|(log, now)| async move {
            match now {
                Some(now) => Ok(now),
                None => self.look(log, None, position_of(at, log)).await.map(|(now, _)| now),
            }
        });
        let (nows, more) = apart(stream::iter(nows).buffered(AT_ONCE).collect().await);
        failed.extend(more);
        match failed.into_iter().next() {
            Some(fail) if nows.is_empty() => Err(fail),
            _ => Ok(nows),
        }
    }

    /// Where the logs of one server are, as far as one exchange says it.
    async fn one_server(
        &self,
        link: &Link,
        logs: &[LogId],
        at: &[Asked],
    ) -> Result<Vec<(LogId, Option<LogNow>)>, Fail> {
        let mut pipeline = redis::pipe();
        for section in INFOS {
            pipeline.cmd("INFO").arg(section);
        }
        let first = *logs.first().unwrap_or(&LogId::SELECTOR);
        pipeline.cmd("PEXPIRE").arg(self.keyspace.member(first, self.replica)).arg(millis(ALIVE));
        for log in logs {
            pipeline.add_command(scores(&self.keyspace.log(*log)));
        }
        if logs.contains(&LogId::SELECTOR) {
            pipeline.cmd("SET").arg(self.keyspace.member(LogId::SELECTOR, self.replica)).arg(progress(at));
            pipeline.arg("PX").arg(millis(ALIVE));
        }
        let answers = link.ask(&pipeline, &self.route.dialer).await?;
        let [replication, memory, write, ..] = answers.as_slice() else { return Err(Fail::strange()) };
        let replication = text_of(replication)?;
        link.vouched(replication, self.clock.now())?;
        takes_writes(write)?;
        let run = run_of(replication)?;
        link.ran(run);
        self.memory(text_of(memory)?);
        let marks = answers.into_iter().skip(INFOS.len() + 1).zip(logs);
        Ok(marks.map(|(marks, log)| (*log, self.unmoved(&marks, *log, position_of(at, *log), run))).collect())
    }

    /// Where a log is, when nothing more needs to be asked for it.
    fn unmoved(&self, marks: &Value, log: LogId, at: Option<Position>, run: u64) -> Option<LogNow> {
        // What is not understood, or is at another node by now, is asked for alone.
        let marks = Marks::read(marks).ok().flatten().filter(|marks| marks.run == run)?;
        match at {
            None => Some(marks.now(log, Since::NotAsked)),
            Some(at) => (at == marks.position).then(|| marks.now(log, Since::Fences(Vec::new()))),
        }
    }

    fn memory(&self, info: &str) {
        let memory_max = field(info, "maxmemory").and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
        self.counters.policy(field(info, "maxmemory_policy").unwrap_or_default(), memory_max);
    }
}

/// Whether a server takes writes, by its answer to one that changes nothing that counts and that also a full one carries out.
/// One that does not may have been cut off from those that follow it, and be the master no more.
fn takes_writes(answer: &Value) -> Result<(), Fail> {
    let Value::ServerError(error) = answer else { return Ok(()) };
    let fail = Fail::answered(error);
    match fail.cause {
        // The log is at another node by now, which is asked for it alone.
        Cause::Moved(_) | Cause::Ask(_) | Cause::TryAgain => Ok(()),
        _ => Err(fail),
    }
}

fn position_of(at: &[Asked], log: LogId) -> Option<Position> {
    at.iter().find(|(other, _)| *other == log).and_then(|(_, position)| *position)
}

fn apart<T>(results: Vec<Result<T, Fail>>) -> (Vec<T>, Vec<Fail>) {
    let (mut good, mut failed) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(one) => good.push(one),
            Err(fail) => failed.push(fail),
        }
    }
    (good, failed)
}

/// How far this replica is, for people: `LOG=NUMBER`, where it is known.
fn progress(at: &[Asked]) -> String {
    let known = at.iter().filter_map(|(log, at)| at.map(|at| format!("{}={}", log.number(), at.number)));
    known.collect::<Vec<_>>().join(" ")
}
