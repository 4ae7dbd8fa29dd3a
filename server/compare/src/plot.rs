//! Draws rows as horizontal bars, as SVG. The numbers come from rows.

use plotters::{
    prelude::{EmptyElement, IntoDrawingArea, IntoFont, PathElement, RGBColor, Rectangle, SVGBackend, Text, WHITE},
    style::{Color, TextStyle, text_anchor},
};

use crate::row::{Row, is_throughput};

const WIDTH: i32 = 900;
/// Where bars begin: names are to the left.
const LEFT: i32 = 330;
/// Room to the right for figures.
const RIGHT: i32 = 90;
const TOP: i32 = 44;
/// Height of a bar with its gap.
const STEP: i32 = 20;
const FONT: &str = "sans-serif";
const TEXT: RGBColor = RGBColor(0x24, 0x29, 0x2f);
const GRID: RGBColor = RGBColor(0xc9, 0xcd, 0xd2);
/// Ours, others, and what misses its bar. Distinct for the colour-blind (after Okabe and Ito).
const OURS: RGBColor = RGBColor(0xe6, 0x9f, 0x00);
const OTHERS: RGBColor = RGBColor(0x6b, 0x72, 0x80);
const MISSED: RGBColor = RGBColor(0xd5, 0x32, 0x00);

type Failure = Box<dyn std::error::Error>;

/// One bar.
struct Bar {
    name: String,
    figure: f64,
    label: String,
    colour: RGBColor,
}

/// Operations a second of us and of everyone beside us, for each load.
///
/// # Errors
/// It cannot be drawn.
pub fn throughput(rows: &[Row]) -> Result<String, String> {
    let mut bars: Vec<Bar> = Vec::new();
    let mut bar = |name: String, figure: f64, colour: RGBColor| {
        if !bars.iter().any(|bar| bar.name == name) {
            let label = if figure >= 1e6 { format!("{:.2} M", figure / 1e6) } else { format!("{:.0} k", figure / 1e3) };
            bars.push(Bar { name, figure, label, colour });
        }
    };
    for row in rows.iter().filter(|row| is_throughput(row) && row.is_whole()) {
        let load = load_of(row.measure);
        bar(format!("{load}: hotplate"), row.ours.unwrap_or_default(), OURS);
        bar(format!("{load}: {}", row.peer_name), row.peer.unwrap_or_default(), OTHERS);
    }
    svg("operations a second", &bars, None)
}

/// Each row with a bar as a share of it: from 1 on the bar is reached.
///
/// # Errors
/// It cannot be drawn.
pub fn shares(rows: &[Row]) -> Result<String, String> {
    let bars: Vec<Bar> = rows.iter().filter_map(share).collect();
    svg("share of the bar: reached from 1 on", &bars, Some(1.0))
}

/// A share beyond this is drawn as this.
const SHARE_MAX: f64 = 3.0;

fn share(row: &Row) -> Option<Bar> {
    let (ratio, met) = (row.ratio?, row.met?);
    let figure: Option<f64> = row.bar.trim_start_matches(['≥', '≤', ' ']).replace(',', "").parse().ok();
    let share = match row.bar.chars().next()? {
        '≥' => ratio / figure?,
        _ if row.peer_name == "the bar" => 1.0 / ratio,
        _ => figure? / ratio,
    };
    let colour = if met { OURS } else { MISSED };
    Some(Bar { name: row.measure.to_owned(), figure: share.min(SHARE_MAX), label: format!("{share:.2}"), colour })
}

/// The load of a row: its name up to what it is beside of.
fn load_of(measure: &str) -> &str {
    let beside = ["_ceiling", "_default", "_redis", "_redis_benchmark", "_memcached", "_etcd"];
    let end = beside.iter().filter_map(|suffix| measure.strip_suffix(suffix)).min_by_key(|rest| rest.len());
    end.unwrap_or(measure)
}

fn svg(title: &str, bars: &[Bar], line: Option<f64>) -> Result<String, String> {
    drawn(title, bars, line).map_err(|error| format!("cannot draw `{title}`: {error}"))
}

