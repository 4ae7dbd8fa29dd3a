//! An Invalidate of a tag that few entries have and of one that many have: how long the call takes, and how long it takes
//! until a watch is told. Sizes take turns.

use std::collections::BTreeMap;

use clap::Args;
use hotplate_proto::v1::{
    self, EventType, Selector, WatchContent, WatchResponse, selector::Selector as Kind, watch_response::Message,
};
use serde_json::{Value, json};
use tonic::Streaming;

use super::{Client, Server, callers, median, now, open, put, said};

const BATCH: u32 = 1000;

/// What is measured.
#[derive(Args, Clone, Debug)]
pub struct Plan {
    /// Entries that have the tag
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [10, 100_000], value_parser = clap::value_parser!(u32).range(1..=500_000))]
    sizes: Vec<u32>,
    /// Rounds in which every size has its turn
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
}

/// Measures.
///
/// # Errors
/// What could not be started or called.
pub fn run(plan: &Plan) -> Result<Value, String> {
    let server = Server::start()?;
    callers()?.block_on(async {
        let mut client = server.client().await?;
        let watching = server.client().await?;
        let mut measured: BTreeMap<u32, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
        for _ in 0..plan.rounds {
            for size in &plan.sizes {
                let (call, event) = round(&mut client, &watching, *size).await?;
                let of_size = measured.entry(*size).or_default();
                of_size.0.push(call);
                of_size.1.push(event);
            }
        }
        let row = |(size, (calls, events)): (&u32, &(Vec<f64>, Vec<f64>))| {
            json!({ "entries": size, "call_micros": median(calls), "event_micros": median(events) })
        };
        Ok(json!({ "rounds": plan.rounds, "sizes": measured.iter().map(row).collect::<Vec<_>>() }))
    })
}

/// Microseconds from the beginning of the call to its answer and to its event.
async fn round(client: &mut Client, watching: &Client, size: u32) -> Result<(f64, f64), String> {
    let tag = format!("t{size}");
    fill(client, &tag, size).await?;
    // A watch that is not read while so much is stored would lose some of it, and with it the marker.
    let stream = &mut open(watching, WatchContent::Keys).await?;
    let marker = client.put(put("marker".to_owned(), tag.as_bytes())).await.map_err(said)?.into_inner();
    told(stream, |event| {
        event.key == "marker" && marker.position.as_ref().is_some_and(|at| at.logs.first() == event.position.as_ref())
    })
    .await?;
    let selectors = vec![Selector { selector: Some(Kind::Tag(tag)) }];
    let request = v1::InvalidateRequest { selectors, ..v1::InvalidateRequest::default() };
    let begun = now();
    let call = async {
        let answer = client.invalidate(request).await.map_err(said)?.into_inner();
        Ok::<_, String>((begun.elapsed(), answer))
    };
    let event = async {
        told(stream, |event| event.r#type() == EventType::SetInvalidated).await?;
        Ok::<_, String>(begun.elapsed())
    };
    let ((call, answer), event) = tokio::try_join!(call, event)?;
    if !answer.estimated && answer.matched_count != u64::from(size) {
        return Err(format!("{} of {size} entries were dropped", answer.matched_count));
    }
    // Counting sweeps: the next round begins with an empty server.
    client.stats(v1::StatsRequest::default()).await.map_err(said)?;
    Ok((call.as_secs_f64() * 1e6, event.as_secs_f64() * 1e6))
}

async fn fill(client: &mut Client, tag: &str, size: u32) -> Result<(), String> {
    let numbers: Vec<u32> = (0..size).collect();
    for batch in numbers.chunks(BATCH as usize) {
        let item =
            |number: &u32| v1::PutRequest { tags: vec![tag.to_owned()], ..put(format!("{tag}:{number}"), &[7; 64]) };
        let request = v1::BatchPutRequest { items: batch.iter().map(item).collect(), ..Default::default() };
        client.batch_put(request).await.map_err(said)?;
    }
    Ok(())
}

/// Reads until a watch is told of what pleases.
async fn told(stream: &mut Streaming<WatchResponse>, pleases: impl Fn(&v1::WatchEvent) -> bool) -> Result<(), String> {
    loop {
        let message = stream.message().await.map_err(said)?.ok_or("the watch ended")?;
        let Some(Message::Events(events)) = message.message else { continue };
        if events.events.iter().any(&pleases) {
            return Ok(());
        }
    }
}
