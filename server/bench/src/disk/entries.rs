//! Many small entries in the disk tier: the memory that each takes, and how long opening takes.

use std::{path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use clap::Args;
use hotplate_engine::{
    clock::Clock,
    entry::{Description, Payload},
    key::Key,
    tier::local::{HandedDown, LocalTier},
};
use serde::Serialize;

use super::{ours, said};

/// What is measured.
#[derive(Args, Clone, Debug)]
pub struct Plan {
    /// Entries
    #[arg(long, default_value_t = 1_000_000)]
    entries: usize,
    /// Bytes of a value
    #[arg(long, default_value_t = 100)]
    size: usize,
    /// Where the files are made; a directory of its own is used and removed
    #[arg(long, default_value = "target")]
    directory: PathBuf,
}

#[derive(Serialize)]
struct Measured {
    entries: u64,
    size: usize,
    bytes_on_disk: u64,
    index_bytes_per_entry: f64,
    open_ms: f64,
    open_after_crash_ms: f64,
}

/// Fills a tier and opens it again, after closing it and after a crash.
///
/// # Errors
/// The tier fails.
pub fn run(plan: &Plan) -> Result<String, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(said)?;
    let measured = runtime.block_on(measure(plan))?;
    serde_json::to_string(&measured).map_err(said)
}

async fn measure(plan: &Plan) -> Result<Measured, String> {
    let directory = tempfile::tempdir_in(&plan.directory).map_err(said)?;
    let clock = Clock::system();
    let tier = ours::open(directory.path(), &clock)?;
    let description = Arc::new(Description::default());
    let stored = clock.wall(clock.now());
    let mut kept = ours::last(&description, stored, stored + Duration::from_secs(86_400));
    for number in 0..plan.entries {
        let mut value = vec![7; plan.size];
        value[..8.min(plan.size)].copy_from_slice(&number.to_le_bytes()[..8.min(plan.size)]);
        kept.payload = Payload::Value(Bytes::from(value));
        let key = Key::new("bench", &format!("result/{number:012}")).map_err(said)?;
        while !tier.put(&key, kept.clone(), HandedDown::Written) {
            ours::written(&tier, &kept).await?;
        }
    }
    ours::written(&tier, &kept).await?;
    // Without closing: as if the process had ended.
    drop(tier);
    let crashed = reopened(&directory, &clock)?;
    let open_after_crash_ms = crashed.1;
    crashed.0.close().await;
    drop(crashed);
    let (tier, open_ms) = reopened(&directory, &clock)?;
    let state = tier.state();
    let entries = state.entries.unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    let index_bytes_per_entry = state.memory_bytes as f64 / entries.max(1) as f64;
    tier.close().await;
    Ok(Measured {
        entries,
        size: plan.size,
        bytes_on_disk: state.bytes.unwrap_or_default(),
        index_bytes_per_entry,
        open_ms,
        open_after_crash_ms,
    })
}

fn reopened(
    directory: &tempfile::TempDir,
    clock: &Clock,
) -> Result<(Arc<hotplate_tiers::disk::DiskTier>, f64), String> {
    let tier = ours::open(directory.path(), clock)?;
    let took = tier.state().recovery.unwrap_or_default();
    Ok((tier, took.as_secs_f64() * 1000.0))
}
