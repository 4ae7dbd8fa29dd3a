//! The part of a page that rows are written into: what is between two marks, and nothing else. Pure.

use crate::{
    machine::Machine,
    row::{self, Row},
};

/// Before what is written.
pub const BEGIN: &str = "<!-- comparison: written by `cargo x bench`, from here -->";
/// After it.
pub const END: &str = "<!-- comparison: to here -->";

/// The page with this between its marks.
///
/// # Errors
/// It has not each mark once, in this order.
pub fn replaced(page: &str, between: &str) -> Result<String, String> {
    let once = |mark: &str| {
        let mut found = page.match_indices(mark).map(|(at, _)| at);
        match (found.next(), found.next()) {
            (Some(at), None) => Ok(at),
            _ => Err(format!("the page must have `{mark}` once")),
        }
    };
    let (begin, end) = (once(BEGIN)? + BEGIN.len(), once(END)?);
    if begin > end {
        return Err("the marks of the page are the wrong way round".into());
    }
    Ok(format!("{}\n\n{}\n\n{}", &page[..begin], between.trim(), &page[end..]))
}

/// What was measured, for between the marks.
#[must_use]
pub fn section(rows: &[Row], machine: &Machine, how: &str) -> String {
    let loads: Vec<f64> = rows.iter().filter_map(|row| row.load_average).collect();
    let least = loads.iter().copied().fold(f64::INFINITY, f64::min);
    let most = loads.iter().copied().fold(0.0, f64::max);
    let load = if loads.is_empty() { "unknown".to_owned() } else { format!("{least:.1} to {most:.1}") };
    let missed: Vec<&Row> = rows.iter().filter(|row| row.met == Some(false)).collect();
    let with_bar = rows.iter().filter(|row| row.met.is_some()).count();
    let mut text = format!("{} {how} Load average {load}, the measurement itself included.\n\n", machine.sentence());
    text.push_str(&format!("{} of {with_bar} rows with a bar reach it.\n\n", with_bar - missed.len()));
    text.push_str(&row::table(rows));
    text.push_str("\n![Operations a second, beside others](img/compare-throughput.svg)\n");
    text.push_str("![Each row as a share of its bar](img/compare-bars.svg)\n");
    if !missed.is_empty() {
        let names: Vec<String> = missed.iter().map(|row| format!("`{}`", row.measure)).collect();
        text.push_str(&format!("\n**Below their bars:** {}.\n", names.join(", ")));
    }
    let unmeasured = rows.iter().filter_map(|row| row.error.as_ref().map(|why| (row.measure, why)));
    let lines: Vec<String> = unmeasured.map(|(name, why)| format!("* `{name}`: {}", one_line(why))).collect();
    if !lines.is_empty() {
        text.push_str(&format!("\n**Not measured:**\n\n{}\n", lines.join("\n")));
    }
    text.push_str(&format!("\n{}", commands(rows)));
    text
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// How the loads were made: each command once.
fn commands(rows: &[Row]) -> String {
    let mut commands: Vec<&str> = Vec::new();
    for row in rows.iter().filter(|row| !row.command.is_empty()) {
        if !commands.contains(&row.command.as_str()) {
            commands.push(&row.command);
        }
    }
    format!("What made the loads of hotplate:\n\n```text\n{}\n```\n", commands.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::MEASURES;

    fn page(between: &str) -> String {
        format!("# Title\n\nbefore\n\n{BEGIN}{between}{END}\n\nafter\n")
    }

    #[test]
    fn what_is_between_the_marks_is_replaced_and_nothing_else() {
        let once = replaced(&page("\n\nold\n\n"), "new\n").unwrap();
        assert_eq!(once, page("\n\nnew\n\n"));
        assert_eq!(replaced(&once, "new").unwrap(), once);
    }

    #[test]
    fn a_page_without_its_marks_is_left_alone() {
        assert!(replaced("# Title\n", "new").is_err());
        assert!(replaced(&format!("{END}\n{BEGIN}\n"), "new").is_err());
        assert!(replaced(&page(BEGIN), "new").is_err());
    }

    #[test]
    fn the_real_page_has_its_marks() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/performance.md");
        assert!(replaced(&std::fs::read_to_string(path).unwrap(), "new").is_ok());
    }

    #[test]
    fn rows_that_miss_their_bar_or_were_not_measured_are_named() {
        let mut missed = Row::failed(&MEASURES[0], String::new());
        (missed.met, missed.error, missed.command) = (Some(false), None, "hotplate bench".into());
        let unmeasured = Row::failed(&MEASURES[1], "a | b\nc".into());
        let text = section(&[missed.clone(), missed, unmeasured], &Machine::default(), "Five rounds.");
        assert!(text.contains("0 of 2 rows"), "{text}");
        assert!(text.contains("`get_100b_cpu`: a \\| b c"), "{text}");
        assert_eq!(text.matches("\nhotplate bench\n").count(), 1, "{text}");
    }
}
