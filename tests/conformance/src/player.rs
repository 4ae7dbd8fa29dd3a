//! Plays one scenario: its clients, its steps in their order, and the end of everything it began.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::future::{BoxFuture, join_all};
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use crate::{
    clock,
    driver::{Answer, Driver, LONE, Pending},
    expect::{self, Captures},
    scenario::{Scenario, Step},
    scope::Scope,
    stage::{House, Stage},
    step::{self, Came, Captured},
};

/// How long a client may take to close.
const CLOSE_WITHIN: Duration = Duration::from_secs(20);
/// Longest time that a scenario may wait for nothing.
const WAIT_MS_MAX: u64 = 3_000;

/// Failures that are told of many that were done at once.
const FAILURES_SHOWN: usize = 8;

/// A scenario under way.
struct Player<'a> {
    driver: &'a Arc<Driver>,
    scenario: &'a Scenario,
    scope: Scope,
    stage: Stage,
    background: BTreeMap<String, (Pending, tokio::time::Instant)>,
    /// Those that were asked for, by the names that the driver knows, and whether they were opened.
    clients: BTreeMap<String, bool>,
}

/// Plays a scenario. `name` keeps what it does apart from what others do.
pub(crate) async fn play(house: &House, driver: &Arc<Driver>, scenario: &Scenario, name: &str) -> Result<(), String> {
    let mut scope = Scope::new(format!("{name}."));
    scope.set("namespace", json!(name));
    scope.set("lone", json!(LONE));
    let stage = Stage::set(house, scenario, &mut scope).await?;
    let (background, clients) = (BTreeMap::new(), BTreeMap::new());
    let mut player = Player { driver, scenario, scope, stage, background, clients };
    let within = Duration::from_millis(scenario.within_ms);
    let mut at = "nothing yet".to_owned();
    let played = match timeout(within, player.play(&mut at)).await {
        Ok(played) => played,
        Err(_late) => Err(format!("it took longer than {within:?}, and was at {at}")),
    };
    let ended = player.end().await;
    played.and(ended)
}

