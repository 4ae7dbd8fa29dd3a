//! Scenarios are carried out against a real server by the driver of the Rust client: a right one passes, and each wrong one
//! is found by the scenarios that are there for it. Uses the programs that were built beside this test.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use hotplate_conformance::{
    load,
    sdk::{Places, Sdk},
    suite::{ANSWERS, LIVES, Row, Suite},
    wrong::Wrong,
};

/// How long a scenario that waits for what never comes may take here.
const WITHIN_MS: u64 = 10_000;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository")
}

/// A program of the workspace, which `cargo test --workspace` builds.
fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("this test is a program");
    let built = own.ancestors().nth(2).expect("it lies in the folder of what was built").join(name);
    assert!(built.is_file(), "{} is not built: run `cargo test --workspace`", built.display());
    built
}

async fn rows(wrong: Option<Wrong>, globs: &[&str]) -> Vec<Row> {
    let root = root();
    let globs: Vec<_> = globs.iter().map(|glob| (*glob).to_owned()).collect();
    let mut scenarios = load::chosen(load::all(&root).expect("scenarios"), &globs).expect("there are some");
    scenarios.iter_mut().for_each(|scenario| scenario.within_ms = scenario.within_ms.min(WITHIN_MS));
    let driver = vec![program("hotplate-driver").display().to_string()];
    let places = Places { tools: root.join("target/tools"), server: program("hotplate"), root: root.clone() };
    let languages = vec![Sdk::ready("rust", root, driver)];
    let suite = Suite { places, languages, scenarios, at_once: 4, languages_at_once: 1, wrong };
    suite.run(&|_row| {}).await.expect("the server starts")
}

/// The scenarios that fail; all others pass.
async fn failing(wrong: Wrong, globs: &[&str]) -> BTreeSet<String> {
    let rows = rows(Some(wrong), globs).await;
    rows.into_iter().filter(|row| !row.pass).map(|row| row.scenario).collect()
}

fn named(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

const STALE: &str = "basics/what was removed is gone";
const ONCE: &str = "compute/what is missing is computed and stored";
const READ: &str = "basics/a value that was put is read again";
const REASON: &str = "errors/BAD_KEY";
const TOUCH: &str = "touch/what is not there cannot be touched";
const KEYS: &str = "vectors/keys";
const CHOSEN: [&str; 6] = [STALE, ONCE, READ, REASON, TOUCH, KEYS];

#[tokio::test(flavor = "multi_thread")]
async fn a_right_driver_passes() {
    let rows = rows(None, &CHOSEN).await;
    let wrong: Vec<_> = rows.iter().filter(|row| !row.pass).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(rows.len(), CHOSEN.len() + 4, "each scenario, and how the driver begins, lives, speaks and ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_wrong_driver_is_found_by_what_is_there_for_it() {
    for (wrong, found) in [
        (Wrong::DropsInvalidations, named(&[STALE])),
        (Wrong::ComputesTwice, named(&[ONCE])),
        (Wrong::AnswersOtherValues, named(&[READ, ONCE])),
        (Wrong::AnswersOtherReasons, named(&[REASON])),
        (Wrong::ClaimsNearHits, named(&[READ])),
    ] {
        assert_eq!(failing(wrong, &CHOSEN).await, found, "{wrong:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_that_does_not_answer_fails_what_waits_for_it_and_nothing_else() {
    let failed = failing(Wrong::NeverAnswers, &[READ, TOUCH, KEYS]).await;
    assert_eq!(failed, named(&[READ, TOUCH]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_that_dies_fails_the_scenario_that_killed_it_and_is_started_anew() {
    let rows = rows(Some(Wrong::Dies), &[READ, TOUCH, KEYS]).await;
    let failed: Vec<_> = rows.iter().filter(|row| !row.pass).collect();
    let [touch, lives] = failed[..] else { panic!("{failed:#?}") };
    assert!(touch.scenario == TOUCH && touch.detail.contains("gone"), "{touch:#?}");
    assert!(lives.scenario == LIVES && lives.detail.starts_with("2 times it died"), "{lives:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_that_dies_beside_others_only_is_found_although_each_passes_alone() {
    let rows = rows(Some(Wrong::DiesInCompany), &[READ, TOUCH, ONCE]).await;
    let failed: Vec<_> = rows.iter().filter(|row| !row.pass).collect();
    assert!(matches!(failed[..], [row] if row.scenario == LIVES), "{failed:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_that_answers_twice_is_found() {
    assert_eq!(failing(Wrong::AnswersTwice, &[READ]).await, named(&[ANSWERS]));
}
