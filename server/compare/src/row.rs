//! Rows: what the rounds of a measure come to, and how rows are written as JSON and as a table. Pure.

use serde::Serialize;

use crate::{
    measure::{Bar, Measure, Quantity},
    side::Side,
    stage::{Played, Round},
    statistics::{median, spread},
};

/// A row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Its name.
    pub measure: &'static str,
    /// The same for people.
    pub what: &'static str,
    /// Of `ours` and `peer`.
    pub unit: &'static str,
    /// Median of our figures.
    pub ours: Option<f64>,
    /// Median of the peer's; the bar, where there is no peer.
    pub peer: Option<f64>,
    /// Who that is.
    pub peer_name: &'static str,
    /// Median of ours / peer in each round; 1 + ours where the bar is 0.
    pub ratio: Option<f64>,
    /// The least and the greatest of these.
    pub spread: Option<[f64; 2]>,
    /// What has to come out; empty where nothing has to.
    pub bar: String,
    /// Whether it did.
    pub met: Option<bool>,
    /// Rounds.
    pub rounds: usize,
    /// Bytes of an encoded answer, on both sides.
    pub message_bytes: Option<usize>,
    /// What made the load.
    pub command: String,
    /// Load average over a minute, when its scene had been played.
    pub load_average: Option<f64>,
    /// Why there are no figures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Row {
    /// What a scene that was played says of a measure.
    #[must_use]
    pub fn measured(measure: &Measure, played: &Played, load_average: Option<f64>) -> Self {
        let involved = [measure.ours].into_iter().chain(measure.peers.iter().copied());
        if let Some((side, why)) = involved.into_iter().find_map(|side| Some((side, played.failed.get(&side)?))) {
            return Self::failed(measure, format!("{}: {why}", side.name()));
        }
        let pairs: Option<Vec<(f64, f64, Side)>> = played.rounds.iter().map(|round| pair(measure, round)).collect();
        let Some(pairs) = pairs.filter(|pairs| !pairs.is_empty()) else {
            let missing = format!("{} was not measured of everyone", measure.quantity.unit());
            return Self::failed(measure, missing);
        };
        let ours: Vec<f64> = pairs.iter().map(|pair| pair.0).collect();
        let peers: Vec<f64> = pairs.iter().map(|pair| pair.1).collect();
        let ratios: Vec<f64> = pairs.iter().map(|pair| ratio(pair.0, pair.1)).collect();
        let middle = median(&ratios);
        Self {
            ours: median(&ours),
            peer: median(&peers),
            peer_name: pairs[pairs.len() / 2].2.name(),
            ratio: middle,
            spread: spread(&ratios),
            met: middle.and_then(|ratio| met(measure.bar, ratio)),
            rounds: pairs.len(),
            message_bytes: played.message_bytes,
            command: played.command.clone(),
            load_average,
            error: None,
            ..Self::failed(measure, String::new())
        }
    }

    /// A measure of which there are no figures.
    #[must_use]
    pub fn failed(measure: &Measure, why: String) -> Self {
        Self {
            measure: measure.name,
            what: measure.what,
            unit: measure.quantity.unit(),
            ours: None,
            peer: None,
            peer_name: measure.peers.first().map_or("", |side| side.name()),
            ratio: None,
            spread: None,
            bar: bar(measure.bar),
            met: None,
            rounds: 0,
            message_bytes: None,
            command: String::new(),
            load_average: None,
            error: Some(why),
        }
    }

    /// Whether all that a row has to say is there and is a number.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let spread = self.spread.unwrap_or([f64::NAN; 2]);
        let numbers = [self.ours, self.peer, self.ratio, Some(spread[0]), Some(spread[1])];
        self.error.is_none() && numbers.iter().all(|number| number.is_some_and(f64::is_finite))
    }
}

