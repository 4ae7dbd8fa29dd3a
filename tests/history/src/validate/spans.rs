//! Stretches of time with something each, and which of them touch another stretch.

use crate::record::Span;

/// Stretches, found by time.
#[derive(Clone, Debug)]
pub(super) struct Spans<T> {
    all: Vec<(Span, T)>,
    /// The latest end of all up to here.
    ends: Vec<u64>,
}

impl<T> Spans<T> {
    pub(super) fn new(mut all: Vec<(Span, T)>) -> Self {
        all.sort_by_key(|(span, _)| span.from);
        let mut latest = 0;
        let ends = all.iter().map(|(span, _)| {
            latest = latest.max(span.to);
            latest
        });
        let ends = ends.collect();
        Self { all, ends }
    }

    /// Those that have an instant in common with this one, the latest first.
    pub(super) fn touching(&self, span: Span) -> impl Iterator<Item = &(Span, T)> {
        let begun = self.all.partition_point(|(one, _)| one.from <= span.to);
        let reach = (0..begun).rev().take_while(move |index| self.ends[*index] >= span.from);
        reach.map(|index| &self.all[index]).filter(move |(one, _)| one.to >= span.from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_touches_is_found() {
        let span = |from, to| Span { from, to };
        let spans = Spans::new(vec![(span(1, 9), 'a'), (span(2, 3), 'b'), (span(5, 6), 'c'), (span(8, 12), 'd')]);
        let found = |from, to| spans.touching(span(from, to)).map(|(_, name)| *name).collect::<String>();
        assert_eq!(found(4, 7), "ca");
        assert_eq!(found(3, 3), "ba");
        assert_eq!(found(13, 20), "");
        assert_eq!(found(0, 100), "dcba");
    }
}
