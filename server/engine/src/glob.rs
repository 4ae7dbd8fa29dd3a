//! Matching of globs in time linear in the key for each wildcard, whatever the pattern. What a glob selects in a
//! cache is not known here.

use crate::error::{Error, Reason, Result};

/// Longest pattern, in bytes.
pub const GLOB_BYTES_MAX: usize = 256;
/// Most wildcards in a pattern.
pub const GLOB_WILDCARDS_MAX: usize = 8;

#[derive(Debug)]
enum Part {
    Literal(char),
    AnyOne,
    AnyRun,
    Set { negated: bool, ranges: Vec<(char, char)> },
}

/// A parsed pattern: `*` any run, `?` one character, `[abc]`, `[a-z]`, `[!a]` one of a set, `\` escapes.
#[derive(Debug)]
pub struct Glob(Vec<Part>);

impl Glob {
    /// Parses a pattern.
    ///
    /// # Errors
    /// `BAD_GLOB` when it is empty, too long, has too many wildcards, an open set or a trailing backslash.
    pub fn parse(pattern: &str) -> Result<Self> {
        if pattern.is_empty() || pattern.len() > GLOB_BYTES_MAX {
            return Err(bad(format!("a glob has 1 to {GLOB_BYTES_MAX} bytes, this one has {}", pattern.len())));
        }
        let mut parts = Vec::new();
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            parts.push(match c {
                '*' => Part::AnyRun,
                '?' => Part::AnyOne,
                '[' => parse_set(&mut chars)?,
                '\\' => Part::Literal(chars.next().ok_or_else(|| bad("a glob does not end in a backslash"))?),
                literal => Part::Literal(literal),
            });
        }
        parts.dedup_by(|a, b| matches!((a, b), (Part::AnyRun, Part::AnyRun)));
        let wildcards = parts.iter().filter(|part| !matches!(part, Part::Literal(_))).count();
        if wildcards > GLOB_WILDCARDS_MAX {
            return Err(bad(format!("a glob has at most {GLOB_WILDCARDS_MAX} wildcards, this one has {wildcards}")));
        }
        Ok(Self(parts))
    }

    /// Whether the whole text matches. On a mismatch only the last run is lengthened (the classic two-pointer walk),
    /// so the cost is bounded by text length times pattern length.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let (mut part, mut rest) = (0, text);
        let mut retry: Option<(usize, &str)> = None;
        loop {
            let step = match (self.0.get(part), rest.chars().next()) {
                (None, None) => return true,
                (Some(Part::AnyRun), _) => {
                    retry = Some((part + 1, rest));
                    part += 1;
                    continue;
                }
                (Some(one), Some(c)) if one.takes(c) => Some((part + 1, &rest[c.len_utf8()..])),
                _ => None,
            };
            (part, rest) = match (step, &mut retry) {
                (Some(next), _) => next,
                (None, Some((after_run, from))) => match from.chars().next() {
                    Some(c) => {
                        *from = &from[c.len_utf8()..];
                        (*after_run, *from)
                    }
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

fn parse_set(chars: &mut std::str::Chars<'_>) -> Result<Part> {
    let open = || bad("a set in a glob ends with ']'");
    let mut rest = chars.clone();
    let negated = rest.next() == Some('!');
    if negated {
        chars.next();
    }
    let mut members = Vec::new();
    loop {
        match chars.next().ok_or_else(open)? {
            ']' if !members.is_empty() => break,
            '\\' => members.push((chars.next().ok_or_else(open)?, true)),
            c => members.push((c, false)),
        }
    }
    Ok(Part::Set { negated, ranges: ranges(&members)? })
}

/// Turns `a-z` into a range; a dash that was escaped or stands at either end means itself.
fn ranges(members: &[(char, bool)]) -> Result<Vec<(char, char)>> {
    let mut ranges = Vec::new();
    let mut rest = members;
    loop {
        rest = match rest {
            [] => return Ok(ranges),
            [(low, _), ('-', false), (high, _), tail @ ..] => {
                if low > high {
                    return Err(bad("a range in a glob's set goes upward, like [a-z]"));
                }
                ranges.push((*low, *high));
                tail
            }
            [(one, _), tail @ ..] => {
                ranges.push((*one, *one));
                tail
            }
        };
    }
}

fn bad(rule: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::invalid(Reason::BadGlob, "glob", rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Glob::parse(pattern).unwrap().matches(text)
    }

    #[test]
    fn wildcards_match_as_documented() {
        assert!(matches("model:*", "model:a:b") && matches("*:b", "a:b:b") && matches("a*c*e", "abcde"));
        assert!(matches("?x", "äx") && !matches("?x", "x") && matches("*", ""));
        assert!(matches("[a-c]1", "b1") && !matches("[!a-c]1", "b1") && matches("[]x]", "]") && matches("[a-]", "-"));
        assert!(matches(r"\*", "*") && !matches(r"\*", "a") && matches("**a", "bba"));
    }

    #[test]
    fn a_hostile_pattern_costs_linear_work() {
        let text = "a".repeat(1024);
        assert!(!matches("*a*a*a*a*a*a*a*b", &text));
    }

    #[test]
    fn broken_patterns_are_refused() {
        for pattern in ["", "[a", r"a\", "[z-a]", "*?*?*?*?*?", "[!", &"a".repeat(257)] {
            let error = Glob::parse(pattern).unwrap_err();
            assert_eq!(error.reason(), Reason::BadGlob, "{pattern}");
        }
    }
}