/// Our figure and the best peer's of a round.
fn pair(measure: &Measure, round: &Round) -> Option<(f64, f64, Side)> {
    let of = |side: Side| round.get(&side)?.get(&measure.quantity).copied();
    let ours = of(measure.ours)?;
    if let Bar::Absolute(figure) = measure.bar {
        return Some((ours, figure, Side::Bar));
    }
    let better = |a: &(f64, Side), b: &(f64, Side)| {
        let order = a.0.total_cmp(&b.0);
        if measure.quantity.more_is_better() { order } else { order.reverse() }
    };
    let all: Option<Vec<(f64, Side)>> = measure.peers.iter().map(|side| Some((of(*side)?, *side))).collect();
    let (peer, side) = all?.into_iter().max_by(better)?;
    Some((ours, peer, side))
}

fn ratio(ours: f64, peer: f64) -> f64 {
    if peer == 0.0 { 1.0 + ours } else { ours / peer }
}

fn met(bar: Bar, ratio: f64) -> Option<bool> {
    match bar {
        Bar::AtLeast(least) => Some(ratio >= least),
        Bar::AtMost(most) => Some(ratio <= most),
        Bar::Absolute(_) => Some(ratio <= 1.0),
        Bar::None => None,
    }
}

fn bar(bar: Bar) -> String {
    match bar {
        Bar::AtLeast(ratio) => format!("≥ {ratio:.2}"),
        Bar::AtMost(ratio) => format!("≤ {ratio:.2}"),
        Bar::Absolute(figure) => format!("≤ {}", figure_text(figure)),
        Bar::None => String::new(),
    }
}

/// Rows as a JSON array with one row a line.
///
/// # Errors
/// Never for rows that were made here.
pub fn json(rows: &[Row]) -> Result<String, String> {
    let lines: Result<Vec<String>, _> = rows.iter().map(serde_json::to_string).collect();
    lines.map(|lines| format!("[\n{}\n]", lines.join(",\n"))).map_err(|error| error.to_string())
}

/// Rows as a table of Markdown.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| measure | row | hotplate | beside | | ratio (least to greatest) | bar | met |\n|---|---|---:|---|---:|---:|---:|---|\n",
    );
    for row in rows {
        text.push_str(&line(row));
        text.push('\n');
    }
    text
}

fn line(row: &Row) -> String {
    let figure = |number: Option<f64>| number.map_or_else(|| "-".to_owned(), figure_text);
    let ratio = match (row.ratio, row.spread) {
        (Some(ratio), Some([least, greatest])) => format!("{ratio:.2} ({least:.2} to {greatest:.2})"),
        _ => "not measured".to_owned(),
    };
    let met = match row.met {
        Some(true) => "yes",
        Some(false) => "**no**",
        None => "",
    };
    let (ours, peer) = (figure(row.ours), figure(row.peer));
    let Row { what, measure, unit, peer_name, bar, .. } = row;
    format!("| {what} | `{measure}` | {ours} {unit} | {peer_name} | {peer} | {ratio} | {bar} | {met} |")
}

