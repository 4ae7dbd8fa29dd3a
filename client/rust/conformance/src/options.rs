//! What requests may ask of reads, writes and computations, as the client takes it.

use std::time::Duration;

use hotplate::{AsKey, CacheMode, ComputeOptions, Key, ReadOptions, Selector, Ttl, WriteOptions, parse_duration, v1};
use serde_json::Value;

use crate::{
    answer::{Outcome, Refusal},
    arguments::Arguments,
};

/// A lifetime: text as users write it, or a number of seconds.
pub(crate) fn ttl(value: &Value) -> Outcome<Ttl> {
    match value {
        Value::String(text) => Ok(text.parse::<Ttl>()?),
        Value::Number(seconds) => Ok(Ttl::Duration(parse_duration(&seconds.to_string())?)),
        other => Err(Refusal::fault(format!("`ttl`: {other} is neither text nor a number"))),
    }
}

/// The lifetime in a field.
pub(crate) fn ttl_of(arguments: &mut Arguments, name: &str) -> Outcome<Option<Ttl>> {
    arguments.value(name).as_ref().map(ttl).transpose()
}

/// A key that was made, or the text of one.
pub(crate) enum Named {
    Built(Key),
    Text(String),
}

impl AsKey for Named {
    fn as_key(&self) -> hotplate::Result<String> {
        match self {
            Self::Built(key) => key.as_key(),
            Self::Text(text) => text.as_key(),
        }
    }
}

/// A key: text, or calls of the builder.
pub(crate) fn key(value: &Value) -> Outcome<Named> {
    match value {
        Value::String(text) => Ok(Named::Text(text.clone())),
        Value::Object(fields) if fields.len() == 1 && fields.contains_key("calls") => {
            built(&value["calls"]).map(Named::Built)
        }
        other => Err(Refusal::fault(format!("`key`: {other} is neither text nor calls"))),
    }
}

/// The key in a field.
pub(crate) fn key_of(arguments: &mut Arguments) -> Outcome<Named> {
    key(&arguments.need("key")?)
}

/// A key by the calls that make it.
pub(crate) fn built(calls: &Value) -> Outcome<Key> {
    let calls = calls.as_array().ok_or_else(|| Refusal::fault("`calls` is no list"))?;
    calls.iter().try_fold(Key::new([""; 0]), |key, call| {
        let text = || call[1].as_str().ok_or_else(|| Refusal::fault(format!("the call {call} names no text")));
        Ok(match call[0].as_str().unwrap_or_default() {
            "segments" => texts(&call[1])?.into_iter().fold(key, |key, segment| key.id(segment)),
            "id" => key.id(text()?),
            "param" => key.param(text()?, &call[2]),
            "params" => key.params(&call[1]),
            "unordered" => key.unordered(texts(&call[1])?),
            "text" => key.text(text()?),
            "content" => {
                let bytes = hex::decode(text()?).map_err(|error| Refusal::fault(format!("`content`: {error}")))?;
                key.content(bytes)
            }
            other => return Err(Refusal::fault(format!("the key builder has no call `{other}`"))),
        })
    })
}

fn texts(value: &Value) -> Outcome<Vec<String>> {
    serde_json::from_value(value.clone()).map_err(|error| Refusal::fault(format!("{value}: {error}")))
}

/// Which entries are meant.
pub(crate) fn selectors(arguments: &mut Arguments) -> Outcome<Vec<Selector>> {
    let selectors: Vec<Value> = arguments.take("selectors")?.unwrap_or_default();
    selectors.iter().map(selector).collect()
}

fn selector(value: &Value) -> Outcome<Selector> {
    let one = value.as_object().filter(|fields| fields.len() == 1).and_then(|fields| fields.iter().next());
    let (name, what) = one.ok_or_else(|| Refusal::fault(format!("{value} is no selector")))?;
    let text = || what.as_str().ok_or_else(|| Refusal::fault(format!("the selector `{name}` needs text")));
    Ok(match name.as_str() {
        "key" => Selector::key(key(what)?)?,
        "prefix" => Selector::prefix(text()?),
        "glob" => Selector::glob(text()?),
        "tag" => Selector::tag(text()?),
        "all_tags" => Selector::all_tags(texts(what)?),
        "kind" => Selector::kind(text()?),
        "dependents_of" => Selector::dependents_of(text()?),
        "everything" => Selector::everything(),
        other => return Err(Refusal::fault(format!("there is no selector `{other}`"))),
    })
}