fn drawn(title: &str, bars: &[Bar], line: Option<f64>) -> Result<String, Failure> {
    let mut text = String::new();
    let count = i32::try_from(bars.len())?;
    let height = TOP + STEP * count + STEP;
    let most = bars.iter().map(|bar| bar.figure).fold(line.unwrap_or(0.0), f64::max).max(f64::MIN_POSITIVE);
    #[expect(clippy::cast_possible_truncation, reason = "a place on a picture of 900 points")]
    let place = |figure: f64| LEFT + (f64::from(WIDTH - LEFT - RIGHT) * figure / most).round() as i32;
    let root = SVGBackend::with_string(&mut text, (u32::try_from(WIDTH)?, u32::try_from(height)?)).into_drawing_area();
    root.fill(&WHITE)?;
    let style = |size: i32, side| {
        let place = text_anchor::Pos::new(side, text_anchor::VPos::Center);
        TextStyle::from((FONT, size).into_font()).color(&TEXT).pos(place)
    };
    let (left, right) = (style(12, text_anchor::HPos::Left), style(12, text_anchor::HPos::Right));
    root.draw(
        &(EmptyElement::at((12, TOP / 2)) + Text::new(title.to_owned(), (0, 0), style(16, text_anchor::HPos::Left))),
    )?;
    for (number, bar) in (0..).zip(bars) {
        let (top, end) = (TOP + STEP * number, place(bar.figure));
        let middle = top + STEP / 2 - 2;
        root.draw(&Rectangle::new([(LEFT, top), (end, top + STEP - 5)], bar.colour.filled()))?;
        root.draw(&(EmptyElement::at((LEFT - 8, middle)) + Text::new(bar.name.clone(), (0, 0), right.clone())))?;
        root.draw(&(EmptyElement::at((end + 6, middle)) + Text::new(bar.label.clone(), (0, 0), left.clone())))?;
    }
    if let Some(line) = line {
        root.draw(&PathElement::new([(place(line), TOP - 6), (place(line), height - STEP)], GRID.stroke_width(2)))?;
    }
    root.present()?;
    drop(root);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::MEASURES;

    fn row(name: &str, ours: f64, peer: f64, met: bool) -> Row {
        let measure = MEASURES.iter().find(|measure| measure.name == name).unwrap();
        Row {
            ours: Some(ours),
            peer: Some(peer),
            ratio: Some(ours / peer),
            spread: Some([1.0, 1.0]),
            met: Some(met),
            error: None,
            ..Row::failed(measure, String::new())
        }
    }

    #[test]
    fn everyone_is_drawn_once_for_each_load() {
        let rows = [
            row("get_100b_ceiling", 140e3, 147e3, true),
            row("get_100b_redis_benchmark", 140e3, 90e3, true),
            row("pipeline_redis", 2.5e6, 1.9e6, true),
            row("start_time", 40.0, 100.0, true),
        ];
        let text = throughput(&rows).unwrap();
        assert_eq!(text.matches("get_100b: hotplate").count(), 1, "{text}");
        assert!(text.contains("get_100b: Redis by redis-benchmark") && text.contains("2.50 M"), "{text}");
        assert!(!text.contains("start_time"), "{text}");
        assert!(text.trim_end().ends_with("</svg>"), "{text}");
    }

    #[test]
    fn shares_are_of_the_bar_whichever_way_it_is() {
        let of = |row: &Row| share(row).unwrap().figure;
        assert!((of(&row("get_100b_etcd", 600.0, 100.0, true)) - 1.5).abs() < 1e-9);
        assert!((of(&row("half_rate_p99", 100.0, 100.0, true)) - 2.0).abs() < 1e-9);
        let mut start = row("start_time", 50.0, 100.0, true);
        start.peer_name = "the bar";
        assert!((of(&start) - 2.0).abs() < 1e-9);
        assert!(shares(&[]).is_ok());
    }
}