/// Three digits that say something, and thousands set apart.
fn figure_text(figure: f64) -> String {
    if figure.abs() < 100.0 {
        let digits = if figure.abs() < 10.0 { 2 } else { 1 };
        let text = format!("{figure:.digits$}");
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let whole = format!("{figure:.0}");
    let mut text = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Whether figures of this quantity are drawn as throughput.
#[must_use]
pub fn is_throughput(row: &Row) -> bool {
    row.unit == Quantity::Throughput.unit()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::MEASURES;

    fn measure(name: &str) -> &'static Measure {
        MEASURES.iter().find(|measure| measure.name == name).unwrap()
    }

    fn round(figures: &[(Side, Quantity, f64)]) -> Round {
        let mut round = Round::new();
        for (side, quantity, figure) in figures {
            round.entry(*side).or_default().insert(*quantity, *figure);
        }
        round
    }

    fn played(rounds: Vec<Round>) -> Played {
        Played { rounds, command: "hotplate bench".into(), message_bytes: Some(123), ..Played::default() }
    }

    #[test]
    fn a_row_is_the_median_of_the_ratios_of_rounds() {
        let rates = [(90.0, 100.0), (99.0, 100.0), (40.0, 50.0)];
        let rounds = rates.map(|(ours, bare)| {
            round(&[(Side::Ours, Quantity::Throughput, ours), (Side::Tuned, Quantity::Throughput, bare)])
        });
        let row = Row::measured(measure("get_100b_ceiling"), &played(rounds.to_vec()), Some(0.5));
        assert_eq!((row.ours, row.peer), (Some(90.0), Some(100.0)));
        assert_eq!((row.ratio, row.spread, row.met), (Some(0.9), Some([0.8, 0.99]), Some(false)));
        assert!(row.is_whole());
        assert_eq!((row.peer_name, row.bar.as_str()), ("bare tonic, same transport", "≥ 0.95"));
    }

    #[test]
    fn of_several_peers_the_best_counts() {
        let rates = |ours, tuned, frames| {
            let of = Quantity::Throughput;
            round(&[(Side::Ours, of, ours), (Side::Tuned, of, tuned), (Side::Frames, of, frames)])
        };
        let row = Row::measured(measure("get_64k_ceiling"), &played(vec![rates(96.0, 80.0, 100.0)]), None);
        assert_eq!((row.peer, row.peer_name, row.met), (Some(100.0), "bare frames, same transport", Some(true)));
    }

    #[test]
    fn what_nobody_else_does_is_beside_its_bar() {
        let rounds = vec![round(&[(Side::Ours, Quantity::Nanos, 150.0), (Side::Ours, Quantity::Allocations, 0.0)])];
        let row = Row::measured(measure("near_hit_time"), &played(rounds.clone()), None);
        assert_eq!((row.peer, row.ratio, row.met), (Some(300.0), Some(0.5), Some(true)));
        let row = Row::measured(measure("near_hit_allocations"), &played(rounds), None);
        assert_eq!((row.peer, row.ratio, row.met, row.is_whole()), (Some(0.0), Some(1.0), Some(true), true));
        let one = vec![round(&[(Side::Ours, Quantity::Allocations, 1.0)])];
        assert_eq!(Row::measured(measure("near_hit_allocations"), &played(one), None).met, Some(false));
    }

    #[test]
    fn a_row_without_figures_says_why() {
        let rounds = vec![round(&[(Side::Ours, Quantity::Throughput, 1.0)])];
        let row = Row::measured(measure("get_100b_etcd"), &played(rounds), None);
        assert!(!row.is_whole() && row.error.unwrap().contains("op/s"));
        assert!(!Row::measured(measure("get_100b_etcd"), &played(Vec::new()), None).is_whole());
        let mut without_etcd =
            played(vec![round(&[(Side::Ours, Quantity::Throughput, 1.0), (Side::Tuned, Quantity::Throughput, 1.0)])]);
        without_etcd.failed.insert(Side::Etcd, "it is not installed".into());
        let row = Row::measured(measure("get_100b_etcd"), &without_etcd, None);
        assert_eq!(row.error.as_deref(), Some("etcd: it is not installed"));
        assert!(line(&row).contains("not measured"));
        assert!(Row::measured(measure("get_100b_ceiling"), &without_etcd, None).is_whole());
    }

    #[test]
    fn json_has_the_keys_that_others_rely_on() {
        let rounds = vec![round(&[(Side::Ours, Quantity::Start, 40.0)])];
        let text = json(&[Row::measured(measure("start_time"), &played(rounds), None)]).unwrap();
        let rows: serde_json::Value = serde_json::from_str(&text).unwrap();
        for key in ["measure", "ours", "peer", "peer_name", "ratio", "spread", "bar", "met", "unit", "command"] {
            assert!(!rows[0][key].is_null(), "{key}: {text}");
        }
    }

    #[test]
    fn figures_are_short() {
        let texts = [0.0, 1.5, 9.876, 12.34, 123.4, 1_234.5, 1_234_567.0].map(figure_text);
        assert_eq!(texts, ["0", "1.5", "9.88", "12.3", "123", "1,234", "1,234,567"]);
    }
}
