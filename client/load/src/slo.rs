//! Rules that a result must keep, such as `p99<5ms`.

use std::fmt;

use crate::report::Report;

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Slo {
    text: String,
    metric: Metric,
    order: Order,
    bound: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Metric {
    Mean,
    P50,
    P90,
    P99,
    P999,
    Max,
    Operations,
    MebibytesPerSecond,
    Errors,
    HitRatio,
    Cpu,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
}

/// Names of what can be measured against, and whether it is a time.
const METRICS: [(&str, Metric, bool); 11] = [
    ("mean", Metric::Mean, true),
    ("p50", Metric::P50, true),
    ("p90", Metric::P90, true),
    ("p99", Metric::P99, true),
    ("p999", Metric::P999, true),
    ("max", Metric::Max, true),
    ("ops_per_s", Metric::Operations, false),
    ("mib_per_s", Metric::MebibytesPerSecond, false),
    ("errors", Metric::Errors, false),
    ("hit_ratio", Metric::HitRatio, false),
    ("cpu_us_per_op", Metric::Cpu, false),
];

/// The longer ones first: `<` is the beginning of `<=`.
const ORDERS: [(&str, Order); 5] = [
    ("<=", Order::LessOrEqual),
    (">=", Order::GreaterOrEqual),
    ("<", Order::Less),
    (">", Order::Greater),
    ("=", Order::Equal),
];

impl Slo {
    /// Reads `NAME ORDER BOUND`: a time such as `p99<5ms` (us, ms, s), or a number such as `ops_per_s>=50000`.
    ///
    /// # Errors
    /// A sentence that says what is accepted.
    pub fn parse(text: &str) -> Result<Self, String> {
        let names = METRICS.map(|(name, ..)| name).join(", ");
        let wrong = || format!("`{text}` is no rule: write one such as p99<5ms; there are {names}");
        let at = text.find(['<', '>', '=']).ok_or_else(wrong)?;
        let (name, rest) = text.split_at(at);
        let (sign, order) = ORDERS.into_iter().find(|(sign, _)| rest.starts_with(sign)).ok_or_else(wrong)?;
        let found = METRICS.into_iter().find(|(known, ..)| *known == name.trim());
        let (_, metric, is_time) = found.ok_or_else(wrong)?;
        let bound = rest[sign.len()..].trim();
        let bound = if is_time { micros(bound) } else { bound.parse().ok() };
        let bound = bound.filter(|bound| bound.is_finite() && *bound >= 0.0).ok_or_else(wrong)?;
        Ok(Self { text: text.to_owned(), metric, order, bound })
    }

    /// These rules, and with them that nothing may go wrong, unless one of them says how much may: what failed has no time
    /// that a rule could be about.
    #[must_use]
    pub fn all(given: &[Self]) -> Vec<Self> {
        let mut all = given.to_vec();
        if !all.is_empty() && all.iter().all(|slo| slo.metric != Metric::Errors) {
            all.push(Self { text: "errors=0".to_owned(), metric: Metric::Errors, order: Order::Equal, bound: 0.0 });
        }
        all
    }

    /// What was measured of it, where it was.
    pub(crate) fn value(&self, report: &Report) -> Option<f64> {
        // Without any operation that went right there are no times, and zero would keep every rule.
        let timed = |micros: f64| (report.ops + report.unsent > 0).then_some(micros);
        match self.metric {
            Metric::Mean => timed(report.mean_us),
            Metric::P50 => timed(report.p50_us),
            Metric::P90 => timed(report.p90_us),
            Metric::P99 => timed(report.p99_us),
            Metric::P999 => timed(report.p999_us),
            Metric::Max => timed(report.max_us),
            Metric::Operations => Some(report.ops_per_s),
            Metric::MebibytesPerSecond => Some(report.mib_per_s),
            #[expect(clippy::cast_precision_loss, reason = "nobody counts errors beyond 2^53")]
            Metric::Errors => Some(report.errors as f64),
            Metric::HitRatio => report.hit_ratio(),
            Metric::Cpu => report.cpu_us_per_op,
        }
    }

    /// A sentence when it was not kept: what was not measured keeps no rule.
    #[must_use]
    pub fn missed(&self, report: &Report) -> Option<String> {
        let Some(value) = self.value(report) else {
            return Some(format!("{} was missed: there is nothing to measure it by", self.text));
        };
        let kept = match self.order {
            Order::Less => value < self.bound,
            Order::LessOrEqual => value <= self.bound,
            Order::Greater => value > self.bound,
            Order::GreaterOrEqual => value >= self.bound,
            Order::Equal => (value - self.bound).abs() < 1e-9,
        };
        let is_time = METRICS.iter().any(|(_, metric, is_time)| *metric == self.metric && *is_time);
        let unit = if is_time { " µs" } else { "" };
        (!kept).then(|| format!("{} was missed: it is {value:.3}{unit}", self.text))
    }
}

impl fmt::Display for Slo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn micros(text: &str) -> Option<f64> {
    let units = [("us", 1.0), ("µs", 1.0), ("ms", 1e3), ("s", 1e6)];
    let (number, scale) = units.into_iter().find_map(|(unit, scale)| Some((text.strip_suffix(unit)?, scale)))?;
    number.trim().parse().ok().map(|number: f64| number * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_and_kept_or_missed() {
        let report = Report {
            ops: 10,
            p99_us: 4_000.0,
            ops_per_s: 50_000.0,
            errors: 2,
            hits: 9,
            misses: 1,
            ..Report::default()
        };
        for (text, kept) in [
            ("p99<5ms", true),
            ("p99 < 4ms", false),
            ("p99<=4ms", true),
            ("p99<3999.5us", false),
            ("max<1s", true),
            ("ops_per_s>=50000", true),
            ("ops_per_s>50000", false),
            ("errors=0", false),
            ("errors<=2", true),
            ("hit_ratio>0.8", true),
            ("cpu_us_per_op<10", false),
        ] {
            let slo = Slo::parse(text).expect(text);
            assert_eq!(slo.missed(&report).is_none(), kept, "{text}: {:?}", slo.missed(&report));
        }
        let missed = Slo::parse("p99<1ms").expect("a rule").missed(&report);
        assert_eq!(missed.as_deref(), Some("p99<1ms was missed: it is 4000.000 µs"));
    }

    #[test]
    fn what_is_no_rule_is_refused_with_those_there_are() {
        for text in ["", "p99", "p98<5ms", "p99<5", "p99<ms", "p99<-1ms", "errors=few", "<5ms", "p99<5m", "p99<infs"] {
            let wrong = Slo::parse(text).expect_err(text);
            assert!(wrong.contains("p99<5ms") && wrong.contains("hit_ratio"), "{wrong}");
        }
    }

    #[test]
    fn what_failed_misses_every_set_of_rules_that_does_not_allow_it() {
        let report = Report { ops: 100, p99_us: 100.0, errors: 3, ..Report::default() };
        let missed = |rules: &[&str]| {
            let rules: Vec<_> = rules.iter().map(|text| Slo::parse(text).expect(text)).collect();
            Slo::all(&rules).iter().filter_map(|slo| slo.missed(&report)).collect::<Vec<_>>()
        };
        assert_eq!(missed(&["p99<5ms"]), ["errors=0 was missed: it is 3.000"]);
        assert_eq!(missed(&["p99<5ms", "errors<=3"]), [""; 0]);
        assert_eq!(missed(&[]), [""; 0]);
    }

    #[test]
    fn nothing_measured_keeps_no_rule() {
        let missed = Slo::parse("p99<5ms").expect("a rule").missed(&Report::default());
        assert!(missed.is_some_and(|text| text.contains("nothing to measure")));
    }
}
