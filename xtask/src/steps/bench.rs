//! The benches still measure: one small trace, beside a number that was measured before, and a moment of every row of the
//! comparison. Replays are deterministic, so a policy that has become worse is found here; a server that has become slower
//! is not.

use std::process::Command;

use crate::{
    bench,
    program::{Log, root},
    report::Report,
    steps::Outcome,
};

/// The trace of the smoke run.
const TRACE: &str = "cache2k-web12";
/// How far a hit ratio may be from what was recorded.
const TOLERANCE: f64 = 0.005;
/// Hit ratios of `hotplate/cost_aware` on the trace with 16 shards, by size. Record new ones when the policy changes on
/// purpose: `cargo x bench hit-ratio --only cache2k-web12 --policies cost_aware --sizes 0.05,0.2 -o json`.
const RECORDED: [(&str, f64); 2] = [("0.05", 0.655_2), ("0.2", 0.777_8)];
/// The keys of a row, in order.
const KEYS: [&str; 6] = ["trace", "size", "cache", "hit_ratio", "byte_hit_ratio", "cost_saved"];

/// Replays the trace with every cache in a debug build, and compares.
pub(crate) fn check(log: &Log) -> Outcome {
    let sizes: Vec<&str> = RECORDED.iter().map(|recorded| recorded.0).collect();
    let mut replay = Command::new(bench::built("hit_ratio", "dev")?);
    replay.args(["--traces", "server/bench/traces", "--only", TRACE, "--sizes", &sizes.join(","), "-o", "json"]);
    let rows = rows(&log.run(replay.current_dir(root()))?)?;
    let mut best = Vec::new();
    for (size, recorded) in RECORDED {
        let ratio = |cache: &str| hit_ratio(&rows, size, cache);
        let ours = ratio("hotplate/cost_aware")?;
        if (ours - recorded).abs() > TOLERANCE {
            return Err(format!("hit ratio at {size} is {ours:.4}, recorded was {recorded:.4}").into());
        }
        let lru = ratio("lru")?;
        if ours <= lru {
            return Err(format!("hit ratio at {size} is {ours:.4}, no better than LRU's {lru:.4}").into());
        }
        best.push(format!("{ours:.3}"));
    }
    let compared = compared(log)?;
    let passed = u64::try_from(rows.len() + compared).unwrap_or_default();
    let hits = best.join(" and ");
    Ok(Report {
        passed,
        note: format!("{} rows; cost_aware hits {hits} of {TRACE}; {compared} rows compared", rows.len()),
    })
}

/// Measures every row of the comparison for a moment, in a debug build: each has to be there with all its numbers, whatever
/// they are.
fn compared(log: &Log) -> Result<usize, String> {
    let mut compare = bench::compare::built(true)?;
    let text = log.run(compare.args(["--quick", "-o", "json"]))?;
    match compared_rows(&text) {
        0 => Err("the comparison has no row".into()),
        rows => Ok(rows),
    }
}

/// Rows among what the comparison said on its way. It fails when one of them was not measured.
fn compared_rows(output: &str) -> usize {
    output.lines().filter(|line| line.starts_with("{\"measure\":")).count()
}

/// A row: the values of [`KEYS`] as they are written.
type Row = Vec<String>;

/// The rows of a JSON array with one row a line; every row has exactly the keys.
fn rows(output: &str) -> Result<Vec<Row>, String> {
    let lines: Vec<&str> = output.lines().map(|line| line.trim_end_matches(',')).collect();
    let (Some(&"["), Some(&"]")) = (lines.first(), lines.last()) else {
        return Err("the output is not a JSON array and nothing else".into());
    };
    let rows: Result<Vec<_>, _> = lines[1..lines.len() - 1].iter().map(|line| row(line)).collect();
    rows.and_then(|rows| if rows.is_empty() { Err("there is no row".into()) } else { Ok(rows) })
}

fn row(line: &str) -> Result<Row, String> {
    let bad = || format!("not a row with the keys {}: {line}", KEYS.join(", "));
    let inside = line.strip_prefix('{').and_then(|line| line.strip_suffix('}')).ok_or_else(bad)?;
    let pairs: Vec<_> = inside.split(',').filter_map(|pair| pair.split_once(':')).collect();
    let keys = pairs.iter().map(|pair| pair.0.trim_matches('"'));
    if pairs.len() == KEYS.len() && keys.eq(KEYS) {
        Ok(pairs.into_iter().map(|pair| pair.1.trim_matches('"').to_owned()).collect())
    } else {
        Err(bad())
    }
}

fn hit_ratio(rows: &[Row], size: &str, cache: &str) -> Result<f64, String> {
    let row = rows.iter().find(|row| row[0] == TRACE && row[1] == size && row[2] == cache);
    let ratio = row.and_then(|row| row[3].parse().ok());
    ratio.ok_or_else(|| format!("there is no row for {TRACE}, {size}, {cache}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        r#"{"trace":"cache2k-web12","size":0.05,"cache":"lru","hit_ratio":0.6,"byte_hit_ratio":0.5,"cost_saved":0.4}"#;

    #[test]
    fn rows_are_read() {
        let rows = rows(&format!("[\n{GOOD},\n{GOOD}\n]\n")).unwrap();
        assert_eq!(rows.len(), 2);
        assert!((hit_ratio(&rows, "0.05", "lru").unwrap() - 0.6).abs() < 1e-9);
        assert!(hit_ratio(&rows, "0.2", "lru").is_err());
    }

    #[test]
    fn rows_of_the_comparison_are_counted_among_what_it_says() {
        let said = "1 of 2: near cache: starting\n[\n{\"measure\":\"a\"},\n{\"measure\":\"b\"}\n]\nmisses its bar: a\n";
        assert_eq!(compared_rows(said), 2);
        assert_eq!(compared_rows("[\n]\n"), 0);
    }

    #[test]
    fn other_output_is_refused() {
        assert!(rows(&format!("building\n[\n{GOOD}\n]\n")).is_err());
        assert!(rows("[\n]\n").is_err());
        assert!(rows(&format!("[\n{}\n]\n", GOOD.replace("hit_ratio\"", "ratio\""))).is_err());
        assert!(rows(&format!("[\n{}\n]\n", GOOD.replace('}', ",\"more\":1}"))).is_err());
    }
}
