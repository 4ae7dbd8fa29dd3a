//! Draws how much each cache saves by its size, one SVG a trace. The numbers come from rows.

use std::path::Path;

use plotters::{
    coord::Shift,
    prelude::{
        ChartBuilder, DrawingArea, EmptyElement, IntoDrawingArea, IntoFont, LineSeries, PathElement, RGBColor,
        SVGBackend, Text, WHITE,
    },
    style::{Color, TextStyle, text_anchor},
};

use crate::{
    contestant::OURS,
    rows::{Row, percent},
};

/// Width and height of one chart, in pixels.
const CHART: (u32, u32) = (620, 400);
/// Charts side by side at most.
const COLUMNS: usize = 2;
/// Room to the right of the lines for their names.
const NAMES_WIDTH: u32 = 150;
/// Names are at least this far apart, in pixels.
const NAME_HEIGHT: i32 = 15;
const FONT: &str = "sans-serif";
const TEXT: RGBColor = RGBColor(0x24, 0x29, 0x2f);
const GRID: RGBColor = RGBColor(0xe6, 0xe8, 0xeb);
/// Ours first: strong colours, then the peers' greyer ones. Distinct for the colour-blind (after Okabe and Ito).
const COLOURS: [RGBColor; 8] = [
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xd5, 0x32, 0x00),
    RGBColor(0x6b, 0x72, 0x80),
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0x8c, 0x6d, 0x31),
];

type Failure = Box<dyn std::error::Error>;

/// What a chart shows.
struct Measure {
    title: &'static str,
    of: fn(&Row) -> f64,
}

/// A line of a chart.
struct Line {
    name: String,
    colour: RGBColor,
    points: Vec<(f64, f64)>,
}

/// Writes `NAME.svg` for these rows of one trace into a folder: hit ratios, and what is saved when the trace has costs
/// or sizes to save.
///
/// # Errors
/// It cannot be written.
pub fn write(folder: &Path, trace: &str, rows: &[Row]) -> Result<(), String> {
    let told = |error: &dyn std::fmt::Display| format!("cannot draw {trace} into {}: {error}", folder.display());
    std::fs::create_dir_all(folder).map_err(|error| told(&error))?;
    let text = svg(trace, rows).map_err(|error| told(&error))?;
    std::fs::write(folder.join(format!("{trace}.svg")), text).map_err(|error| told(&error))
}

fn svg(trace: &str, rows: &[Row]) -> Result<String, Failure> {
    let measures = measures(rows);
    let mut text = String::new();
    let columns = measures.len().min(COLUMNS);
    let lines = measures.len().div_ceil(COLUMNS);
    let size = (CHART.0 * u32::try_from(columns)?, CHART.1 * u32::try_from(lines)?);
    let root = SVGBackend::with_string(&mut text, size).into_drawing_area();
    root.fill(&WHITE)?;
    for (area, measure) in root.split_evenly((lines, columns)).iter().zip(&measures) {
        chart(area, &format!("{trace}: {}", measure.title), rows, measure.of)?;
    }
    root.present()?;
    drop(root);
    Ok(text)
}

/// Hit ratio always; the others when they say something else.
fn measures(rows: &[Row]) -> Vec<Measure> {
    let differs = |of: fn(&Row) -> f64| rows.iter().any(|row| (of(row) - row.hit_ratio).abs() > 1e-9);
    let all = [
        Measure { title: "hit ratio, %", of: |row| row.hit_ratio },
        Measure { title: "compute saved, %", of: |row| row.cost_saved },
        Measure { title: "byte hit ratio, %", of: |row| row.byte_hit_ratio },
    ];
    all.into_iter()
        .enumerate()
        .filter(|(number, measure)| *number == 0 || differs(measure.of))
        .map(|(_, m)| m)
        .collect()
}

fn sizes(rows: &[Row]) -> Vec<f64> {
    let mut sizes: Vec<f64> = rows.iter().map(|row| row.size).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.dedup();
    sizes
}

/// One line for each cache; x is the number of the size, so that sizes that double are equally far apart.
fn lines(rows: &[Row], sizes: &[f64], of: fn(&Row) -> f64) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for row in rows {
        let at = sizes.iter().position(|size| size.to_bits() == row.size.to_bits()).unwrap_or_default();
        let point = (f64::from(u32::try_from(at).unwrap_or_default()), 100.0 * of(row));
        if let Some(line) = lines.iter_mut().find(|line| line.name == row.cache) {
            line.points.push(point);
        } else {
            let colour = COLOURS[lines.len() % COLOURS.len()];
            lines.push(Line { name: row.cache.clone(), colour, points: vec![point] });
        }
    }
    lines
}

