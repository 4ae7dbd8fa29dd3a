//! What is broken in a run of replicas, and when: the way of one of them to Redis, or the replica itself is stopped. And what
//! is done to Redis in a run that is wrong on purpose.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use clap::ValueEnum;
use hotplate_faultproxy::{End, Faults, Proxy, Way};
use hotplate_redisctl::Server as Redis;
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use tokio::time::sleep;

use super::{
    record::{Fault, Span},
    workers::Ground,
};
use crate::{clock, process::Server};

/// Calm at the end: everybody catches up, and what did not is found.
pub const CALM: Duration = Duration::from_secs(6);

/// How Redis is made wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Wrong {
    /// Values are written past the scripts: what was there comes back.
    WritesWithoutScript,
    /// Fences go and nobody is told that they did.
    ForgetsFences,
}

impl Wrong {
    /// How often it strikes.
    fn every(self) -> Duration {
        match self {
            Self::WritesWithoutScript => Duration::from_millis(300),
            Self::ForgetsFences => Duration::from_millis(2),
        }
    }

    /// What it does, in a script of its own. Names of logs end in `:c`; numbers of a log begin with `!`.
    fn script(self) -> &'static str {
        match self {
            Self::WritesWithoutScript => {
                "for _, key in ipairs(redis.call('KEYS', 'torture:*')) do
                   if redis.call('TYPE', key).ok == 'string' and redis.call('STRLEN', key) > 200 then
                     redis.call('COPY', key, 'old:' .. key)
                   end
                 end
                 for _, old in ipairs(redis.call('KEYS', 'old:*')) do
                   redis.call('COPY', old, string.sub(old, 5), 'REPLACE')
                 end
                 return 1"
            }
            Self::ForgetsFences => {
                "for _, log in ipairs(redis.call('KEYS', 'torture:*:c')) do
                   for _, name in ipairs(redis.call('ZRANGE', log, 0, -1)) do
                     if string.sub(name, 1, 1) ~= '!' then redis.call('ZREM', log, name) end
                   end
                 end
                 return 1"
            }
        }
    }

    /// Strikes again and again.
    ///
    /// # Errors
    /// Redis would not.
    pub async fn strike(self, redis: &Redis) -> Result<(), String> {
        loop {
            redis.command(&["EVAL", self.script(), "0"])?;
            sleep(self.every()).await;
        }
    }
}

/// The ways that can be broken.
pub struct Ways<'a> {
    /// To Redis, of each replica.
    pub proxies: &'a [Proxy],
    /// The replicas.
    pub servers: &'a mut [Server],
    /// Where it is recorded.
    pub ground: &'a Ground,
}

impl Ways<'_> {
    /// Breaks one thing after another until then; `told` hears of each.
    ///
    /// # Errors
    /// A replica has ended by itself.
    pub async fn play(&mut self, seed: u64, until: u64, told: &dyn Fn(&str)) -> Result<(), String> {
        let mut random = SmallRng::seed_from_u64(!seed);
        loop {
            sleep(Duration::from_millis(random.random_range(300..2000))).await;
            let replica = random.random_range(0..self.servers.len());
            let lasts = Duration::from_millis(random.random_range(100..4500));
            if clock::now() + clock::nanoseconds(lasts) > until {
                told("calm");
                return Ok(());
            }
            let from = clock::now();
            match random.random_range(0..5) {
                0 => {
                    told(&format!("replica {replica} has no way to Redis"));
                    self.proxies[replica].set(Faults::silent());
                    sleep(lasts).await;
                    self.proxies[replica].heal();
                }
                1 => {
                    told(&format!("replica {replica} hears nothing, and its connections are cut"));
                    let silent = Way { silent: true, ..Way::default() };
                    self.proxies[replica].set(Faults { down: silent, ..Faults::default() });
                    sleep(lasts / 8).await;
                    self.proxies[replica].cut(End::Reset);
                    self.proxies[replica].heal();
                }
                2 => {
                    told(&format!("replica {replica} loses its connections"));
                    self.proxies[replica].cut(End::Reset);
                }
                3 => {
                    told(&format!("replica {replica} hears late"));
                    self.proxies[replica].set(Faults::late(Duration::from_millis(50), Duration::from_millis(100)));
                    sleep(lasts).await;
                    self.proxies[replica].heal();
                }
                _ => {
                    told(&format!("replica {replica} is stopped"));
                    self.ground.stopped[replica].fetch_add(1, SeqCst);
                    self.servers[replica].stop()?;
                    sleep(lasts).await;
                    self.servers[replica].go_on()?;
                    self.ground.stopped[replica].fetch_add(1, SeqCst);
                }
            }
            let span = Span { from, to: clock::now() };
            self.ground.record.add(|history| history.faults.push(Fault { replica, span }));
        }
    }
}
