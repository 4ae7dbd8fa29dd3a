//! Preload jobs, followed to their end.

use std::collections::BTreeMap;

use hotplate::{Ttl, v1};
use serde_json::{Value, json};

use crate::{
    answer::{self, Outcome, Refusal},
    arguments::Arguments,
    options::{key_of, ttl_of},
    world::World,
};

use super::plain;

pub(super) async fn preload(world: &World, mut arguments: Arguments) -> Outcome {
    let space = world.space(&mut arguments)?;
    let items: Vec<Value> = arguments.need("items")?;
    let force = arguments.flag("force")?;
    arguments.end()?;
    let items = items.into_iter().map(item).collect::<Outcome<Vec<_>>>()?;
    let mut job = space.preload(items);
    if force {
        job = job.force();
    }
    let mut results = Vec::new();
    while let Some(progress) = job.next().await {
        let progress = progress?;
        results.extend(progress.results.iter().map(result));
        if progress.finished {
            let (done, total) = (progress.done_count, progress.total_count);
            return Ok(
                json!({ "job_id": progress.job_id, "done_count": done, "total_count": total, "results": results }),
            );
        }
    }
    Err(Refusal::fault("the job ended without saying so"))
}

fn item(value: Value) -> Outcome<v1::PreloadItem> {
    let mut given = Arguments::of(Some(value))?;
    let key = hotplate::AsKey::as_key(&key_of(&mut given)?)?;
    let ttl = ttl_of(&mut given, "ttl")?;
    let item = v1::PreloadItem {
        key,
        origin: given.take("origin")?.unwrap_or_default(),
        parameters: given.take::<BTreeMap<String, String>>("parameters")?.unwrap_or_default().into_iter().collect(),
        expiration: ttl.map(lasting).transpose()?,
        ..v1::PreloadItem::default()
    };
    given.end()?;
    Ok(item)
}

fn lasting(ttl: Ttl) -> Outcome<v1::Expiration> {
    let lifetime = match ttl {
        Ttl::Class(class) => v1::expiration::Lifetime::TtlClass(class.name().to_owned()),
        Ttl::Named(name) => v1::expiration::Lifetime::TtlClass(name),
        Ttl::Duration(duration) => {
            let wire = prost_types::Duration::try_from(duration);
            v1::expiration::Lifetime::Ttl(wire.map_err(|error| Refusal::fault(format!("`ttl`: {error}")))?)
        }
    };
    Ok(v1::Expiration { lifetime: Some(lifetime), ..v1::Expiration::default() })
}

fn result(result: &v1::PreloadResult) -> Value {
    let error = result.error.as_ref().map(|error| answer::of_error(&hotplate::Error::from_item(error)));
    let state = plain(result.state().as_str_name(), "PRELOAD_STATE_");
    json!({ "key": result.key, "state": state, "error": error })
}
