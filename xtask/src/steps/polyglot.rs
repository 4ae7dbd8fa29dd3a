//! Callers in every language want one result, and there is one computation; what one language invalidates, all others forget.

use serde::Deserialize;

use crate::{
    program::{self, Log, command, root},
    report::Report,
    sdk,
    steps::Outcome,
};

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
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_computations_or_a_caller_without_value_or_a_missing_language_are_found() {
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
    }
}
