//! What a run found out: the server alone, or beside a peer, round by round. As JSON its keys are relied on by others.

use serde_json::{Map, Value, json};

use crate::{
    herd::Stampede,
    plan::Plan,
    report::{Report, middle, plan_as_json, rounded},
    slo::Slo,
};

/// A run's result.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Of the server itself, the median over all rounds.
    pub ours: Report,
    /// Of the one it was compared with.
    pub peer: Option<Versus>,
    /// Each round: of the server itself, and of the peer where there is one.
    pub rounds: Vec<(Report, Option<Report>)>,
    /// Of callers that wanted one missing key, how many computed it.
    pub herd: Option<Stampede>,
    /// Whether it was ended early.
    pub interrupted: bool,
}

/// A comparison.
#[derive(Clone, Debug)]
pub struct Versus {
    /// The peer, with its version where it says so.
    pub name: String,
    /// The median over all rounds.
    pub report: Report,
    /// Operations a second, ours by the peer's.
    pub ops_per_s: Spread,
    /// The same of times and of processor time: below one is less than the peer's.
    pub p50_us: Spread,
    /// As above.
    pub p99_us: Spread,
    /// As above; not known without both processes.
    pub cpu_us_per_op: Option<Spread>,
}

/// A ratio over all rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// The median of the rounds' ratios.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    fn of(ratios: Vec<f64>) -> Self {
        let min = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let max = ratios.iter().copied().fold(0.0, f64::max);
        if ratios.is_empty() { Self::default() } else { Self { median: middle(ratios), min, max } }
    }

    fn as_json(self) -> Value {
        json!({ "median": rounded(self.median), "min": rounded(self.min), "max": rounded(self.max) })
    }
}

impl Answer {
    /// Of these rounds.
    pub(crate) fn new(rounds: Vec<(Report, Option<Report>)>, name: Option<String>, interrupted: bool) -> Self {
        let ours = Report::median(&rounds.iter().map(|(ours, _)| ours).collect::<Vec<_>>());
        let pairs: Vec<(&Report, &Report)> =
            rounds.iter().filter_map(|(ours, peer)| peer.as_ref().map(|peer| (ours, peer))).collect();
        let peer = name.filter(|_| !pairs.is_empty()).map(|name| Versus::new(name, &pairs));
        Self { ours, peer, rounds, herd: None, interrupted }
    }
}

impl Versus {
    fn new(name: String, pairs: &[(&Report, &Report)]) -> Self {
        let ratio = |of: fn(&Report) -> f64| {
            let known = pairs.iter().filter(|(_, peer)| of(peer) > 0.0);
            Spread::of(known.map(|(ours, peer)| of(ours) / of(peer)).collect())
        };
        let cpus = || pairs.iter().filter_map(|(ours, peer)| ours.cpu_us_per_op.zip(peer.cpu_us_per_op));
        let cpus: Vec<f64> = cpus().filter(|(_, peer)| *peer > 0.0).map(|(ours, peer)| ours / peer).collect();
        Self {
            name,
            report: Report::median(&pairs.iter().map(|(_, peer)| *peer).collect::<Vec<_>>()),
            ops_per_s: ratio(|one| one.ops_per_s),
            p50_us: ratio(|one| one.p50_us),
            p99_us: ratio(|one| one.p99_us),
            cpu_us_per_op: (!cpus.is_empty()).then(|| Spread::of(cpus)),
        }
    }
}

/// All of it, for programs: what was asked for, the server's numbers, and with a peer `ours`, `peer`, `peer_name`, `ratio` and
/// `spread` of operations a second.
#[must_use]
pub fn answer_as_json(plan: &Plan, answer: &Answer, slos: &[Slo]) -> Map<String, Value> {
    let mut map = plan_as_json(plan);
    map.extend(answer.ours.as_json());
    map.insert("interrupted".to_owned(), answer.interrupted.into());
    let rules = slos.iter().map(|slo| {
        json!({ "slo": slo.to_string(), "value": slo.value(&answer.ours), "met": slo.missed(&answer.ours).is_none() })
    });
    map.insert("slo".to_owned(), rules.collect());
    if let Some(herd) = answer.herd {
        let herd = json!({
            "callers": herd.callers,
            "keys": herd.keys,
            "computed": herd.computed,
            "computed_max": herd.computed_max,
        });
        map.insert("herd".to_owned(), herd);
    }
    if let Some(versus) = &answer.peer {
        let ratio = versus.ops_per_s;
        let rounds = answer.rounds.iter().map(|(ours, peer)| {
            let peer_ops = peer.as_ref().map_or(0.0, |peer| peer.ops_per_s);
            let ratio = (peer_ops > 0.0).then(|| rounded(ours.ops_per_s / peer_ops));
            json!({ "ours": ours.as_json(), "peer": peer.as_ref().map(Report::as_json), "ratio": ratio })
        });
        let comparison = json!({
            "ours": rounded(answer.ours.ops_per_s),
            "peer": rounded(versus.report.ops_per_s),
            "peer_name": versus.name,
            "ratio": rounded(ratio.median),
            "spread": [rounded(ratio.min), rounded(ratio.max)],
            "ratios": {
                "ops_per_s": ratio.as_json(),
                "p50_us": versus.p50_us.as_json(),
                "p99_us": versus.p99_us.as_json(),
                "cpu_us_per_op": versus.cpu_us_per_op.map(Spread::as_json),
            },
            "results": { "ours": answer.ours.as_json(), "peer": versus.report.as_json() },
            "rounds": rounds.collect::<Vec<_>>(),
        });
        if let Value::Object(comparison) = comparison {
            map.extend(comparison);
        }
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_the_median_of_the_rounds_and_not_that_of_the_medians() {
        let report = |ops_per_s| Report { ops_per_s, p50_us: 10.0, ..Report::default() };
        let rounds = [(100.0, 50.0), (10.0, 20.0), (90.0, 100.0)];
        let rounds = rounds.map(|(ours, peer)| (report(ours), Some(report(peer))));
        let answer = Answer::new(rounds.to_vec(), Some("peer 1".into()), false);
        let versus = answer.peer.expect("there is one");
        assert_eq!(versus.ops_per_s, Spread { median: 0.9, min: 0.5, max: 2.0 });
        assert_eq!((answer.ours.ops_per_s, versus.report.ops_per_s), (90.0, 50.0));
        assert_eq!((versus.p50_us.median, versus.cpu_us_per_op), (1.0, None));
    }
}
