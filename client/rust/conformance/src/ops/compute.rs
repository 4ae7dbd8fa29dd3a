//! Computations, the functions they run, and the gates that hold those.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    answer::Outcome,
    arguments::Arguments,
    options::{computing, key_of},
    world::{Counts, World},
};

/// A function, as a request describes it.
struct Function {
    counts: Arc<Counts>,
    value: Value,
    fails: Option<String>,
    takes: Option<Duration>,
    gate: Option<CancellationToken>,
    panics: bool,
}

impl Function {
    fn read(world: &World, mut given: Arguments) -> Outcome<Self> {
        let function = Self {
            counts: world.counts(given.need("name")?),
            value: given.value("value").unwrap_or_default(),
            fails: given.take("fail")?,
            takes: given.millis("takes_ms")?,
            gate: given.take("gate")?.map(|name| world.gate(name)),
            panics: given.flag("panics")?,
        };
        given.end()?;
        Ok(function)
    }

    async fn run(self) -> Result<Value, String> {
        self.counts.begin();
        if let Some(gate) = &self.gate {
            gate.cancelled().await;
        }
        if let Some(takes) = self.takes {
            tokio::time::sleep(takes).await;
        }
        assert!(!self.panics, "told to panic");
        self.counts.finish();
        match self.fails {
            Some(message) => Err(message),
            None => Ok(self.value),
        }
    }
}

pub(super) async fn get_or_compute(world: &World, mut arguments: Arguments) -> Outcome {
    let space = world.space(&mut arguments)?;
    let key = key_of(&mut arguments)?;
    let options = computing(arguments.inner("options")?)?;
    let function = Function::read(world, arguments.inner("compute")?)?;
    arguments.end()?;
    let ran = Arc::new(AtomicBool::new(false));
    let runs = Arc::clone(&ran);
    let compute = move || {
        runs.store(true, Ordering::Relaxed);
        function.run()
    };
    let value: Value = Box::pin(space.get_or_compute(key, &options, compute)).await?;
    Ok(json!({ "value": value, "computed": ran.load(Ordering::Relaxed) }))
}

pub(super) fn computations(world: &World, mut arguments: Arguments) -> Outcome {
    let counts = world.counts(arguments.need("name")?);
    arguments.end()?;
    Ok(json!({
        "started": counts.started.load(Ordering::Relaxed),
        "finished": counts.finished.load(Ordering::Relaxed),
    }))
}

pub(super) fn release(world: &World, mut arguments: Arguments) -> Outcome {
    let gate = world.gate(arguments.need("gate")?);
    arguments.end()?;
    gate.cancel();
    Ok(json!({}))
}
