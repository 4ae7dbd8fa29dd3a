//! Scenes that no generator plays: the Rust client's examples, which measure themselves, and a server that nobody calls.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::time::sleep;

use crate::{
    generator::Sample,
    measure::Quantity,
    peers,
    process::{Core, Process, output, resident},
    scene::Scale,
    servers::Programs,
    side::Side,
    stage::{Plan, Played, Round},
};

/// How long a server that was started is left alone before its memory is looked at.
const SETTLE: Duration = Duration::from_millis(300);
/// Starts in each round.
const STARTS: u32 = 5;
/// Tasks of the client.
const TASKS: &str = "256";

/// Many tasks of one client, each waiting for one get: hotplate's client and one connection of redis-rs, in turns.
///
/// # Errors
/// Something cannot be started, or says something else than expected.
pub(crate) async fn tasks(
    programs: &Programs,
    plan: Plan,
    folder: &Path,
    say: &dyn Fn(&str),
) -> Result<Played, String> {
    let server = programs.start_ours(Side::Ours, None, folder).await?;
    let redis = peers::start(Side::Redis, &programs.cores, folder).await?;
    let (seconds, address) = (plan.pace.seconds.to_string(), redis.target.address.trim_start_matches("redis://"));
    let mut played = Played { command: "many --tasks 256 --value-size 100".into(), ..Played::default() };
    for number in 1..=plan.rounds {
        say(&format!("round {number} of {}", plan.rounds));
        let mut many = programs.cores.command(&programs.program("examples/many"), Core::Generator);
        many.env_clear().args(["--addr", &server.target.address, "--redis", address]);
        many.args(["--tasks", TASKS, "--value-size", "100", "--seconds", &seconds, "--rounds", "1"]);
        let said = parsed(&output(&mut many).await?)?;
        let side = |key: &str| Ok::<_, String>(Sample::from([(Quantity::Throughput, number_of(&said, key)?)]));
        played.rounds.push(Round::from([(Side::Ours, side("ours")?), (Side::Redis, side("peer")?)]));
    }
    Ok(played)
}

/// Hits in the near cache of a client.
///
/// # Errors
/// As [`tasks`].
pub(crate) async fn near(programs: &Programs, plan: Plan, folder: &Path, say: &dyn Fn(&str)) -> Result<Played, String> {
    let server = programs.start_ours(Side::Ours, None, folder).await?;
    let hits = if plan.scale == Scale::Full { "1000000" } else { "1000" };
    let mut played = Played { command: format!("near_hit --hits {hits}"), ..Played::default() };
    for number in 1..=plan.rounds {
        say(&format!("round {number} of {}", plan.rounds));
        let mut near = programs.cores.command(&programs.program("examples/near_hit"), Core::Generator);
        near.env_clear().args(["--addr", &server.target.address, "--hits", hits, "-o", "json"]);
        let said = parsed(&output(&mut near).await?)?;
        let sample = Sample::from([
            (Quantity::Nanos, number_of(&said, "ns")?),
            (Quantity::Allocations, number_of(&said, "allocations")?),
        ]);
        played.rounds.push(Round::from([(Side::Ours, sample)]));
    }
    Ok(played)
}

/// A server as it comes: how long it takes to start, and its memory when nobody has called it.
///
/// # Errors
/// As [`tasks`].
pub(crate) async fn idle(programs: &Programs, plan: Plan, folder: &Path, say: &dyn Fn(&str)) -> Result<Played, String> {
    let mut played = Played { command: "hotplate serve".into(), ..Played::default() };
    let starts = plan.rounds * STARTS;
    for number in 1..=starts {
        say(&format!("start {number} of {starts}"));
        let begun = now();
        let mut server = Process::start(&mut programs.ours(), folder, "idle")?;
        server.first_line().await?;
        let millis = begun.elapsed().as_secs_f64() * 1000.0;
        sleep(SETTLE).await;
        let mib = resident(server.id())? as f64 / f64::from(1 << 20);
        let sample = Sample::from([(Quantity::Start, millis), (Quantity::Resident, mib)]);
        played.rounds.push(Round::from([(Side::Ours, sample)]));
    }
    Ok(played)
}

fn parsed(said: &str) -> Result<Value, String> {
    let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    serde_json::from_str(last).map_err(|error| format!("not JSON: {error}: {last}"))
}

fn number_of(said: &Value, key: &str) -> Result<f64, String> {
    said[key].as_f64().filter(|number| number.is_finite()).ok_or_else(|| format!("`{key}` is missing in {said}"))
}

#[expect(clippy::disallowed_methods, reason = "how long a real process takes to start is real time")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_a_program_is_what_it_says() {
        let said = parsed("warming up\n{\"ours\":5,\"peer\":2.5}\n\n").unwrap();
        assert!((number_of(&said, "peer").unwrap() - 2.5).abs() < 1e-9);
        assert!(number_of(&said, "ns").unwrap_err().contains("`ns` is missing"));
        assert!(parsed("nothing").is_err());
    }
}
