//! How long an entry lives: from what the writer asked, its kind and its namespace. Every entry gets an end.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    clock::Moment,
    entry::{Deadlines, Expiration, Ttl},
    error::{Error, Reason, Result},
    memory::record::Lifetime,
    namespace::{KindTtl, NamespaceConfig},
};

/// Shortest lifetime.
pub const TTL_MIN: Duration = Duration::from_millis(1);
/// Largest share of a TTL that jitter may take off.
pub const JITTER_MAX: f64 = 0.5;

/// What decides a lifetime besides what the writer asked.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// The namespace's settings.
    pub namespace: &'a NamespaceConfig,
    /// The named classes.
    pub classes: &'a BTreeMap<String, Duration>,
    /// The entry's kind; empty for none.
    pub kind: &'a str,
    /// Whether the payload is a negative result.
    pub negative: bool,
}

impl Rules<'_> {
    /// Decides a lifetime that begins `now`. `random` from 0 to 1 places the jitter.
    ///
    /// # Errors
    /// `TTL_OUT_OF_BOUNDS` naming the field and its bounds, `BAD_ARGUMENT` for a jitter out of its bounds.
    pub fn decide(&self, asked: &Expiration, now: Moment, random: f64) -> Result<Lifetime> {
        let ttl = self.ttl(&asked.ttl)?;
        let jitter = asked.jitter.unwrap_or(self.namespace.jitter);
        if !(0.0..=JITTER_MAX).contains(&jitter) {
            let rule = format!("jitter is a share of the TTL from 0 to {JITTER_MAX}, not {jitter}");
            return Err(Error::invalid(Reason::BadArgument, "expiration.jitter", rule));
        }
        let ttl = ttl.mul_f64(1.0 - jitter * random).max(TTL_MIN);
        let stale_for = asked.stale_for.map(|asked| self.bounded("expiration.stale_for", asked)).transpose()?;
        let idle_ttl = asked.idle_ttl.map(|asked| self.bounded("expiration.idle_ttl", asked)).transpose()?;
        let fresh_until = now.after(ttl);
        let usable_until = fresh_until.after(stale_for.unwrap_or_default());
        let deadlines = Deadlines { fresh_until, usable_until };
        Ok(Lifetime { deadlines, idle_ttl, refresh_ahead: asked.refresh_ahead, marked: false })
    }

    fn ttl(&self, asked: &Ttl) -> Result<Duration> {
        match asked {
            Ttl::Exact(ttl) => self.bounded("expiration.ttl", *ttl),
            Ttl::Class(name) => self.bounded("expiration.ttl_class", self.class(name)?),
            Ttl::Default if self.negative => Ok(self.namespace.ttl_negative),
            Ttl::Default => match self.namespace.kind_ttl.get(self.kind) {
                Some(KindTtl::Exact(ttl)) => Ok(*ttl),
                Some(KindTtl::Class(name)) => self.class(name),
                None => Ok(self.namespace.ttl_default),
            },
        }
    }

    fn class(&self, name: &str) -> Result<Duration> {
        self.classes.get(name).copied().ok_or_else(|| {
            let names: Vec<_> = self.classes.keys().map(String::as_str).collect();
            let rule = format!("there is no TTL class {name:?}; there is: {}", names.join(", "));
            Error::invalid(Reason::TtlOutOfBounds, "expiration.ttl_class", rule)
        })
    }

    fn bounded(&self, field: &'static str, asked: Duration) -> Result<Duration> {
        let max = self.namespace.ttl_max;
        if asked < TTL_MIN || asked > max {
            let rule = format!("{field} is from {TTL_MIN:?} to {}s in this namespace, not {asked:?}", max.as_secs());
            return Err(Error::invalid(Reason::TtlOutOfBounds, field, rule));
        }
        Ok(asked)
    }
}
