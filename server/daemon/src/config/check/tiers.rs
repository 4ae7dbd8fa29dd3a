//! What must hold of the tiers beside memory, and what is only worth a warning. Looks at files and directories, and changes
//! none.

use std::fs;

use hotplate_engine::namespace::Coherence;

use super::super::{
    redis::redis_options,
    shape::{DiskSettings, Settings},
};

/// Where nothing can be kept.
const OF_THE_SYSTEM: [&str; 3] = ["/proc", "/sys", "/dev"];

/// What a start would refuse, or what cannot work.
pub(super) fn tiers(settings: &Settings, found: &mut Vec<String>) {
    if let Err(problems) = redis_options(&settings.shared) {
        found.extend(problems);
    }
    found.extend(foreign(&settings.disk));
    if settings.disk.required {
        let unusable = unusable(&settings.disk);
        found.extend(unusable.map(|problem| format!("{problem}; disk.required = false starts without it")));
    }
    let (disk, shared) = (settings.disk.path.is_some(), !settings.shared.url.is_empty());
    if settings.memory.entries_max == 0 && !disk && !shared {
        found.push(
            "memory.entries_max is 0, and there is neither disk.path nor shared.url: nothing could be kept".into(),
        );
    }
    for (name, own) in &settings.namespaces.configured {
        let tiers = own.tiers.as_ref();
        let missing = [
            ("the disk, and disk.path", tiers.is_some_and(|tiers| tiers.disk) && !disk),
            ("what servers share, and shared.url", tiers.is_some_and(|tiers| tiers.shared) && !shared),
        ];
        for (what, _) in missing.into_iter().filter(|(_, missing)| *missing) {
            found.push(format!("namespaces.{name}.tiers names {what} is not set"));
        }
        let strict = own.coherence == Some(Coherence::Strict);
        if strict && !shared {
            found.push(format!(
                "namespaces.{name}.coherence is `strict`, and shared.url is not set: no others are heard"
            ));
        } else if strict && tiers.is_some_and(|tiers| !tiers.shared) {
            found.push(format!("namespaces.{name}.coherence is `strict`, and its tiers leave out what servers share"));
        }
    }
}

/// What has no effect, or none as long as it is so.
pub(super) fn warnings(settings: &Settings, found: &mut Vec<String>) {
    if !settings.disk.required {
        found.extend(unusable(&settings.disk));
    }
    let beside = settings.disk.path.is_some() || !settings.shared.url.is_empty();
    if beside && settings.snapshot.path.is_some() {
        found.push("snapshot.path is not used: the tiers beside memory keep what a restart needs".to_owned());
    }
    let shared = &settings.shared;
    if shared.ca_file.is_some() && !shared.url.starts_with("rediss") {
        found.push("shared.ca_file is not used: TLS is written rediss:// in shared.url".to_owned());
    }
}

/// A directory of somebody else, which is never used.
fn foreign(settings: &DiskSettings) -> Option<String> {
    let path = settings.path.as_deref().filter(|path| hotplate_tiers::disk::is_foreign(path))?;
    Some(format!("disk.path {} is not empty and not a cache's: name an empty or new directory", path.display()))
}

/// Why a directory cannot be used at present, as far as looking tells.
fn unusable(settings: &DiskSettings) -> Option<String> {
    let path = settings.path.as_deref()?;
    let shown = format!("disk.path {}", path.display());
    if let Some(place) = OF_THE_SYSTEM.into_iter().find(|place| path.starts_with(place)) {
        return Some(format!("{shown} is below {place}, where nothing can be kept"));
    }
    match fs::metadata(path) {
        Ok(facts) if !facts.is_dir() => Some(format!("{shown} is a file, and no directory")),
        Ok(_) => fs::read_dir(path).err().map(|error| format!("{shown} cannot be read: {error}")),
        Err(_missing) => {
            // It is made at the start, below the first that is there.
            let above = path.ancestors().skip(1).find_map(|above| Some((above, fs::metadata(above).ok()?)));
            let (above, _) = above.filter(|(_, facts)| !facts.is_dir())?;
            Some(format!("{shown} cannot be made: {} is a file, and no directory", above.display()))
        }
    }
}
