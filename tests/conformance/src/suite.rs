//! Runs scenarios in languages: a driver each, several scenarios at a time. What a scenario does is `player`'s.

use std::{sync::Arc, time::Duration};

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
        self.languages.len() * (self.scenarios.len() + 2)
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
        let many = ["--namespaces-max", "20000", "--memory-bytes-max", "256MiB"].map(str::to_owned).to_vec();
        let server = Server::start(&self.places.server, Own { args: many, ..Own::default() }).await?;
        let house = House { program: Arc::from(self.places.server.as_path()), shared: server.address };
        let mut rows = Vec::new();
        for sdk in &self.languages {
            let language = Language { suite: self, sdk, house: &house, told, driver: Mutex::default() };
            rows.extend(language.run().await);
        }
        Ok(rows)
    }
}

/// One language under way.
struct Language<'a> {
    suite: &'a Suite,
    sdk: &'a Sdk,
    house: &'a House,
    told: &'a (dyn Fn(&Row) + Sync),
    driver: Mutex<Option<Arc<Driver>>>,
}

impl Language<'_> {
    async fn run(&self) -> Vec<Row> {
        let began = clock::now();
        let prepared = async {
            self.sdk.prepare(&self.suite.places).await?;
            self.driver().await.map(drop)
        };
        let prepared = prepared.await;
        let ready = prepared.is_ok();
        let mut rows = vec![self.row(PREPARES, prepared, clock::millis_since(began))];
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
        rows
    }

    /// Plays a scenario. `None`: the driver died, and it is not known whether because of this one.
    async fn scenario(&self, number: usize, scenario: &Scenario, beside: bool) -> Option<Row> {
        let began = clock::now();
        if let Some(reason) = scenario.without.get(&self.sdk.language) {
            let mut row = self.row(&scenario.name, Ok(()), 0);
            row.detail = format!("not asked of it: {reason}");
            return Some(row);
        }
        let came = match self.driver().await {
            Ok(driver) => {
                let name = format!("{}-s{number}{}", self.sdk.language, if beside { "" } else { "-alone" });
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
        let row = Row { language: self.sdk.language.clone(), scenario: scenario.to_owned(), pass, detail, took_ms };
        (self.told)(&row);
        row
    }

    /// The driver there is, or a new one.
    async fn driver(&self) -> Result<Arc<Driver>, String> {
        let mut driver = self.driver.lock().await;
        if let Some(running) = driver.as_ref().filter(|driver| !driver.is_gone()) {
            return Ok(Arc::clone(running));
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

    async fn end(&self) -> Result<(), String> {
        let Some(driver) = self.driver.lock().await.take() else { return Ok(()) };
        match Arc::try_unwrap(driver) {
            Ok(driver) => tokio::time::timeout(Duration::from_secs(30), driver.end())
                .await
                .unwrap_or_else(|_late| Err("it did not end".to_owned())),
            Err(_held) => Err("something still uses the driver".to_owned()),
        }
    }
}
