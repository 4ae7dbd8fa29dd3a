//! Watches: opened lazily, read item by item.

use std::{collections::VecDeque, time::Duration};

use hotplate::{Error, Namespace, Raw, Watch, WatchItem, v1};
use serde_json::{Value, json};

use crate::{answer::Outcome, arguments::Arguments, codec::Named, options::selectors, value, world::World};

use super::plain;

/// A watch with what was told and not asked for yet.
pub(crate) struct Watching {
    watch: Watch,
    told: VecDeque<Value>,
}

pub(super) fn open(world: &World, mut arguments: Arguments) -> Outcome {
    let space = world.space(&mut arguments)?;
    let name: String = arguments.need("watch")?;
    let watch = follow(&space, &mut arguments)?;
    arguments.end()?;
    world.watch(name, Watching { watch, told: VecDeque::new() });
    Ok(json!({}))
}

fn follow(space: &Namespace<Named>, arguments: &mut Arguments) -> Outcome<Watch> {
    let mut watch = selectors(arguments)?.into_iter().fold(space.codec(Raw).watch(), Watch::selector);
    if arguments.flag("include_present")? {
        watch = watch.include_present();
    }
    if arguments.flag("values")? {
        watch = watch.content(v1::WatchContent::Values);
    }
    if arguments.flag("exclude_own")? {
        watch = watch.exclude_own();
    }
    if let Some(token) = arguments.take::<String>("resume")? {
        watch = watch.resume(value::base64(&token)?);
    }
    if let Some(interval) = arguments.millis("progress_interval_ms")? {
        watch = watch.progress_interval(interval)?;
    }
    Ok(watch)
}

pub(super) async fn next(world: &World, mut arguments: Arguments) -> Outcome {
    let name: String = arguments.need("watch")?;
    let count: usize = arguments.take("count")?.unwrap_or(1);
    let within = arguments.millis("within_ms")?.unwrap_or(Duration::from_secs(10));
    let progress = arguments.flag("progress")?;
    arguments.end()?;
    let watching = world.watching(&name)?;
    let mut watching = watching.lock().await;
    let timed = tokio::time::timeout(within, watching.fill(count, progress)).await;
    if let Ok(Err(error)) = timed {
        return Err(error.into());
    }
    let items: Vec<Value> = (0..count).map_while(|_| watching.told.pop_front()).collect();
    Ok(json!({ "items": items, "resume_token": value::to_base64(watching.watch.resume_token()) }))
}

pub(super) fn close(world: &World, mut arguments: Arguments) -> Outcome {
    let name: String = arguments.need("watch")?;
    arguments.end()?;
    world.unwatch(&name);
    Ok(json!({}))
}

impl Watching {
    /// Until so many are there, or the watch has ended.
    async fn fill(&mut self, count: usize, progress: bool) -> Result<(), Error> {
        while self.told.len() < count {
            match self.watch.next().await {
                Some(item) => self.told.extend(items(item?, progress)),
                None => return Ok(()),
            }
        }
        Ok(())
    }
}

fn items(item: WatchItem, progress: bool) -> Vec<Value> {
    match item {
        WatchItem::Created(_) => vec![bare("created")],
        WatchItem::Present(entries) => entries.iter().map(|entry| told("present", &entry.key, Some(entry))).collect(),
        WatchItem::Synced => vec![bare("synced")],
        WatchItem::Events(events) => events.iter().map(event).collect(),
        WatchItem::Progress(_) if !progress => Vec::new(),
        WatchItem::Progress(_) => vec![bare("progress")],
        WatchItem::Discontinuity(reason) => {
            let mut item = bare("discontinuity");
            item["reason"] = plain(reason.as_str_name(), "DISCONTINUITY_REASON_").into();
            vec![item]
        }
        WatchItem::Lost(error) => {
            let mut item = bare("lost");
            item["reason"] = error.kind.name().into();
            vec![item]
        }
        _ => Vec::new(),
    }
}

fn bare(kind: &str) -> Value {
    json!({ "type": kind, "key": null, "selector": null, "value": null, "reason": null })
}

fn told(kind: &str, key: &str, entry: Option<&v1::Entry>) -> Value {
    let mut item = bare(kind);
    item["key"] = key.into();
    item["value"] = entry.map_or(Value::Null, entry_value);
    item
}

fn event(event: &v1::WatchEvent) -> Value {
    let kind = plain(event.r#type().as_str_name(), "EVENT_TYPE_");
    let mut item = told(&kind, &event.key, event.entry.as_ref());
    if event.key.is_empty() {
        item["key"] = Value::Null;
    }
    item["selector"] = event.selector.as_ref().map_or(Value::Null, selector);
    item["reason"] =
        Some(&event.reason).filter(|reason| !reason.is_empty()).map_or(Value::Null, |reason| (**reason).into());
    item
}

/// The value as the codec that wrote it reads it, where that is one that the driver has.
fn entry_value(entry: &v1::Entry) -> Value {
    let Some(v1::entry::Payload::Value(bytes)) = &entry.payload else { return Value::Null };
    let content_type = entry.metadata.as_ref().map(|metadata| metadata.content_type.as_str()).unwrap_or_default();
    let codec = match content_type {
        "application/json" => Named::Json,
        "application/msgpack" => Named::MessagePack,
        _ => Named::Raw,
    };
    hotplate::conformance::decode(&codec, content_type, "", bytes.clone())
        .unwrap_or_else(|_other| value::of_bytes(bytes))
}

fn selector(selector: &v1::Selector) -> Value {
    use v1::selector::Selector;
    match &selector.selector {
        Some(Selector::Key(key)) => json!({ "key": key }),
        Some(Selector::Prefix(prefix)) => json!({ "prefix": prefix }),
        Some(Selector::Glob(glob)) => json!({ "glob": glob }),
        Some(Selector::Tag(tag)) => json!({ "tag": tag }),
        Some(Selector::AllTags(set)) => json!({ "all_tags": set.tags }),
        Some(Selector::Kind(kind)) => json!({ "kind": kind }),
        Some(Selector::DependentsOf(name)) => json!({ "dependents_of": name }),
        Some(Selector::Everything(all)) => json!({ "everything": all }),
        None => Value::Null,
    }
}
