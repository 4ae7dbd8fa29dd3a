//! Regenerates the files that are made from others, or checks that they are up to date.

use std::fs;

use crate::{
    program::{self, command},
    stubs,
};

/// Pages the binary writes: the argument of `hotplate docs`, and the file.
const PAGES: [(&str, &str); 4] = [
    ("settings", "docs/settings.md"),
    ("metrics", "docs/metrics.md"),
    ("cli", "docs/cli.md"),
    ("errors", "docs/errors.md"),
];

/// Writes every generated file; with `check`, changes nothing and fails when one differs.
pub(crate) fn run(check: bool) -> Result<String, String> {
    program::run(&mut program::build(&["hotplate"], &[]))?;
    let binary = program::root().join("target/debug/hotplate");
    let mut stale = stubs::run(check)?;
    for (page, path) in PAGES {
        let wanted = program::output(command(&binary).args(["docs", page]))?;
        let file = program::root().join(path);
        if fs::read_to_string(&file).is_ok_and(|there| there == wanted) {
            continue;
        }
        stale.push(path.to_owned());
        if !check {
            fs::write(&file, wanted).map_err(|error| format!("cannot write {path}: {error}"))?;
        }
    }
    for vectors in ["tests/conformance/make_keys.py", "tests/conformance/make_vectors.py"] {
        let mut made = command("python3");
        made.arg(vectors).args(check.then_some("--check"));
        program::output(&mut made)?;
    }
    match (check, stale.is_empty()) {
        (_, true) => {
            Ok(format!("{} pages and vectors, and the stubs of four languages, are up to date", PAGES.len() + 3))
        }
        (false, false) => Ok(format!("rewritten: {}", stale.join(", "))),
        (true, false) => Err(format!("{} out of date: run `cargo x gen`", stale.join(", "))),
    }
}
