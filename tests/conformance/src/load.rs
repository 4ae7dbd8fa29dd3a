//! Where scenarios come from: the files in `scenarios`, the vectors, and the table of error reasons.

use std::{
    fs,
    path::{Path, PathBuf},
};

use globset::{GlobBuilder, GlobMatcher};

use crate::{scenario::Scenario, vectors};

/// All scenarios, named `FILE/NAME`, in the order of files and within them.
///
/// # Errors
/// A file that cannot be read, two scenarios of one name.
pub fn all(root: &Path) -> Result<Vec<Scenario>, String> {
    let folder = root.join("tests/conformance");
    let mut scenarios = Vec::new();
    for file in files(&folder.join("scenarios"))? {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        for scenario in read(&file)? {
            scenarios.push(Scenario { name: format!("{stem}/{}", scenario.name), ..scenario });
        }
    }
    scenarios.extend(vectors::all(&folder)?);
    scenarios.extend(vectors::reasons(&root.join("docs/errors.md"))?);
    let mut names: Vec<_> = scenarios.iter().map(|scenario| &scenario.name).collect();
    names.sort();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("two scenarios are named `{}`", pair[0])),
        None => Ok(scenarios),
    }
}

/// Those that any of the globs names, by all of their name or by their file.
///
/// # Errors
/// A glob that does not parse, or names none.
pub fn chosen(scenarios: Vec<Scenario>, globs: &[String]) -> Result<Vec<Scenario>, String> {
    if globs.is_empty() {
        return Ok(scenarios);
    }
    let matchers = globs.iter().map(|glob| matcher(glob)).collect::<Result<Vec<_>, _>>()?;
    for (glob, matcher) in globs.iter().zip(&matchers) {
        if !scenarios.iter().any(|scenario| names(matcher, scenario)) {
            return Err(format!("no scenario is named like `{glob}`: --list shows them"));
        }
    }
    Ok(scenarios.into_iter().filter(|scenario| matchers.iter().any(|matcher| names(matcher, scenario))).collect())
}

fn matcher(glob: &str) -> Result<GlobMatcher, String> {
    let parsed = GlobBuilder::new(glob).literal_separator(false).build();
    parsed.map(|glob| glob.compile_matcher()).map_err(|error| format!("`{glob}`: {error}"))
}

fn names(matcher: &GlobMatcher, scenario: &Scenario) -> bool {
    let file = scenario.name.split('/').next().unwrap_or_default();
    matcher.is_match(&scenario.name) || matcher.is_match(file)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let unreadable = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut files = Vec::new();
    for file in fs::read_dir(folder).map_err(unreadable)? {
        let path = file.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(file: &Path) -> Result<Vec<Scenario>, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    // `y` and `no` are names here, as in YAML 1.2.
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(&text, options).map_err(|error| format!("{}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenarios(names: &[&str]) -> Vec<Scenario> {
        names.iter().map(|name| Scenario { name: (*name).to_owned(), ..Scenario::default() }).collect()
    }

    fn found(globs: &[&str]) -> Result<Vec<String>, String> {
        let globs: Vec<_> = globs.iter().map(|glob| (*glob).to_owned()).collect();
        let chosen = chosen(scenarios(&["near/a b", "near/c", "errors/BAD_KEY"]), &globs)?;
        Ok(chosen.into_iter().map(|scenario| scenario.name).collect())
    }

    #[test]
    fn scenarios_are_chosen_by_file_and_by_name() {
        assert_eq!(found(&["near"]), Ok(vec!["near/a b".to_owned(), "near/c".to_owned()]));
        assert_eq!(found(&["*KEY", "near/c"]), Ok(vec!["near/c".to_owned(), "errors/BAD_KEY".to_owned()]));
        assert_eq!(found(&[]).map(|names| names.len()), Ok(3));
        assert!(found(&["near", "far"]).is_err_and(|why| why.contains("`far`")), "a glob that names none is a mistake");
    }
}
