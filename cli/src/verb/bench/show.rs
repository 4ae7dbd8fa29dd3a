//! What a run measured, for people and for programs.

use hotplate_load::{Answer, Plan, Report, Slo, answer_as_json};
use serde_json::Value;

use crate::{
    exit::Failure,
    output::{Output, Paint, Style, human},
};

/// The numbers of a line of csv, by their JSON keys: those that every run has.
const COLUMNS: [&str; 22] = [
    "mode",
    "client",
    "value_size",
    "in_flight",
    "connections",
    "threads",
    "batch",
    "read_ratio",
    "ops_per_s",
    "mean_us",
    "p50_us",
    "p90_us",
    "p99_us",
    "p999_us",
    "max_us",
    "errors",
    "mib_per_s",
    "hit_ratio",
    "cpu_us_per_op",
    "peer_name",
    "peer",
    "ratio",
];

/// Writes the result in the form that is asked for.
pub(super) fn show(plan: &Plan, answer: &Answer, slos: &[Slo], output: &mut Output) -> Result<(), Failure> {
    let json = Value::Object(answer_as_json(plan, answer, slos));
    match output.style() {
        Style::Json | Style::JsonLines => output.json(&json),
        Style::Csv => csv(&json, output),
        _ => table(plan, answer, slos, output),
    }
}

fn csv(json: &Value, output: &mut Output) -> Result<(), Failure> {
    output.line(&COLUMNS.join(","))?;
    let cell = |name: &&str| match &json[*name] {
        Value::Null => String::new(),
        // A list of sizes has commas.
        Value::String(text) if text.contains([',', '"']) => format!("\"{}\"", text.replace('"', "\"\"")),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    output.line(&COLUMNS.iter().map(cell).collect::<Vec<_>>().join(","))
}

fn table(plan: &Plan, answer: &Answer, slos: &[Slo], output: &mut Output) -> Result<(), Failure> {
    let ours = &answer.ours;
    output.note(&load(plan, ours))?;
    let mut head = vec!["", "hotplate"];
    let mut columns = vec![facts(ours)];
    if let Some(versus) = &answer.peer {
        head.push(&versus.name);
        columns.push(facts(&versus.report));
    }
    let names = facts(ours).into_iter().map(|(name, _)| name);
    let rows: Vec<Vec<String>> = names
        .enumerate()
        .map(|(row, name)| {
            let cells = columns.iter().map(|column| column[row].1.clone());
            std::iter::once(name.to_owned()).chain(cells).collect()
        })
        .collect();
    output.rows(&head, &rows)?;
    if let Some(versus) = &answer.peer {
        let ratio = &versus.ops_per_s;
        let text = format!(
            "{:.3} times the operations of {} (median of {}, {:.3} to {:.3})",
            ratio.median,
            versus.name,
            answer.rounds.len(),
            ratio.min,
            ratio.max
        );
        output.note(&text)?;
    }
    if let Some(herd) = &answer.herd {
        let text = format!(
            "{} callers wanted each of {} keys; computed {} times, of one key at most {}",
            human::count(herd.callers as u64),
            human::count(herd.keys),
            human::count(herd.computed),
            herd.computed_max
        );
        output.note(&text)?;
    }
    judged(answer, slos, output)?;
    if answer.interrupted {
        output.note("ended early: this is what was measured until then")?;
    }
    Ok(())
}

/// What went wrong, which rules hold, and whether the numbers are those of the servers.
fn judged(answer: &Answer, slos: &[Slo], output: &mut Output) -> Result<(), Failure> {
    let ours = &answer.ours;
    for kind in &ours.error_kinds {
        let text = output.paint(Paint::Bad, &format!("{} of {}", kind.0, human::count(*kind.1)));
        output.note(&text)?;
    }
    for slo in slos {
        let (paint, text) = match slo.missed(ours) {
            Some(missed) => (Paint::Bad, missed),
            None => (Paint::Good, format!("{slo} holds")),
        };
        let text = output.paint(paint, &text);
        output.note(&text)?;
    }
    let limited = answer.peer.iter().map(|versus| (versus.name.as_str(), &versus.report));
    for (name, report) in std::iter::once(("hotplate", ours)).chain(limited) {
        if report.generator_limited {
            let text = format!(
                "with {name} this command was the limit, not the server: its threads had no time to spare; give it more \
                 --threads, and processors that nothing else uses"
            );
            let text = output.paint(Paint::Notice, &text);
            output.note(&text)?;
        }
    }
    Ok(())
}

/// What was asked for, in a line.
fn load(plan: &Plan, report: &Report) -> String {
    let many = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let loop_of = plan.rate.map_or_else(|| "closed loop".to_owned(), |rate| format!("{rate} operations/s by schedule"));
    let sizes = plan.sizes.text();
    let unit = if sizes.parse::<u64>().is_ok() { " bytes" } else { "" };
    let batch = if plan.batch() > 1 { format!(" of {} operations", plan.batch()) } else { String::new() };
    format!(
        "{} by {}: {}{batch} under way over {} by {}, values of {sizes}{unit}, {loop_of}, {:.1} s",
        plan.mode.name(),
        plan.client.name(),
        many(plan.shape.in_flight, "message"),
        many(plan.shape.connections, "connection"),
        many(plan.shape.threads, "thread"),
        report.seconds
    )
}

fn facts(report: &Report) -> Vec<(&'static str, String)> {
    let time = |micros: f64| match micros {
        micros if micros < 1_000.0 => format!("{micros:.1} µs"),
        micros if micros < 1_000_000.0 => format!("{:.2} ms", micros / 1_000.0),
        micros => format!("{:.2} s", micros / 1_000_000.0),
    };
    let cpu = report.cpu_us_per_op.map_or_else(|| "-".to_owned(), |micros| format!("{micros:.2} µs"));
    let share = |share: f64| format!("{:.0} %", share * 100.0);
    let errors = match report.errors {
        0 => human::count(0),
        #[expect(clippy::cast_precision_loss, reason = "shown to two digits")]
        errors => format!("{} ({:.2} %)", human::count(errors), errors as f64 * 100.0 / (report.ops + errors) as f64),
    };
    let generator = match report.generator.ahead {
        Some(ahead) => format!("ready for {} of its schedule", share(ahead)),
        None => format!("busy {}, held up {}", share(report.generator.busy), share(report.generator.held_up)),
    };
    vec![
        ("operations", human::count(report.ops)),
        ("operations/s", format!("{:.0}", report.ops_per_s)),
        ("values", format!("{:.1} MiB/s", report.mib_per_s)),
        ("mean", time(report.mean_us)),
        ("p50", time(report.p50_us)),
        ("p90", time(report.p90_us)),
        ("p99", time(report.p99_us)),
        ("p99.9", time(report.p999_us)),
        ("longest", time(report.max_us)),
        ("hit ratio", report.hit_ratio().map_or_else(|| "-".to_owned(), human::share)),
        ("errors", errors),
        ("not begun in time", human::count(report.unsent)),
        ("server processor/op", cpu),
        ("client processor/op", format!("{:.2} µs", report.client_cpu_us_per_op)),
        ("load generator", generator),
    ]
}
