//! The flags that say how long an entry lives, for the verbs that set it.

use std::time::Duration;

use clap::Args;
use hotplate::v1;
use hotplate_engine::ahead::RefreshAhead;

use crate::duration::{parse, to_proto};

/// How long an entry lives.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Lifetime {
    /// Time it stays fresh, such as 250ms, 90s, 1h30m or 7d
    #[arg(long, value_name = "DURATION", value_parser = parse)]
    pub(crate) ttl: Option<Duration>,
    /// Named lifetime of the server: very_short, short, medium, long, very_long, day, week
    #[arg(long, value_name = "NAME", conflicts_with = "ttl")]
    pub(crate) ttl_class: Option<String>,
    /// Time after that in which it may still be served as stale
    #[arg(long, value_name = "DURATION", value_parser = parse)]
    pub(crate) stale_for: Option<Duration>,
    /// End it when it was not read for this long
    #[arg(long, value_name = "DURATION", value_parser = parse)]
    pub(crate) idle_ttl: Option<Duration>,
    /// When it is due to be renewed while fresh: in this last share of its TTL, like 0.2, by xfetch or xfetch:BETA, or off
    #[arg(long, value_name = "WHEN")]
    pub(crate) refresh_ahead: Option<RefreshAhead>,
}

impl Lifetime {
    /// As the contract carries it; `None` when no flag was given, so that the server's defaults decide.
    pub(crate) fn expiration(&self) -> Option<v1::Expiration> {
        let class = self.ttl_class.clone().map(v1::expiration::Lifetime::TtlClass);
        let lifetime = self.ttl.map(|ttl| v1::expiration::Lifetime::Ttl(to_proto(ttl))).or(class);
        let stale_for = self.stale_for.map(to_proto);
        let idle_ttl = self.idle_ttl.map(to_proto);
        let refresh_ahead = self.refresh_ahead.map(wire_ahead);
        let said = lifetime.is_some() || stale_for.is_some() || idle_ttl.is_some() || refresh_ahead.is_some();
        said.then_some(v1::Expiration { lifetime, stale_for, idle_ttl, jitter: None, refresh_ahead })
    }
}

fn wire_ahead(ahead: RefreshAhead) -> v1::RefreshAhead {
    use v1::refresh_ahead::When;
    let when = match (ahead.share(), ahead.beta()) {
        (_, Some(beta)) => When::XfetchBeta(beta),
        (share, None) => When::Fraction(share.unwrap_or_default()),
    };
    v1::RefreshAhead { when: Some(when) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_said_leaves_it_to_the_server() {
        assert_eq!(Lifetime::default().expiration(), None);
        let idle = Lifetime { idle_ttl: Some(Duration::from_secs(5)), ..Lifetime::default() };
        assert_eq!(idle.expiration().and_then(|expiration| expiration.lifetime), None);
        let ahead = |text: &str| {
            let ahead = Lifetime { refresh_ahead: Some(text.parse().unwrap()), ..Lifetime::default() };
            ahead.expiration().unwrap().refresh_ahead.unwrap().when.unwrap()
        };
        use v1::refresh_ahead::When;
        assert_eq!(ahead("0.2"), When::Fraction(0.2));
        assert_eq!(ahead("off"), When::Fraction(0.0));
        assert_eq!(ahead("xfetch:1.5"), When::XfetchBeta(1.5));
    }
}