fn chart(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    title: &str,
    rows: &[Row],
    of: fn(&Row) -> f64,
) -> Result<(), Failure> {
    let sizes = sizes(rows);
    let lines = lines(rows, &sizes, of);
    let last = f64::from(u32::try_from(sizes.len().saturating_sub(1))?).max(1.0);
    let top = lines.iter().flat_map(|line| &line.points).fold(5.0_f64, |top, point| top.max(point.1));
    let top = (top / 10.0).ceil() * 10.0;
    let heading = TextStyle::from((FONT, 17).into_font()).color(&TEXT);
    let small = TextStyle::from((FONT, 12).into_font()).color(&TEXT);
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .margin_right(NAMES_WIDTH)
        .caption(title, heading)
        .x_label_area_size(42)
        .y_label_area_size(40)
        .build_cartesian_2d(0.0..last, 0.0..top)?;
    let size_at = |at: &f64| {
        let whole = (at - at.round()).abs() < 1e-6;
        let near = sizes.iter().zip(0_u32..).find(|(_, number)| (f64::from(*number) - at).abs() < 1e-6);
        near.filter(|_| whole).map(|(size, _)| percent(*size)).unwrap_or_default()
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(WHITE)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .x_labels(sizes.len())
        .x_label_formatter(&size_at)
        .y_label_formatter(&|value| format!("{value:.0}"))
        .x_desc("capacity, % of the footprint")
        .label_style(small.clone())
        .axis_desc_style(small)
        .draw()?;
    for line in &lines {
        chart
            .draw_series(LineSeries::new(line.points.iter().copied(), line.colour.stroke_width(stroke(&line.name))))?;
    }
    let pixel = |point: &(f64, f64)| chart.plotting_area().map_coordinate(point);
    let ends: Vec<_> = lines.iter().map(|line| line.points.last().map(pixel).unwrap_or_default()).collect();
    names(area, &lines, &ends)
}

fn stroke(name: &str) -> u32 {
    if name.starts_with(OURS) { 3 } else { 2 }
}

/// Each line's name at its end, moved up or down so that none covers another, with a thin line to where it belongs.
fn names(area: &DrawingArea<SVGBackend<'_>, Shift>, lines: &[Line], ends: &[(i32, i32)]) -> Result<(), Failure> {
    let base = area.get_base_pixel();
    let places = apart(&ends.iter().map(|end| end.1).collect::<Vec<_>>());
    for ((line, end), y) in lines.iter().zip(ends).zip(places) {
        let (x, from, to) = (end.0 - base.0, end.1 - base.1, y - base.1);
        area.draw(&PathElement::new([(x + 2, from), (x + 12, to)], line.colour.mix(0.6).stroke_width(1)))?;
        let size = if line.name.starts_with(OURS) { 13 } else { 12 };
        let style = TextStyle::from((FONT, size).into_font())
            .color(&line.colour)
            .pos(text_anchor::Pos::new(text_anchor::HPos::Left, text_anchor::VPos::Center));
        area.draw(&(EmptyElement::at((x + 15, to)) + Text::new(line.name.clone(), (0, 0), style)))?;
    }
    Ok(())
}

/// Heights as near to the wanted ones as they can be with `NAME_HEIGHT` between each two.
fn apart(wanted: &[i32]) -> Vec<i32> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|number| wanted[*number]);
    let mut places = wanted.to_vec();
    // Pushed down where they are too near, then up again by half of what the last one was pushed.
    let mut free = i32::MIN;
    for number in &order {
        places[*number] = places[*number].max(free);
        free = places[*number] + NAME_HEIGHT;
    }
    let mut ceiling = i32::MAX;
    for number in order.iter().rev() {
        let back = (places[*number] - wanted[*number]) / 2;
        places[*number] = (places[*number] - back).min(ceiling);
        ceiling = places[*number] - NAME_HEIGHT;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(size: f64, cache: &str, hit_ratio: f64, cost_saved: f64) -> Row {
        let (trace, cache) = ("t".to_owned(), cache.to_owned());
        Row { trace, size, cache, hit_ratio, byte_hit_ratio: hit_ratio, cost_saved }
    }

    #[test]
    fn names_are_escaped_and_every_cache_is_named() {
        let rows = [row(0.1, "a<b>&\"c\"", 0.1, 0.1), row(0.2, "a<b>&\"c\"", 0.2, 0.2), row(0.1, "lru", 0.3, 0.3)];
        let text = svg("x<&>", &rows).unwrap();
        assert!(!text.contains("a<b>") && text.contains("a&lt;b&gt;&amp;"), "{text}");
        assert!(text.contains("x&lt;&amp;&gt;") && text.contains("lru"), "{text}");
        assert!(text.starts_with("<svg ") && text.trim_end().ends_with("</svg>"), "{text}");
    }

    #[test]
    fn compute_saved_has_a_chart_when_it_differs() {
        let same = [row(0.1, "lru", 0.5, 0.5), row(0.2, "lru", 0.6, 0.6)];
        assert_eq!(measures(&same).len(), 1);
        let costs = [row(0.1, "lru", 0.5, 0.7), row(0.2, "lru", 0.6, 0.8)];
        assert_eq!(measures(&costs).len(), 2);
        assert!(svg("t", &costs).unwrap().contains("compute saved"));
    }

    #[test]
    fn one_size_alone_can_be_drawn() {
        assert!(svg("t", &[row(0.1, "lru", 0.0, 0.0)]).unwrap().contains("10 %"));
    }

    #[test]
    fn names_are_moved_apart_and_keep_their_order() {
        for wanted in [vec![10, 10, 10], vec![100, 101, 50, 51, 300], vec![5], vec![]] {
            let places = apart(&wanted);
            let mut pairs: Vec<_> = wanted.iter().zip(&places).collect();
            pairs.sort();
            assert!(pairs.windows(2).all(|two| two[1].1 - two[0].1 >= NAME_HEIGHT), "{wanted:?}: {places:?}");
        }
        assert_eq!(apart(&[10, 200]), [10, 200]);
    }
}
