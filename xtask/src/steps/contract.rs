//! The contract: style, format, and no change that breaks an existing client.

use std::fs;

use crate::{
    program::{self, Log, command, root},
    report::Report,
    steps::Outcome,
};

/// Lints, checks the format, and compares with the contract of the main branch.
pub(crate) fn check(log: &Log) -> Outcome {
    let buf = || command(program::python("buf"));
    log.run(buf().args(["lint", "proto"]))?;
    log.run(buf().args(["format", "proto", "--diff", "--exit-code"]))?;
    let (commit, what) = match base() {
        Some(found) => found,
        None => return Ok(Report { passed: 2, note: "breaking: no commit to compare with".into() }),
    };
    let against = root().join("target/ci/contract");
    extract(&commit, &against)?;
    let against = against.join("proto");
    if !against.exists() {
        return Ok(Report { passed: 2, note: format!("breaking: {what} has no contract yet") });
    }
    log.run(buf().args(["breaking", "proto", "--against"]).arg(&against))?;
    Ok(Report { passed: 3, note: format!("breaking: compared with {what}") })
}

/// The commit to compare with, and how to call it. The main branch, unless that is what is checked out: then the
/// commit before, and in a copy without history the commit itself, against which only uncommitted changes show.
fn base() -> Option<(String, &'static str)> {
    let commit = |name: &str| {
        let name = format!("{name}^{{commit}}");
        program::output(command("git").args(["rev-parse", "--verify", "--quiet", &name])).ok()
    };
    let head = commit("HEAD")?;
    let main = [("origin/main", "origin/main"), ("main", "the branch main")];
    let other = main.into_iter().find_map(|(name, what)| Some((commit(name)?, what)).filter(|(id, _)| *id != head));
    let found = other.or_else(|| Some((commit("HEAD~1")?, "the commit before this one")));
    let (id, what) = found.unwrap_or((head, "this commit itself, for there is no history"));
    Some((id.trim().to_owned(), what))
}

fn extract(commit: &str, to: &std::path::Path) -> Result<(), String> {
    let fail = |error: std::io::Error| format!("cannot prepare {}: {error}", to.display());
    if to.exists() {
        fs::remove_dir_all(to).map_err(fail)?;
    }
    fs::create_dir_all(to).map_err(fail)?;
    let listed = program::output(command("git").args(["ls-tree", "--name-only", commit, "proto"]))?;
    if listed.trim().is_empty() {
        return Ok(());
    }
    let archive = to.join("proto.tar");
    program::output(command("git").args(["archive", "--output"]).arg(&archive).args([commit, "proto"]))?;
    program::output(command("tar").arg("-xf").arg(&archive).arg("-C").arg(to)).map(drop)
}
