//! Runs scenarios in languages: a driver each, several scenarios at a time. What a scenario does is `player`'s.

use std::{collections::BTreeMap, sync::Arc};

use futures::{StreamExt, stream};
use serde::Serialize;
use tokio::sync::Mutex;

use crate::{
    clock,
    driver::Driver,
    player::play,
    scenario::{Own, Scenario},
    sdk::{Places, Sdk},
    server::Server,
    stage::House,
    wrong::Wrong,
};

/// What the driver itself must do.
pub const ENDS: &str = "driver/ends when its input does";
/// One that dies takes others with it: whoever embeds the client dies with it.
pub const LIVES: &str = "driver/lives through all of it";
/// Each request has one answer, and nothing else is said.
pub const ANSWERS: &str = "driver/says nothing but answers";
/// What comes before anything else.
pub const PREPARES: &str = "driver/is prepared and says hello";

/// What is run.
#[derive(Debug)]
pub struct Suite {
    /// Where things are.
    pub places: Places,
    /// In which languages.
    pub languages: Vec<Sdk>,
    /// What.
    pub scenarios: Vec<Scenario>,
    /// How many at a time in one language.
    pub at_once: usize,
    /// How many languages at a time.
    pub languages_at_once: usize,
    /// How drivers are made to be wrong.
    pub wrong: Option<Wrong>,
}

/// What came of one scenario in one language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The language.
    pub language: String,
    /// The scenario.
    pub scenario: String,
    /// Whether all was as it must be.
    pub pass: bool,
    /// Why not, or why it was not asked for; empty otherwise.
    pub detail: String,
    /// Milliseconds it took.
    pub took_ms: u64,
}

impl Suite {
    /// Rows that a run has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.languages.len() * (self.scenarios.len() + 4)
    }

    /// Whether there is nothing to run.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.languages.is_empty()
    }

    /// Runs everything; `told` hears of each row when it is there.
    ///
    /// # Errors
    /// The server that scenarios share cannot be started.
    pub async fn run(&self, told: &(dyn Fn(&Row) + Sync)) -> Result<Vec<Row>, String> {
        let prepared = self.prepare().await;
        let played = stream::iter(&self.languages).map(|sdk| async {
            let prepared = prepared.get(&sdk.language).cloned().unwrap_or(Ok(0));
            let many = ["--namespaces-max", "20000", "--memory-bytes-max", "256MiB"].map(str::to_owned).to_vec();
            let server = Server::start(&self.places.server, Own { args: many, ..Own::default() }).await?;
            let house = House { program: Arc::from(self.places.server.as_path()), shared: server.address };
            let (driver, ends) = (Mutex::default(), Mutex::default());
            let language = Language { suite: self, sdk, house: &house, told, driver, ends };
            Ok(language.run(prepared).await)
        });
        let played: Vec<Result<Vec<Row>, String>> = played.buffered(self.languages_at_once).collect().await;
        played.into_iter().collect::<Result<Vec<_>, _>>().map(|rows| rows.into_iter().flatten().collect())
    }

    /// Prepares each language once, before any scenario is timed: milliseconds it took.
    async fn prepare(&self) -> BTreeMap<String, Result<u64, String>> {
        let mut prepared = BTreeMap::new();
        for sdk in &self.languages {
            if !prepared.contains_key(&sdk.language) {
                let began = clock::now();
                let came = sdk.prepare(&self.places).await.map(|()| clock::millis_since(began));
                prepared.insert(sdk.language.clone(), came);
            }
        }
        prepared
    }
}

/// One language under way.
struct Language<'a> {
    suite: &'a Suite,
    sdk: &'a Sdk,
    house: &'a House,
    told: &'a (dyn Fn(&Row) + Sync),
    driver: Mutex<Option<Arc<Driver>>>,
    ends: Mutex<Ends>,
}

/// What drivers of a language did that none may do.
#[derive(Debug, Default)]
struct Ends {
    /// The last words of those that died.
    died: Vec<String>,
    /// What they said out of the protocol.
    odd: Vec<String>,
}

