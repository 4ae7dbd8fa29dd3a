//! One step: asked of the driver, and judged. In which order steps come is `player`'s.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value, json};
use tokio::time::{sleep, timeout};

use crate::{
    clock,
    driver::{Answer, Driver, Pending},
    expect::{self, Captures, short},
    scenario::{Must, Step},
    scope::Scope,
};

/// How long until something that is to come is looked for again.
const AGAIN: std::time::Duration = std::time::Duration::from_millis(40);

/// What was captured.
pub(crate) type Captured = BTreeMap<String, Value>;

/// What came of a step: what was captured, or why it failed.
pub(crate) type Came = Result<Captured, String>;

/// Asks the driver, again until what must come did where it may take time.
pub(crate) async fn ask(driver: &Driver, scope: &Scope, step: &Step) -> Came {
    let began = clock::now();
    loop {
        let pending = begin(driver, scope, step).await?;
        if let Some(patience) = step.gives_up {
            give_up(driver, pending.id, patience).await?;
        }
        let came = judged(pending, began, scope, &step.must).await;
        let again = step.eventually.is_some_and(|long| clock::now().saturating_duration_since(began) < long);
        match came {
            Err(_) if again && !driver.is_gone() => sleep(AGAIN).await,
            Err(why) if step.eventually.is_some() => return Err(format!("it did not come to be: {why}")),
            came => return came,
        }
    }
}

/// Sends a step's request.
pub(crate) async fn begin(driver: &Driver, scope: &Scope, step: &Step) -> Result<Pending, String> {
    let fields = scope.arguments(&step.verb, &step.arguments)?;
    Ok(driver.begin(&step.verb, fields).await)
}

/// Its caller loses patience.
async fn give_up(driver: &Driver, target: u64, patience: std::time::Duration) -> Result<(), String> {
    sleep(patience).await;
    let fields = Map::from_iter([("target".to_owned(), json!(target))]);
    match driver.ask("cancel", fields).await {
        Answer::Ok(_) => Ok(()),
        other => Err(format!("it cannot be given up: {other:?}")),
    }
}

/// Waits for an answer and judges it.
pub(crate) async fn judged(pending: Pending, began: tokio::time::Instant, scope: &Scope, must: &Must) -> Came {
    let answer = pending.answer().await;
    judge(answer, clock::millis_since(began), scope, must)
}

/// Whether an answer is as it must be.
fn judge(answer: Answer, took: u64, scope: &Scope, must: &Must) -> Came {
    let mut captures = Captures { known: known(scope, must), ..Captures::default() };
    if let Some(expected) = &must.took_ms {
        let told = |why| format!("how long it took: {why}");
        expect::compare(expected, &json!(took), &mut captures).map_err(told)?;
    }
    match (answer, &must.expect, &must.error) {
        (Answer::Ok(fields), expected, error) if error.is_none() || expected.is_some() => {
            let expected = expected.clone().unwrap_or_else(|| json!({}));
            expect::compare(&expected, &fields, &mut captures)
                .map_err(|why| format!("{why}; all of it: {}", short(&fields)))?;
        }
        (Answer::Error(error), _, Some(expected)) => {
            expect::compare(expected, &error, &mut captures)
                .map_err(|why| format!("{why}; all of it: {}", short(&error)))?;
        }
        (Answer::Ok(fields), ..) => return Err(format!("it was to fail and answered {}", short(&fields))),
        (Answer::Error(error), _, _) => return Err(format!("it failed: {}", short(&error))),
        (Answer::Unsupported(why), ..) => return Err(format!("unsupported: {why}")),
        (Answer::Fault(what), ..) => return Err(format!("a fault of the driver: {what}")),
        (Answer::Gone(log), ..) => return Err(format!("the driver is gone; the end of its log:\n{log}")),
    }
    Ok(captures.new)
}

/// The names that expectations use and that are known.
fn known(scope: &Scope, must: &Must) -> BTreeMap<String, Value> {
    let mut names = Vec::new();
    [&must.expect, &must.error, &must.took_ms].into_iter().flatten().for_each(|value| collect(value, &mut names));
    names.into_iter().filter_map(|name| Some((name.clone(), scope.get(&name)?.clone()))).collect()
}

fn collect(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::String(text) => names.extend(text.strip_prefix('$').map(str::to_owned)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Asks as often as the step says, at once or one after the other.
pub(crate) async fn ask_all(driver: &Arc<Driver>, scope: &Scope, step: &Step) -> Came {
    match (step.times, step.in_turn) {
        (Some(times), _) => {
            let all = futures::future::join_all((0..times).map(|i| numbered(driver, scope, step, i))).await;
            all.into_iter().try_fold(Captured::new(), |mut all, one| {
                all.extend(one?);
                Ok(all)
            })
        }
        (None, Some(times)) => {
            let mut all = Captured::new();
            for i in 0..times {
                all.extend(numbered(driver, scope, step, i).await?);
            }
            Ok(all)
        }
        (None, None) => ask(driver, scope, step).await,
    }
}

/// One of several; `$i` is its number.
async fn numbered(driver: &Driver, scope: &Scope, step: &Step, i: u64) -> Came {
    let mut scope = scope.clone();
    scope.set("i", json!(i));
    ask(driver, &scope, step).await.map_err(|why| format!("number {i}: {why}"))
}

/// Within the step's bound; a step that takes longer fails with what it waited for.
pub(crate) async fn bounded<T>(step: &Step, doing: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    match timeout(step.within, doing).await {
        Ok(came) => came,
        Err(_late) => Err(format!("nothing came of it within {:?}", step.within)),
    }
}
