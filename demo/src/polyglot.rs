//! The herd across languages: one process of each SDK, all of which want one missing result; and what one of them invalidates, the
//! near caches of the others forget. The processes are the drivers of the conformance suite.

use std::{collections::BTreeMap, path::Path, time::Duration};

use hotplate_conformance::{
    driver::{Answer, Driver},
    sdk::{self, Places},
};
use indicatif::ProgressBar;
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

use crate::{clock, herd, server::Server};

/// What the computation is called, in every process.
const NAME: &str = "herd";
/// A near cache hears of a change at once, and bounds its silence to 3 s; this is when the demo gives up.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a caller may wait beyond the computation.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);
/// Longest time that near caches keep anything: longer than all of this takes, so that what they forget they forget because
/// they heard of it.
const KEPT_MS: u64 = 3_600_000;
/// Time between two looks into a near cache.
const LOOK: Duration = Duration::from_millis(1);

/// What came of it.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    /// How often the result was computed, by whomever.
    pub(crate) computations: u64,
    pub(crate) callers: usize,
    pub(crate) answered: usize,
    pub(crate) languages: Vec<String>,
    pub(crate) max_wait_ms: u64,
    /// By the language that invalidated: how long until no near cache served it any more, from the question on.
    pub(crate) near_emptied_ms: BTreeMap<String, u64>,
}

impl Outcome {
    /// A few lines for people.
    pub(crate) fn text(&self) -> String {
        let plural = if self.computations == 1 { "" } else { "s" };
        let emptied = self.near_emptied_ms.iter().map(|(language, ms)| {
            format!("\ninvalidated in {language}: no other language served it from its near cache {ms} ms later")
        });
        format!(
            "{} callers in {}: {} computation{plural}, {} answered, the longest wait {} ms{}",
            self.callers,
            self.languages.join(", "),
            self.computations,
            self.answered,
            self.max_wait_ms,
            emptied.collect::<String>()
        )
    }
}

/// Prepares all languages, starts a process of each, and lets them loose.
///
/// # Errors
/// An SDK that cannot be prepared, or whose client reports a failure.
pub(crate) async fn run(callers: usize, compute: Duration, program: Option<&Path>) -> Result<Outcome, String> {
    let folder = tempfile::tempdir().map_err(|error| format!("no folder for the server: {error}"))?;
    let server = Server::start(crate::cache::Kind::Hotplate, program, folder.path()).await?;
    let drivers = drivers(&places(program)?).await?;
    let outcome = together(&drivers, &server.address, callers, compute).await;
    let mut ended = Ok(());
    for (language, driver) in drivers {
        let (well, odd) = driver.end().await;
        let well = well.and(odd.map_or(Ok(()), Err));
        ended = ended.and(well.map_err(|why| format!("{language}: {why}")));
    }
    server.end().await;
    // Why it failed says more than how its drivers ended.
    let outcome = outcome?;
    ended.map(|()| outcome)
}

fn places(program: Option<&Path>) -> Result<Places, String> {
    let here = std::env::current_dir().map_err(|error| format!("there is no current folder: {error}"))?;
    let root = here.ancestors().find(|folder| folder.join("tests/conformance/PROTOCOL.md").is_file());
    let root = root.ok_or("this is not within the repository, which has the other languages")?.to_path_buf();
    let server = program.map_or_else(crate::server::beside_this, |program| Ok(program.to_path_buf()))?;
    Ok(Places { tools: root.join("target/tools"), server, root })
}

async fn drivers(places: &Places) -> Result<BTreeMap<String, Driver>, String> {
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(herd::TICK);
    let mut drivers = BTreeMap::new();
    // One process of each language, however many clients it has.
    for (language, sdk) in sdk::all(places)?.into_iter().filter(|(name, sdk)| *name == sdk.language) {
        bar.set_message(format!("preparing {language}"));
        sdk.prepare(places).await.map_err(|why| format!("{language}: {why}"))?;
        let driver = Driver::start(sdk.driver(places)?, None).await.map_err(|why| format!("{language}: {why}"))?;
        drivers.insert(language, driver);
    }
    bar.finish_and_clear();
    Ok(drivers)
}