impl Language<'_> {
    async fn run(&self, prepared: Result<u64, String>) -> Vec<Row> {
        let began = clock::now();
        let said = match &prepared {
            Ok(_) => self.driver().await.map(drop),
            Err(why) => Err(why.clone()),
        };
        let ready = said.is_ok();
        let took_ms = prepared.unwrap_or_default() + clock::millis_since(began);
        let mut rows = vec![self.row(PREPARES, said, took_ms)];
        if !ready {
            return rows;
        }
        let numbered = self.suite.scenarios.iter().enumerate();
        let played = stream::iter(numbered.map(|(number, scenario)| self.scenario(number, scenario, true)));
        let played: Vec<_> = played.buffered(self.suite.at_once).collect().await;
        for (number, row) in played.into_iter().enumerate() {
            // Whose driver died may not be the one that killed it: alone, it shows.
            match row {
                Some(row) => rows.push(row),
                None => rows.extend(self.scenario(number, &self.suite.scenarios[number], false).await),
            }
        }
        let began = clock::now();
        let ended = self.end().await;
        rows.push(self.row(ENDS, ended, clock::millis_since(began)));
        let ends = self.ends.lock().await;
        rows.push(self.row(LIVES, none(&ends.died, "times it died"), 0));
        rows.push(self.row(ANSWERS, none(&ends.odd, "drivers said something else"), 0));
        rows
    }

    /// Plays a scenario. `None`: the driver died, and it is not known whether because of this one.
    async fn scenario(&self, number: usize, scenario: &Scenario, beside: bool) -> Option<Row> {
        let began = clock::now();
        let without = |name: &String| scenario.without.get(name);
        if let Some(reason) = without(&self.sdk.name).or_else(|| without(&self.sdk.language)) {
            let mut row = self.row(&scenario.name, Ok(()), 0);
            row.detail = format!("not asked of it: {reason}");
            return Some(row);
        }
        let came = match self.driver().await {
            Ok(driver) => {
                let name = format!("{}-s{number}{}", self.sdk.name, if beside { "" } else { "-alone" });
                let came = Box::pin(play(self.house, &driver, scenario, &name)).await;
                if came.is_err() && driver.is_gone() && beside {
                    return None;
                }
                came
            }
            Err(why) => Err(why),
        };
        Some(self.row(&scenario.name, came, clock::millis_since(began)))
    }

    fn row(&self, scenario: &str, came: Result<(), String>, took_ms: u64) -> Row {
        let (pass, detail) = match came {
            Ok(()) => (true, String::new()),
            Err(why) => (false, why),
        };
        let row = Row { language: self.sdk.name.clone(), scenario: scenario.to_owned(), pass, detail, took_ms };
        (self.told)(&row);
        row
    }

    /// The driver there is, or a new one.
    async fn driver(&self) -> Result<Arc<Driver>, String> {
        let mut driver = self.driver.lock().await;
        if let Some(running) = driver.as_ref().filter(|driver| !driver.is_gone()) {
            return Ok(Arc::clone(running));
        }
        if let Some(dead) = driver.take() {
            self.buried(&dead).await;
        }
        let command = self.sdk.driver(&self.suite.places)?;
        let started = Arc::new(Driver::start(command, self.suite.wrong).await?);
        let language = &started.hello["language"];
        if *language != *self.sdk.language {
            return Err(format!("the driver of {} says that it is {language}", self.sdk.language));
        }
        *driver = Some(Arc::clone(&started));
        Ok(started)
    }

    /// Notes how a driver died, and what it said before.
    async fn buried(&self, dead: &Driver) {
        let words = dead.last_words().await;
        let mut ends = self.ends.lock().await;
        ends.died.push(words);
        ends.odd.extend(dead.out_of_protocol());
    }

    async fn end(&self) -> Result<(), String> {
        let Some(driver) = self.driver.lock().await.take() else { return Ok(()) };
        if driver.is_gone() {
            self.buried(&driver).await;
            return Err("the driver was gone before its input ended".to_owned());
        }
        match Arc::try_unwrap(driver) {
            Ok(driver) => {
                let (ended, odd) = driver.end().await;
                self.ends.lock().await.odd.extend(odd);
                ended
            }
            Err(held) => {
                self.ends.lock().await.odd.extend(held.out_of_protocol());
                Err("something still uses the driver".to_owned())
            }
        }
    }
}

/// Nothing of this may have come to pass.
fn none(what: &[String], said: &str) -> Result<(), String> {
    if what.is_empty() { Ok(()) } else { Err(format!("{} {said}:\n{}", what.len(), what.join("\n"))) }
}
