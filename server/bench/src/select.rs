//! Picks caches, traces and sizes by what was typed. Every mistake says what there is.

use crate::contestant::OURS;

/// Shards at most.
const SHARDS_MAX: usize = 64;

/// The names that `asked` asks for, all when it asks for none: whole names, or what comes after `hotplate/`.
///
/// # Errors
/// A name that is nobody's.
pub fn caches<'a>(names: impl Iterator<Item = &'a str>, asked: &[String]) -> Result<Vec<&'a str>, String> {
    let names: Vec<&str> = names.collect();
    let is = |name: &str, word: &str| name == word || name.strip_prefix(OURS) == Some(word);
    if let Some(word) = asked.iter().find(|word| !names.iter().any(|name| is(name, word))) {
        return Err(format!("there is no cache {word:?}; there is: {}", names.join(", ")));
    }
    Ok(names.into_iter().filter(|name| asked.is_empty() || asked.iter().any(|word| is(name, word))).collect())
}

/// A capacity as a fraction of the footprint: more than 0, at most 1. For the command line.
///
/// # Errors
/// It is not.
pub fn fraction(text: &str) -> Result<f64, String> {
    let fraction: f64 = text.trim().parse().map_err(|error| format!("{error}"))?;
    let fits = fraction > 0.0 && fraction <= 1.0;
    if fits { Ok(fraction) } else { Err("a size is a fraction of the footprint: more than 0, at most 1".into()) }
}

/// A number of shards: a power of two up to 64, as in the server. For the command line.
///
/// # Errors
/// It is not.
pub fn shards(text: &str) -> Result<usize, String> {
    let shards: usize = text.trim().parse().map_err(|error| format!("{error}"))?;
    let fits = shards.is_power_of_two() && shards <= SHARDS_MAX;
    if fits { Ok(shards) } else { Err(format!("shards are a power of two up to {SHARDS_MAX}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 4] = ["hotplate/lru", "hotplate/cost_aware", "lru", "moka"];

    fn picked(asked: &[&str]) -> Result<Vec<&'static str>, String> {
        let asked: Vec<_> = asked.iter().map(|word| (*word).to_owned()).collect();
        caches(NAMES.into_iter(), &asked)
    }

    #[test]
    fn caches_are_picked_by_name_or_policy_in_the_order_of_rows() {
        assert_eq!(picked(&[]).unwrap(), NAMES);
        assert_eq!(picked(&["moka", "cost_aware"]).unwrap(), ["hotplate/cost_aware", "moka"]);
        assert_eq!(picked(&["lru"]).unwrap(), ["hotplate/lru", "lru"]);
        assert_eq!(picked(&["hotplate/lru"]).unwrap(), ["hotplate/lru"]);
        assert!(picked(&["lru", "mokka"]).unwrap_err().contains("\"mokka\"; there is: hotplate/lru"));
    }

    #[test]
    fn shards_are_a_power_of_two_in_bounds() {
        assert_eq!((shards("1"), shards("64")), (Ok(1), Ok(64)));
        for bad in ["0", "3", "128", "4611686018427387904", "-1", ""] {
            assert!(shards(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_are_fractions() {
        assert!(fraction("0.05").is_ok() && fraction("1").is_ok());
        for bad in ["0", "-1", "1.1", "5%", "NaN", ""] {
            assert!(fraction(bad).is_err(), "{bad}");
        }
    }
}