impl Player<'_> {
    async fn play(&mut self, at: &mut String) -> Result<(), String> {
        let one = || BTreeMap::from([("a".to_owned(), Map::new())]);
        for (name, settings) in self.scenario.clients.clone().unwrap_or_else(one) {
            *at = format!("opening client `{name}`");
            self.open(&name, settings).await.map_err(|why| format!("client `{name}`: {why}"))?;
        }
        for (place, step) in self.scenario.steps.iter().enumerate() {
            *at = format!("step {} ({})", place + 1, step.shown());
            let came = Box::pin(step::bounded(step, self.step(step))).await;
            let captured = came.map_err(|why| format!("{at}: {why}"))?;
            self.scope.learn(captured);
        }
        match self.background.keys().next() {
            None => Ok(()),
            Some(name) => Err(format!("`{name}` was never joined")),
        }
    }

    async fn open(&mut self, name: &str, settings: Map<String, Value>) -> Result<(), String> {
        let Value::Object(mut settings) = self.scope.filled(&Value::Object(settings))? else { return Ok(()) };
        settings.entry("namespace").or_insert_with(|| self.scope.get("namespace").cloned().unwrap_or_default());
        let url = settings.remove("url").or_else(|| self.scope.get("url").cloned());
        let own = self.scope.own(name);
        let fields = json!({ "client": own, "url": url, "settings": settings });
        let fields = fields.as_object().cloned().unwrap_or_default();
        let opened = timeout(CLOSE_WITHIN, self.driver.ask("open", fields)).await;
        self.clients.insert(own, matches!(opened, Ok(Answer::Ok(_))));
        match opened {
            Ok(Answer::Ok(_)) => Ok(()),
            Ok(other) => Err(format!("it cannot be opened: {other:?}")),
            Err(_late) => Err(format!("it was not opened within {CLOSE_WITHIN:?}")),
        }
    }

    /// Boxed, as steps may hold steps.
    fn step<'b>(&'b mut self, step: &'b Step) -> BoxFuture<'b, Came> {
        Box::pin(async move {
            if step.is_own() {
                return self.own_step(step).await;
            }
            if step.verb == "open" {
                let name = step.arguments["client"].as_str().unwrap_or("a");
                let opened = self.clients.entry(self.scope.own(name)).or_default();
                *opened |= step.must.error.is_none();
            }
            if let Some(name) = &step.background {
                let pending = step::begin(self.driver, &self.scope, step).await?;
                self.scope.set(name, json!(pending.id));
                self.background.insert(name.clone(), (pending, clock::now()));
                return Ok(Captured::new());
            }
            step::ask_all(self.driver, &self.scope, step).await
        })
    }

    async fn own_step(&mut self, step: &Step) -> Came {
        let told = match step.verb.as_str() {
            "parallel" => return self.parallel(step).await,
            "join" => return self.join(step).await,
            "server" => self.stage.server(&step.arguments).await.map(|()| json!({}))?,
            "proxy" => self.stage.proxy(&step.arguments).await.map(|()| json!({}))?,
            "script" => self.stage.script(&self.scope.filled(&step.arguments)?).map(|()| json!({}))?,
            "seen" | "origin" | "leases" => return self.looked(step).await,
            "wait_ms" => {
                let millis = step.arguments.as_u64().filter(|millis| *millis <= WAIT_MS_MAX);
                let millis = millis.ok_or_else(|| format!("`wait_ms` is at most {WAIT_MS_MAX}"))?;
                tokio::time::sleep(Duration::from_millis(millis)).await;
                json!({})
            }
            _ => return self.set(step),
        };
        self.compared(step, &told)
    }

    fn set(&self, step: &Step) -> Came {
        let named = step.arguments.as_object().ok_or("`set` takes names with what they stand for")?;
        named.iter().map(|(name, value)| Ok((name.clone(), self.scope.filled(value)?))).collect()
    }

    fn compared(&self, step: &Step, told: &Value) -> Came {
        let mut captures = Captures::default();
        if let Some(expected) = &step.must.expect {
            expect::compare(expected, told, &mut captures)?;
        }
        Ok(captures.new)
    }

    /// What the stage says of itself, looked at until it is as it must be.
    async fn looked(&self, step: &Step) -> Came {
        let (what, began) = (self.scope.filled(&step.arguments)?, clock::now());
        let word = || what.as_str().ok_or_else(|| format!("`{}` takes a name", step.verb));
        loop {
            let told = match step.verb.as_str() {
                "seen" => self.stage.seen(&what)?,
                "leases" => self.stage.leases(word()?).await?,
                _ => self.stage.origin(word()?)?,
            };
            let came = self.compared(step, &told);
            let again = step.eventually.is_some_and(|long| clock::now().saturating_duration_since(began) < long);
            if came.is_ok() || !again {
                return came;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// All at once; each on its own.
    async fn parallel(&mut self, step: &Step) -> Came {
        let (driver, scope) = (self.driver, &self.scope);
        let all = step.parallel.iter().map(|step| async move {
            let doing = step::ask_all(driver, scope, step);
            step::bounded(step, doing).await.map_err(|why| format!("{}: {why}", step.shown()))
        });
        together(join_all(all).await)
    }

    async fn join(&mut self, step: &Step) -> Came {
        let name = step.arguments.as_str().ok_or("`join` takes a name")?;
        let (pending, began) = self.background.remove(name).ok_or_else(|| format!("nothing goes on as `{name}`"))?;
        step::judged(pending, began, &self.scope, &step.must).await
    }

    /// Closes its clients. One that cannot be closed is a failure of its own.
    async fn end(self) -> Result<(), String> {
        self.stage.clear();
        if self.driver.is_gone() {
            return Ok(());
        }
        let driver = self.driver;
        let close = |(client, opened): (&String, &bool)| {
            let (fields, opened) = (Map::from_iter([("client".to_owned(), json!(client))]), *opened);
            async move {
                match timeout(CLOSE_WITHIN, driver.ask("close", fields)).await {
                    Ok(Answer::Ok(_)) => Ok(()),
                    // There is none where opening it was to fail.
                    Ok(Answer::Fault(_)) if !opened => Ok(()),
                    Ok(other) => Err(format!("a client cannot be closed: {other:?}")),
                    Err(_late) => Err(format!("a client was not closed within {CLOSE_WITHIN:?}")),
                }
            }
        };
        join_all(self.clients.iter().map(close)).await.into_iter().collect()
    }
}

/// What was captured by all; or why the first of them failed, and how many did.
fn together(came: Vec<Came>) -> Came {
    let (mut all, mut failed) = (Captured::new(), Vec::new());
    for one in came {
        match one {
            Ok(captured) => all.extend(captured),
            Err(why) => failed.push(why),
        }
    }
    match failed.len() {
        0 => Ok(all),
        count => Err(format!("{count} failed; the first of them:\n{}", failed[..count.min(FAILURES_SHOWN)].join("\n"))),
    }
}
