//! Clients: how they are set up, and how they are.

use hotplate::{Builder, Client, NearFollow, NearOptions, OnError, Profile};
use serde_json::{Value, json};

use crate::{
    answer::{Outcome, Refusal},
    arguments::Arguments,
    world::World,
};

pub(super) fn open(world: &World, mut arguments: Arguments) -> Outcome {
    let name: String = arguments.need("client")?;
    let url: Option<String> = arguments.take("url")?;
    let urls: Vec<String> = arguments.take("urls")?.unwrap_or_default();
    let settings = arguments.inner("settings")?;
    arguments.end()?;
    let builder = url.into_iter().chain(urls).fold(Client::builder(), Builder::url);
    world.open(name, set_up(builder, settings)?.build()?)?;
    Ok(json!({}))
}

fn set_up(mut builder: Builder, mut settings: Arguments) -> Outcome<Builder> {
    if let Some(name) = settings.take::<String>("namespace")? {
        builder = builder.default_namespace(name);
    }
    if let Some(token) = settings.take::<String>("token")? {
        builder = builder.token(token);
    }
    if let Some(allow) = settings.take("allow_insecure_token")? {
        builder = builder.allow_insecure_token(allow);
    }
    if let Some(timeout) = settings.millis("timeout_ms")? {
        builder = builder.timeout(timeout);
    }
    if let Some(profile) = settings.take::<String>("profile")? {
        builder = builder.profile(Profile::named(&profile)?);
    }
    if let Some(on_error) = settings.take::<String>("on_error")? {
        builder = builder.on_error(match on_error.as_str() {
            "miss" => OnError::Miss,
            "raise" => OnError::Raise,
            other => return Err(Refusal::fault(format!("`on_error`: `{other}`"))),
        });
    }
    builder = bounded(builder, &mut settings)?;
    if let Some(near) = settings.value("near") {
        builder = builder.near_cache(near_options(Arguments::of(Some(near))?)?);
    }
    settings.end()?;
    Ok(builder)
}

fn bounded(mut builder: Builder, settings: &mut Arguments) -> Outcome<Builder> {
    if let Some(disabled) = settings.take("disabled")? {
        builder = builder.disabled(disabled);
    }
    if let Some(most) = settings.take("journal_max")? {
        builder = builder.journal_max(most);
    }
    if let Some(most) = settings.take("computations_max")? {
        builder = builder.computations_max(most);
    }
    if let Some(id) = settings.take::<String>("client_id")? {
        builder = builder.client_id(id);
    }
    if let Some(pipelining) = settings.take("pipelining")? {
        builder = builder.pipelining(pipelining);
    }
    if let Some(most) = settings.take("connections_max")? {
        builder = builder.connections_max(most);
    }
    Ok(builder)
}

fn near_options(mut settings: Arguments) -> Outcome<NearOptions> {
    let mut near = NearOptions::new();
    if let Some(bytes) = settings.take("bytes_max")? {
        near = near.bytes_max(bytes);
    }
    if let Some(entries) = settings.take("entries_max")? {
        near = near.entries_max(entries);
    }
    if let Some(longest) = settings.millis("ttl_max_ms")? {
        near = near.ttl_max(longest);
    }
    if let Some(longest) = settings.millis("progress_max_ms")? {
        near = near.progress_max(longest);
    }
    if let Some(keep) = settings.take("keep_dependents")? {
        near = near.keep_dependents(keep);
    }
    if let Some(follow) = settings.value("follow") {
        near = near.follow(following(&follow)?);
    }
    settings.end()?;
    Ok(near)
}

fn following(follow: &Value) -> Outcome<NearFollow> {
    match follow.as_str() {
        Some("namespace") => return Ok(NearFollow::Namespace),
        Some("kept_keys") => return Ok(NearFollow::KeptKeys),
        _ => {}
    }
    let mut fields = Arguments::of(Some(follow.clone()))?;
    let prefixes = fields.need("prefixes")?;
    fields.end()?;
    Ok(NearFollow::Prefixes(prefixes))
}

pub(super) async fn close(world: &World, mut arguments: Arguments) -> Outcome {
    let client = world.client(&mut arguments)?;
    arguments.end()?;
    client.close().await;
    Ok(json!({}))
}

pub(super) fn state(world: &World, mut arguments: Arguments) -> Outcome {
    let client = world.client(&mut arguments)?;
    arguments.end()?;
    let counts = client.degradation();
    Ok(json!({
        "available": client.available(),
        "invalidations_waiting": client.invalidations_waiting(),
        "degradation": {
            "reads_without_cache": counts.reads_without_cache,
            "writes_dropped": counts.writes_dropped,
            "invalidations_queued": counts.invalidations_queued,
            "invalidations_replayed": counts.invalidations_replayed,
            "outages": counts.outages,
        },
    }))
}