/// What a read accepts, and whether it goes past the near cache.
pub(crate) fn reading(options: &mut Arguments) -> Outcome<(ReadOptions, bool)> {
    let mut read = ReadOptions::new();
    if options.flag("accept_stale")? {
        read = read.accept_stale();
    }
    if let Some(age) = options.millis("max_age_ms")? {
        read = read.max_age(age);
    }
    if options.flag("peek")? {
        read = read.peek();
    }
    if let Some(tier) = options.take::<String>("slowest_tier")? {
        read = read.slowest_tier(match tier.as_str() {
            "memory" => v1::Tier::Memory,
            "disk" => v1::Tier::Disk,
            "shared" => v1::Tier::Shared,
            other => return Err(Refusal::fault(format!("there is no tier `{other}`"))),
        });
    }
    Ok((read, options.flag("without_near_cache")?))
}

/// How a value is stored.
pub(crate) fn writing(options: &mut Arguments) -> Outcome<WriteOptions> {
    let mut write = WriteOptions::new();
    if let Some(ttl) = ttl_of(options, "ttl")? {
        write = write.ttl(ttl);
    }
    let long =
        |given: Option<Duration>, write: WriteOptions, set: fn(WriteOptions, Duration) -> WriteOptions| match given {
            Some(duration) => set(write, duration),
            None => write,
        };
    write = long(options.millis("stale_for_ms")?, write, WriteOptions::stale_for);
    write = long(options.millis("idle_ms")?, write, WriteOptions::idle);
    write = long(options.millis("cost_ms")?, write, WriteOptions::cost);
    let share = |given: Option<f64>, write: WriteOptions, set: fn(WriteOptions, f64) -> WriteOptions| match given {
        Some(number) => set(write, number),
        None => write,
    };
    write = share(options.take("jitter")?, write, WriteOptions::jitter);
    write = share(options.take("refresh_ahead")?, write, WriteOptions::refresh_ahead);
    write = share(options.take("refresh_ahead_xfetch")?, write, WriteOptions::refresh_ahead_xfetch);
    described(options, write)
}

/// What is said of a value, and on which condition it is stored.
fn described(options: &mut Arguments, mut write: WriteOptions) -> Outcome<WriteOptions> {
    if let Some(kind) = options.take::<String>("kind")? {
        write = write.kind(kind);
    }
    write = write.tags(options.take::<Vec<String>>("tags")?.unwrap_or_default());
    for name in options.take::<Vec<String>>("depends_on")?.unwrap_or_default() {
        write = write.depends_on(name);
    }
    for (name, value) in options.take::<std::collections::BTreeMap<String, String>>("labels")?.unwrap_or_default() {
        write = write.label(name, value);
    }
    if options.flag("if_absent")? {
        write = write.if_absent();
    }
    if options.flag("if_present")? {
        write = write.if_present();
    }
    if let Some(etag) = options.take::<String>("if_etag")? {
        write = write.if_etag(etag);
    }
    Ok(write)
}

/// How a computation is looked up, shared and stored.
pub(crate) fn computing(mut options: Arguments) -> Outcome<ComputeOptions> {
    let options = &mut options;
    let mut compute = ComputeOptions::new().write(writing(options)?);
    if let Some(mode) = options.take::<String>("mode")? {
        compute = compute.mode(match mode.as_str() {
            "use" => CacheMode::Use,
            "bypass" => CacheMode::Bypass,
            "refresh" => CacheMode::Refresh,
            "only" => CacheMode::Only,
            other => return Err(Refusal::fault(format!("there is no mode `{other}`"))),
        });
    }
    compute = compute.stale_if_error(options.flag("stale_if_error")?);
    compute = compute.stale_while_revalidate(options.flag("stale_while_revalidate")?);
    if let Some(age) = options.millis("max_age_ms")? {
        compute = compute.max_age(age);
    }
    if let Some(longest) = options.millis("wait_ms")? {
        compute = compute.wait(longest);
    }
    if options.flag("per_process")? {
        compute = compute.per_process();
    }
    if let Some(ttl) = ttl_of(options, "remember_failure")? {
        compute = compute.remember_failure(ttl);
    }
    if let Some(pause) = options.millis("hold_off_ms")? {
        compute = compute.hold_off(pause);
    }
    std::mem::take(options).end()?;
    Ok(compute)
}
