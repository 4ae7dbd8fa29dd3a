//! foyer's hybrid cache with as little memory as it takes, so that reads come from its disk.

use std::path::Path;

use foyer::{
    BlockEngineConfig, DeviceBuilder, FsDeviceBuilder, HybridCache, HybridCacheBuilder, HybridCachePolicy,
    PsyncIoEngineConfig,
};

use super::{CAPACITY, Measured, Work, each, now, said};

type Cache = HybridCache<String, Vec<u8>>;

async fn open(path: &Path) -> Result<Cache, String> {
    let capacity = usize::try_from(CAPACITY).map_err(said)?;
    let device = FsDeviceBuilder::new(path).with_capacity(capacity).build().map_err(said)?;
    let builder = HybridCacheBuilder::new().with_policy(HybridCachePolicy::WriteOnInsertion).memory(1);
    let storage = builder.with_weighter(|_, value: &Vec<u8>| value.len()).storage();
    let storage = storage.with_io_engine_config(PsyncIoEngineConfig::new());
    storage.with_engine_config(BlockEngineConfig::new(device)).build().await.map_err(said)
}

pub(super) async fn measure(path: &Path, work: &Work) -> Result<Measured, String> {
    let cache = open(path).await?;
    let begun = now();
    for (number, value) in work.values.iter().enumerate() {
        drop(cache.insert(Work::key(number), value.to_vec()));
        // What does not fit into its queue is dropped without a word: it is given time to write.
        if number % 64 == 63 {
            cache.storage().wait().await;
        }
    }
    cache.storage().wait().await;
    let write_us = each(begun, work.values.len());
    let begun = now();
    let mut read = 0;
    for number in &work.order {
        let found = cache.get(&Work::key(*number)).await.map_err(said)?;
        read += usize::from(found.is_some_and(|entry| entry.value().len() == work.values[*number].len()));
    }
    let read_us = each(begun, read);
    cache.close().await.map_err(said)?;
    drop(cache);
    let begun = now();
    let cache = open(path).await?;
    let open_ms = each(begun, 1) / 1000.0;
    let mut found = 0;
    for number in &work.order {
        let entry = cache.get(&Work::key(*number)).await.map_err(said)?;
        found += usize::from(entry.is_some_and(|entry| entry.value()[..] == work.values[*number][..]));
    }
    cache.close().await.map_err(said)?;
    Ok(Measured { write_us, read_us, open_ms, found })
}
