//! The disk tier of this project, called as the engine calls it.

use std::{path::Path, sync::Arc, time::Duration};

use hotplate_engine::{
    clock::Clock,
    entry::{Description, Payload},
    key::Key,
    tier::{
        Kept,
        local::{HandedDown, LocalTier},
    },
};
use hotplate_tiers::{
    codec::{Codec, CodecOptions},
    disk::{DiskOptions, DiskTier},
};
use sha2::Digest;

use super::{CAPACITY, Measured, Work, each, now, said};

pub(super) fn open(path: &Path, clock: &Clock) -> Result<Arc<DiskTier>, String> {
    let codec = Codec::new(CodecOptions::default(), clock.clone());
    DiskTier::open(DiskOptions::new(path, CAPACITY), codec, clock.clone()).map_err(said)
}

fn key(number: usize) -> Result<Key, String> {
    Key::new("bench", &Work::key(number)).map_err(said)
}

pub(super) async fn measure(path: &Path, work: &Work) -> Result<Measured, String> {
    let clock = Clock::system();
    let tier = open(path, &clock)?;
    // The engine knows the digest of what it hands over, and the description is shared.
    let digests: Vec<[u8; 32]> = work.values.iter().map(|value| sha2::Sha256::digest(value).into()).collect();
    let description = Arc::new(Description::default());
    let stored = clock.wall(clock.now());
    let ends = stored + Duration::from_secs(86_400);
    let begun = now();
    for (number, value) in work.values.iter().enumerate() {
        let kept = Kept {
            payload: Payload::Value(value.clone()),
            description: description.clone(),
            digest: digests[number],
            cost: Some(Duration::from_secs(1)),
            cost_measured: true,
            stored,
            fresh_until: ends,
            usable_until: ends,
            idle_ttl: None,
            refresh_ahead: None,
            marked: false,
        };
        let key = key(number)?;
        while !tier.put(&key, kept.clone(), HandedDown::Written) {
            written(&tier, &kept).await?;
        }
    }
    let any = Kept { payload: Payload::Value(Vec::new().into()), digest: [0; 32], ..last(&description, stored, ends) };
    written(&tier, &any).await?;
    let write_us = each(begun, work.values.len());
    let begun = now();
    for number in &work.order {
        let found = tier.get(&key(*number)?).await.map_err(said)?.ok_or("a value is missing")?;
        if found.value_bytes() != work.values[*number].len() as u64 {
            return Err("a value has another length".into());
        }
    }
    let read_us = each(begun, work.order.len());
    tier.close().await;
    drop(tier);
    let begun = now();
    let tier = open(path, &clock)?;
    let open_ms = each(begun, 1) / 1000.0;
    let mut found = 0;
    for number in &work.order {
        let kept = tier.get(&key(*number)?).await.map_err(said)?;
        found += usize::from(kept.is_some_and(|kept| kept.payload == Payload::Value(work.values[*number].clone())));
    }
    tier.close().await;
    Ok(Measured { write_us, read_us, open_ms, found })
}

pub(super) fn last(description: &Arc<Description>, stored: Duration, ends: Duration) -> Kept {
    Kept {
        payload: Payload::Value(Vec::new().into()),
        description: description.clone(),
        digest: [0; 32],
        cost: None,
        cost_measured: false,
        stored,
        fresh_until: ends,
        usable_until: ends,
        idle_ttl: None,
        refresh_ahead: None,
        marked: false,
    }
}

/// Waits until all before is written: what is forgotten last is written last.
pub(super) async fn written(tier: &DiskTier, any: &Kept) -> Result<(), String> {
    let key = Key::new("bench", "the last one").map_err(said)?;
    tier.put(&key, Kept { payload: Payload::Value(Vec::new().into()), ..any.clone() }, HandedDown::Written);
    tier.forget(&key);
    tier.settled().await.map_err(said)
}
