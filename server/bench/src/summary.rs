//! How much less a cache misses than LRU, over all traces at once. How rows come about is not known here.

use crate::{contestant::BASELINE, rows::Row};

/// Traces that are not taken into the mean, by the beginning of their names. A loop has no reuse that any policy
/// without a crystal ball could tell from a scan, and what was made up to show costs shows nothing about misses.
pub const LEFT_OUT: [&str; 2] = ["lirs-loop", "synthetic-"];

/// A cache beside the baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct Reduction {
    /// The cache.
    pub cache: String,
    /// Mean over all traces and sizes of (misses of LRU - misses) / misses of LRU.
    pub mean: f64,
    /// The least of them.
    pub worst: f64,
    /// The trace and size of the least.
    pub worst_at: (String, f64),
    /// How many there are.
    pub cells: u32,
}

/// One for each cache in the order of rows, best order left to the reader; empty without the baseline.
#[must_use]
pub fn reductions(rows: &[Row]) -> Vec<Reduction> {
    let mut found: Vec<Reduction> = Vec::new();
    for row in rows.iter().filter(|row| counts(&row.trace)) {
        let Some(lru) = baseline(rows, row).map(|lru| 1.0 - lru.hit_ratio).filter(|miss| *miss > 0.0) else { continue };
        let reduction = (lru - (1.0 - row.hit_ratio)) / lru;
        let at = (row.trace.clone(), row.size);
        if let Some(known) = found.iter_mut().find(|known| known.cache == row.cache) {
            known.mean += reduction;
            known.cells += 1;
            if reduction < known.worst {
                (known.worst, known.worst_at) = (reduction, at);
            }
        } else {
            let cache = row.cache.clone();
            found.push(Reduction { cache, mean: reduction, worst: reduction, worst_at: at, cells: 1 });
        }
    }
    for reduction in &mut found {
        reduction.mean /= f64::from(reduction.cells);
    }
    found
}

fn counts(trace: &str) -> bool {
    !LEFT_OUT.iter().any(|prefix| trace.starts_with(prefix))
}

fn baseline<'a>(rows: &'a [Row], of: &Row) -> Option<&'a Row> {
    rows.iter().find(|row| row.cache == BASELINE && row.trace == of.trace && row.size.to_bits() == of.size.to_bits())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(trace: &str, size: f64, cache: &str, hit_ratio: f64) -> Row {
        Row { trace: trace.into(), size, cache: cache.into(), hit_ratio, byte_hit_ratio: 0.0, cost_saved: 0.0 }
    }

    #[test]
    fn the_mean_is_over_traces_and_sizes_that_count() {
        let rows = [
            row("a", 0.1, BASELINE, 0.5),
            row("a", 0.1, "x", 0.6),
            row("b", 0.1, BASELINE, 0.9),
            row("b", 0.1, "x", 0.89),
            row("lirs-loop", 0.1, BASELINE, 0.0),
            row("lirs-loop", 0.1, "x", 0.9),
            row("synthetic-ai-mix", 0.1, BASELINE, 0.0),
            row("synthetic-ai-mix", 0.1, "x", 0.9),
        ];
        let reductions = reductions(&rows);
        assert_eq!(reductions.len(), 2);
        let x = &reductions[1];
        assert!((x.mean - (0.2 - 0.1) / 2.0).abs() < 1e-9, "{x:?}");
        assert!((x.worst + 0.1).abs() < 1e-9 && x.worst_at == ("b".to_owned(), 0.1), "{x:?}");
        assert_eq!(x.cells, 2);
        assert!(reductions[0].mean.abs() < 1e-12);
    }

    #[test]
    fn without_lru_there_is_nothing_to_compare_with() {
        assert!(reductions(&[row("a", 0.1, "x", 0.6)]).is_empty());
        let never_misses = [row("a", 0.1, BASELINE, 1.0), row("a", 0.1, "x", 0.5)];
        assert!(reductions(&never_misses).is_empty());
    }
}
