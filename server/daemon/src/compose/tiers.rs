//! Makes what lies besides memory, as the settings say. What it does is not known here.

use std::{fs, path::Path, sync::Arc};

use hotplate_engine::{
    clock::Clock,
    tier::{Tiers, shared::SharedTier},
};
use hotplate_tiers::{
    codec::{Codec, CodecOptions},
    guard::{GuardOptions, Guarded},
    redis::{RedisOptions, RedisTier, RedisUrl},
};

use crate::{
    config::{Settings, SharedSettings},
    serve::StartError,
};

/// The tiers that the settings name. Connects in the background.
///
/// # Errors
/// A file that cannot be read, or what cannot be used; never that something does not answer.
pub(super) fn tiers(settings: &Settings, clock: &Clock) -> Result<Tiers, StartError> {
    Ok(Tiers { shared: shared(&settings.shared, clock).map_err(StartError::Tier)?, ..Tiers::default() })
}

fn shared(settings: &SharedSettings, clock: &Clock) -> Result<Option<Arc<dyn SharedTier>>, String> {
    if settings.url.is_empty() {
        return Ok(None);
    }
    let read = |setting: &str, path: &Path| {
        fs::read(path).map_err(|error| format!("shared.{setting} {}: {error}", path.display()))
    };
    let line = |setting: &str, path: &Path| {
        let text = String::from_utf8(read(setting, path)?);
        let text = text.map_err(|_not_text| format!("shared.{setting} {} is no text", path.display()))?;
        Ok::<_, String>(text.trim_end_matches(['\r', '\n']).to_owned())
    };
    let options = RedisOptions {
        url: RedisUrl::parse(&settings.url).map_err(|error| format!("shared.url: {error}"))?,
        username: settings.username_file.as_deref().map(|path| line("username_file", path)).transpose()?,
        password: settings.password_file.as_deref().map(|path| line("password_file", path)).transpose()?,
        authorities: settings.ca_file.as_deref().map(|path| read("ca_file", path)).transpose()?,
        prefix: settings.prefix.clone(),
        value_bytes_max: settings.value_bytes_max as u64,
    };
    // Every server must be able to read what one wrote: dictionaries are of one machine.
    let codec = Codec::new(CodecOptions { dictionaries: false, ..CodecOptions::default() }, clock.clone());
    let redis = RedisTier::open(options, codec, clock.clone()).map_err(|error| format!("shared: {error}"))?;
    Ok(Some(Guarded::shared(Arc::new(redis), GuardOptions::shared(settings.timeout), clock.clone())))
}
