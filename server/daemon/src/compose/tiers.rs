//! Makes what lies besides memory, as the settings say. What it does is not known here.

use std::{sync::Arc, time::Duration};

use hotplate_engine::{
    clock::Clock,
    compress::Compress,
    namespace::EngineConfig,
    tier::{Tiers, local::LocalTier, shared::SharedTier},
};
use hotplate_tiers::{
    codec::{Codec, CodecOptions, MemoryCodec},
    disk::{DiskOptions, DiskTier, Sync},
    guard::{GuardOptions, Guarded},
    redis::RedisTier,
};

use crate::{
    config::{DiskSync, Settings, SharedSettings, redis_options},
    serve::StartError,
};

/// The tiers that the settings name. Connects in the background.
///
/// # Errors
/// A file that cannot be read, or what cannot be used; never that something does not answer.
pub(super) fn tiers(settings: &Settings, engine: &EngineConfig, clock: &Clock) -> Result<Tiers, StartError> {
    Ok(Tiers {
        local: local(settings, clock).map_err(StartError::Tier)?,
        takes: settings.disk.write,
        shared: shared(settings, clock).map_err(StartError::Tier)?,
        memory: memory_codec(settings, engine, clock),
    })
}

/// What forces writes onto the medium by time does so within this.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);

fn local(settings: &Settings, clock: &Clock) -> Result<Option<Arc<dyn LocalTier>>, String> {
    let disk = &settings.disk;
    let Some(path) = &disk.path else { return Ok(None) };
    let options = DiskOptions {
        required: disk.required,
        entries_max: disk.entries_max as u64,
        age_max: (!disk.age_max.is_zero()).then_some(disk.age_max),
        sync: match disk.sync {
            DiskSync::Off => Sync::Off,
            DiskSync::Interval => Sync::Interval(SYNC_INTERVAL),
            DiskSync::Always => Sync::Always,
        },
        value_bytes_max: settings.limits.value_bytes_max as u64,
        ..DiskOptions::new(path, disk.bytes_max as u64)
    };
    let codec = Codec::new(codec(settings), clock.clone());
    let tier = DiskTier::open(options, codec, clock.clone()).map_err(|error| format!("disk: {error}"))?;
    Ok(Some(Guarded::local(tier, GuardOptions::local(), clock.clone())))
}

fn codec(settings: &Settings) -> CodecOptions {
    let level = i32::try_from(settings.codec.level).unwrap_or(i32::MAX);
    let (bytes_min, usual) = (settings.codec.bytes_min as u64, CodecOptions::default());
    // What lies there may have been written when more was allowed.
    let value_bytes_max = usual.value_bytes_max.max(settings.limits.value_bytes_max as u64);
    CodecOptions { level, bytes_min, value_bytes_max, ..usual }
}

/// What holds values smaller in memory, if a namespace asks for it.
fn memory_codec(settings: &Settings, engine: &EngineConfig, clock: &Clock) -> Option<Arc<dyn Compress>> {
    let asked = engine.namespaces.values().any(|namespace| namespace.compress);
    asked.then(|| MemoryCodec::new(codec(settings), clock.clone()) as Arc<dyn Compress>)
}

fn shared(all: &Settings, clock: &Clock) -> Result<Option<Arc<dyn SharedTier>>, String> {
    let Some(options) = redis_options(&all.shared).map_err(|problems| problems.join("; "))? else { return Ok(None) };
    // Its own: its dictionaries lie in Redis.
    // Values in one piece: replicas of earlier versions read no others.
    let codec = Codec::new(CodecOptions { chunks: false, ..codec(all) }, clock.clone());
    let redis = RedisTier::open(options, codec, clock.clone()).map_err(|error| format!("shared: {error}"))?;
    let SharedSettings { timeout, change_timeout, .. } = all.shared;
    let guard = GuardOptions { change_timeout, ..GuardOptions::shared(timeout) };
    Ok(Some(Guarded::shared(Arc::new(redis), guard, clock.clone())))
}