async fn together(
    drivers: &BTreeMap<String, Driver>,
    url: &str,
    callers: usize,
    compute: Duration,
) -> Result<Outcome, String> {
    for (language, driver) in drivers {
        let near = json!({"near": {"follow": "namespace", "ttl_max_ms": KEPT_MS}});
        said(language, driver, "open", json!({"client": "herd", "url": url})).await?;
        said(language, driver, "open", json!({"client": "near", "url": url, "settings": near})).await?;
        // Connected before it begins, as a service that runs is.
        said(language, driver, "get", json!({"client": "herd", "key": "anything"})).await?;
    }
    let (answered, max_wait_ms) = ask(drivers, callers, compute).await?;
    let mut computations = 0;
    for (language, driver) in drivers {
        let counted = said(language, driver, "computations", json!({"name": NAME})).await?;
        computations += counted["started"].as_u64().unwrap_or_default();
    }
    let mut near_emptied_ms = BTreeMap::new();
    for language in drivers.keys() {
        near_emptied_ms.insert(language.clone(), emptied(drivers, language).await?);
    }
    let languages = drivers.keys().cloned().collect();
    Ok(Outcome { computations, callers, answered, languages, max_wait_ms, near_emptied_ms })
}

/// All callers ask at once. How many got the value that was computed, and the longest that one waited.
async fn ask(drivers: &BTreeMap<String, Driver>, callers: usize, compute: Duration) -> Result<(usize, u64), String> {
    let takes_ms = u64::try_from(compute.as_millis()).unwrap_or(u64::MAX);
    let began = clock::now();
    let mut waiting = Vec::new();
    for (number, (language, driver)) in (0..callers).zip(drivers.iter().cycle()) {
        let compute = json!({"name": NAME, "takes_ms": takes_ms, "value": {"by": language, "caller": number}});
        let asked = json!({"client": "herd", "key": "herd:result", "options": {"ttl": "1h"}, "compute": compute});
        waiting.push((language, driver.begin("get_or_compute", fields(asked)).await));
    }
    let (mut values, mut longest) = (Vec::new(), 0);
    for (language, pending) in waiting {
        let answer = tokio::time::timeout(compute + ANSWERED_WITHIN, pending.answer()).await;
        let answer = answer.map_err(|_late| format!("{language} left a caller without an answer"))?;
        values.push(ok(language, "get_or_compute", answer)?["value"].clone());
        longest = longest.max(milliseconds(began));
    }
    let same = values.iter().filter(|value| Some(*value) == values.first()).count();
    Ok((same, longest))
}

/// Every language has a value in its near cache; this one invalidates it. How long until no other serves it any more.
async fn emptied(drivers: &BTreeMap<String, Driver>, by: &str) -> Result<u64, String> {
    let Some(owner) = drivers.get(by) else { return Err(format!("there is no {by}")) };
    let key = format!("near:{by}");
    said(by, owner, "put", json!({"client": "near", "key": key, "value": by, "options": {"ttl": "1h"}})).await?;
    let look = json!({"client": "near", "key": key});
    for (language, driver) in drivers {
        let began = clock::now();
        while said(language, driver, "get", look.clone()).await?["near"] != json!(true) {
            if began.elapsed() > PATIENCE {
                return Err(format!("{language} does not keep what it reads in its near cache"));
            }
            sleep(LOOK).await;
        }
    }
    let began = clock::now();
    said(by, owner, "invalidate", json!({"client": "near", "selectors": [{"key": key}]})).await?;
    for (language, driver) in drivers {
        while said(language, driver, "get", look.clone()).await?["outcome"] == json!("hit") {
            if began.elapsed() > PATIENCE {
                return Err(format!("{language} goes on serving what {by} invalidated"));
            }
            sleep(LOOK).await;
        }
    }
    Ok(milliseconds(began))
}

async fn said(language: &str, driver: &Driver, op: &str, request: Value) -> Result<Value, String> {
    ok(language, op, driver.ask(op, fields(request)).await)
}

fn ok(language: &str, op: &str, answer: Answer) -> Result<Value, String> {
    match answer {
        Answer::Ok(value) => Ok(value),
        other => Err(format!("{op} in {language}: {other:?}")),
    }
}

fn fields(request: Value) -> Map<String, Value> {
    match request {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from((clock::now() - since).as_millis()).unwrap_or(u64::MAX)
}
