//! Globs as the contract defines them, in time bounded by text length times pattern length.

#[derive(Debug)]
enum Part {
    Literal(char),
    AnyOne,
    AnyRun,
    Set { negated: bool, ranges: Vec<(char, char)> },
}

/// A parsed pattern: `*` any run, `?` one character, `[abc]`, `[a-z]`, `[!a]` one of a set, `\` escapes.
#[derive(Debug)]
pub(crate) struct Glob {
    parts: Vec<Part>,
    /// What every match begins with.
    literal: String,
}

impl Glob {
    /// `None` for what is no pattern.
    pub(crate) fn parse(pattern: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            parts.push(match c {
                '*' => Part::AnyRun,
                '?' => Part::AnyOne,
                '[' => set(&mut chars)?,
                '\\' => Part::Literal(chars.next()?),
                literal => Part::Literal(literal),
            });
        }
        parts.dedup_by(|a, b| matches!((a, b), (Part::AnyRun, Part::AnyRun)));
        let literal = parts.iter().map_while(|part| match part {
            Part::Literal(c) => Some(*c),
            Part::AnyOne | Part::AnyRun | Part::Set { .. } => None,
        });
        Some(Self { literal: literal.collect(), parts })
    }

    /// What every key that matches begins with.
    pub(crate) fn literal(&self) -> &str {
        &self.literal
    }

    /// Whether the whole text matches. On a mismatch only the last run is made longer.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let (mut part, mut rest) = (0, text.chars());
        let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
        loop {
            let mut after = rest.clone();
            let next = match (self.parts.get(part), after.next()) {
                (None, None) => return true,
                (Some(Part::AnyRun), _) => {
                    retry = Some((part + 1, rest.clone()));
                    Some(rest)
                }
                (Some(one), Some(c)) if one.takes(c) => Some(after),
                (None | Some(_), _) => None,
            };
            (part, rest) = match (next, &mut retry) {
                (Some(next), _) => (part + 1, next),
                (None, Some((after_run, from))) => match from.next() {
                    Some(_) => (*after_run, from.clone()),
                    None => return false,
                },
                (None, None) => return false,
            };
        }
    }
}

impl Part {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Literal(literal) => *literal == c,
            Self::AnyOne => true,
            Self::AnyRun => false,
            Self::Set { negated, ranges } => ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated,
        }
    }
}

fn set(chars: &mut std::str::Chars<'_>) -> Option<Part> {
    let mut rest = chars.clone();
    let negated = rest.next() == Some('!');
    if negated {
        *chars = rest;
    }
    let mut members = Vec::new();
    loop {
        match chars.next()? {
            ']' if !members.is_empty() => break,
            '\\' => members.push((chars.next()?, true)),
            c => members.push((c, false)),
        }
    }
    Some(Part::Set { negated, ranges: ranges(&members)? })
}

/// Turns `a-z` into a range; a dash that was escaped or stands at either end means itself.
fn ranges(mut members: &[(char, bool)]) -> Option<Vec<(char, char)>> {
    let mut ranges = Vec::new();
    loop {
        let (range, rest) = match members {
            [] => return Some(ranges),
            [(low, _), ('-', false), (high, _), rest @ ..] => ((*low, *high), rest),
            [(one, _), rest @ ..] => ((*one, *one), rest),
        };
        if range.0 > range.1 {
            return None;
        }
        ranges.push(range);
        members = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Glob::parse(pattern).expect("a pattern").matches(text)
    }

    #[test]
    fn wildcards_match_as_documented() {
        assert!(matches("model:*", "model:a:b") && matches("*:b", "a:b:b") && matches("a*c*e", "abcde"));
        assert!(matches("?x", "äx") && !matches("?x", "x") && matches("*", ""));
        assert!(matches("[a-c]1", "b1") && !matches("[!a-c]1", "b1") && matches("[]x]", "]") && matches("[a-]", "-"));
        assert!(matches(r"\*", "*") && !matches(r"\*", "a") && matches("**a", "bba"));
        assert!(!matches("a", "ab") && !matches("ab", "a") && !matches("*a", "ab"));
    }

    #[test]
    fn what_all_matches_begin_with_is_known() {
        let literal = |pattern| Glob::parse(pattern).expect("a pattern").literal().to_owned();
        assert_eq!([literal("a:b*"), literal(r"a\*?"), literal("*a")], ["a:b", "a*", ""]);
    }

    #[test]
    fn a_hostile_pattern_costs_linear_work() {
        assert!(!matches("*a*a*a*a*a*a*a*b", &"a".repeat(1024)));
    }

    #[test]
    fn what_is_no_pattern_is_none() {
        for pattern in ["[a", r"a\", "[z-a]", "[!"] {
            assert!(Glob::parse(pattern).is_none(), "{pattern}");
        }
    }
}
