//! How much smaller records become, and how long that takes: `cargo run --release -p hotplate-tiers --example codec`.
//!
//! Texts are paragraphs of this project's own documentation, numbers are made up; the same in every run. Times are of one
//! thread, without what the engine does around it.

#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::{error::Error, fs, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use hotplate_engine::{
    clock::Clock,
    entry::{Description, Payload},
    key::Key,
    tier::Kept,
};
use hotplate_tiers::codec::{Codec, CodecOptions};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use sha2::{Digest, Sha256};

/// Bytes of each payload that are written and read.
const BYTES: usize = 24 << 20;
/// Values that a dictionary is trained from.
const SAMPLES: usize = 2000;

fn main() -> Result<(), Box<dyn Error>> {
    let paragraphs = paragraphs()?;
    println!(
        "| payload (mean bytes) | head | ratio | MB/s in | MB/s out | ratio with dictionary | MB/s in | MB/s out |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let random = &mut StdRng::seed_from_u64(1);
    row("LLM chat JSON", &mut || chat(random, &paragraphs))?;
    row("prediction JSON", &mut || prediction(random))?;
    row("embedding as JSON", &mut || embedding(random))?;
    row("embedding as f32", &mut || floats(random))
}

fn row(name: &str, make: &mut dyn FnMut() -> Vec<u8>) -> Result<(), Box<dyn Error>> {
    let mut values = Vec::new();
    let mut bytes = 0;
    while bytes < BYTES {
        let value = Bytes::from(make());
        bytes += value.len();
        values.push(kept(value));
    }
    let mean = bytes / values.len();
    let alone = run(&values, None)?;
    print!("| {name} ({mean}) | {} | {}", alone.head, alone.columns());
    if mean > 4 << 10 {
        println!(" | - | - | - |");
        return Ok(());
    }
    let samples: Vec<_> = values.iter().take(SAMPLES).map(value).collect();
    let dictionary = zstd::dict::from_samples(&samples, 32 << 10)?;
    println!(" | {} |", run(&values[values.len().min(SAMPLES)..], Some(&dictionary))?.columns());
    Ok(())
}

/// What a run came to.
struct Run {
    head: usize,
    ratio: f64,
    into: f64,
    /// `None`: nothing was compressed.
    out: Option<f64>,
}

impl Run {
    fn columns(&self) -> String {
        let out = self.out.map_or_else(|| "-".to_owned(), |out| format!("{out:.0}"));
        format!("{:.2} | {:.0} | {out}", self.ratio, self.into)
    }
}

fn run(values: &[Kept], dictionary: Option<&[u8]>) -> Result<Run, Box<dyn Error>> {
    let dictionaries = dictionary.is_some();
    let codec = Codec::new(CodecOptions { bytes_min: 128, dictionaries, ..CodecOptions::default() }, Clock::system());
    let key = Key::new("bench", "a key of some length")?;
    if let Some(dictionary) = dictionary {
        codec.adopt(key.namespace(), dictionary);
    }
    let (mut records, mut head) = (Vec::new(), 0);
    for kept in values {
        let encoded = codec.encode(&key, kept)?;
        head = encoded.head.len();
        records.push(encoded.to_bytes());
    }
    for (record, kept) in records.into_iter().zip(values) {
        if codec.decode(record)?.kept != *kept {
            return Err("what came out is not what went in".into());
        }
    }
    let state = codec.state();
    let rate = |time: Duration| state.raw_bytes as f64 / 1e6 / time.as_secs_f64().max(1e-9);
    let ratio = state.stored_bytes as f64 / state.raw_bytes as f64;
    let out = (state.compressed > 0).then(|| rate(state.decompressing));
    Ok(Run { head, ratio, into: rate(state.compressing), out })
}

fn kept(value: Bytes) -> Kept {
    Kept {
        digest: Sha256::digest(&value).into(),
        payload: Payload::Value(value),
        description: Arc::new(Description { kind: "bench".into(), ..Description::default() }),
        cost: Some(Duration::from_millis(800)),
        cost_measured: true,
        stored: Duration::from_secs(1_750_000_000),
        fresh_until: Duration::from_secs(1_750_003_600),
        usable_until: Duration::from_secs(1_750_003_600),
        idle_ttl: None,
        refresh_ahead: None,
        marked: false,
    }
}

fn value(kept: &Kept) -> Vec<u8> {
    if let Payload::Value(value) = &kept.payload { value.to_vec() } else { Vec::new() }
}

fn paragraphs() -> Result<Vec<String>, Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let mut files: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    files.sort_by_key(fs::DirEntry::path);
    let mut paragraphs = Vec::new();
    for file in files.iter().filter(|file| file.path().extension().is_some_and(|ending| ending == "md")) {
        let text = fs::read_to_string(file.path())?;
        paragraphs.extend(text.split("\n\n").filter(|part| (200..1500).contains(&part.len())).map(str::to_owned));
    }
    Ok(paragraphs)
}

fn chat(random: &mut StdRng, paragraphs: &[String]) -> Vec<u8> {
    let mut say = || &paragraphs[random.random_range(0..paragraphs.len())];
    let (asked, answered) = (say().clone(), format!("{}\n\n{}", say(), say()));
    let (id, tokens): (u64, u16) = (random.random(), random.random());
    serde_json::json!({
        "id": format!("chatcmpl-{id:016x}"), "object": "chat.completion", "created": 1_750_000_000 + u64::from(tokens),
        "model": "some-model-large-2025", "choices": [{"index": 0, "finish_reason": "stop", "logprobs": null,
        "message": {"role": "assistant", "content": answered, "refusal": null}}], "prompt": asked,
        "usage": {"prompt_tokens": tokens / 7, "completion_tokens": tokens / 5, "total_tokens": tokens},
    })
    .to_string()
    .into_bytes()
}

fn prediction(random: &mut StdRng) -> Vec<u8> {
    let label = ["positive", "negative", "neutral"][random.random_range(0..3)];
    let (id, score): (u32, f64) = (random.random(), random.random());
    let features: Vec<f64> = (0..6).map(|_| (random.random::<f64>() * 1e4).round() / 1e4).collect();
    serde_json::json!({"model": "fraud-v3", "id": id, "label": label, "score": score, "features": features,
        "threshold": 0.5, "explanation": null})
    .to_string()
    .into_bytes()
}

fn embedding(random: &mut StdRng) -> Vec<u8> {
    let numbers: Vec<f64> = (0..1536).map(|_| random.random::<f64>() * 0.1 - 0.05).collect();
    serde_json::json!({"object": "embedding", "index": 0, "embedding": numbers}).to_string().into_bytes()
}

fn floats(random: &mut StdRng) -> Vec<u8> {
    (0..1536).flat_map(|_| (random.random::<f32>() * 0.1 - 0.05).to_le_bytes()).collect()
}
