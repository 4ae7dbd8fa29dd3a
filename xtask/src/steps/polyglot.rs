//! Callers in every language want one result, and there is one computation; what one language invalidates, all others forget.

use serde::Deserialize;

use crate::{
    program::{self, Log, command, root},
    report::Report,
    sdk,
    steps::Outcome,
};

/// How long after an invalidation a near cache may serve what it dropped: its bound of silence, as `docs/sdk.md` has it.
const EMPTIED_MS_MAX: u64 = 3_000;

/// What the demo prints.
#[derive(Deserialize)]
struct Herd {
    computations: u64,
    callers: u64,
    answered: u64,
    languages: Vec<String>,
    max_wait_ms: u64,
    near_emptied_ms: std::collections::BTreeMap<String, u64>,
}

/// Lets the herd loose and judges what came of it.
pub(crate) fn check(log: &Log) -> Outcome {
    log.run(&mut program::build(&["hotplate", "hotplate-demo"], &[]))?;
    let mut demo = command(root().join("target/debug/hotplate-demo"));
    let printed = log.run(demo.args(["herd", "--polyglot", "-o", "json"]))?;
    let line = printed.lines().last().unwrap_or_default();
    let herd: Herd = serde_json::from_str(line).map_err(|error| format!("`{line}` is not what came of it: {error}"))?;
    judge(&herd, sdk::all()?.len())?;
    let emptied = herd.near_emptied_ms.values().max().copied().unwrap_or_default();
    let note = format!(
        "{} callers in {}, longest wait {} ms; near caches emptied within {emptied} ms",
        herd.callers,
        herd.languages.join(", "),
        herd.max_wait_ms
    );
    Ok(Report { passed: 3, note })
}

fn judge(herd: &Herd, sdks: usize) -> Result<(), String> {
    if herd.computations != 1 {
        return Err(format!("{} computations instead of one", herd.computations));
    }
    if herd.callers < 200 || herd.answered != herd.callers {
        return Err(format!("{} of {} callers got the value", herd.answered, herd.callers));
    }
    if herd.languages.len() != sdks || herd.near_emptied_ms.len() != sdks {
        return Err(format!("{} SDKs, and {} took part", sdks, herd.languages.join(", ")));
    }
    match herd.near_emptied_ms.iter().find(|(_, took)| **took > EMPTIED_MS_MAX) {
        Some((language, took)) => Err(format!("what {language} invalidated was served for {took} ms more by another")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_computations_a_caller_without_value_a_missing_language_and_a_near_cache_that_is_late_are_found() {
        let herd = |computations, answered, languages: &[&str]| Herd {
            computations,
            callers: 200,
            answered,
            languages: languages.iter().map(|name| (*name).to_owned()).collect(),
            max_wait_ms: 2100,
            near_emptied_ms: languages.iter().map(|name| ((*name).to_owned(), 3)).collect(),
        };
        assert_eq!(judge(&herd(1, 200, &["go", "rust"]), 2), Ok(()));
        assert!(judge(&herd(2, 200, &["go", "rust"]), 2).is_err());
        assert!(judge(&herd(1, 199, &["go", "rust"]), 2).is_err());
        assert!(judge(&herd(1, 200, &["rust"]), 2).is_err());
        let mut late = herd(1, 200, &["go", "rust"]);
        late.near_emptied_ms.insert("go".to_owned(), EMPTIED_MS_MAX + 1);
        assert!(judge(&late, 2).is_err_and(|why| why.contains("go")));
    }
}
