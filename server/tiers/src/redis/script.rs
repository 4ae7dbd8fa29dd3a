//! The scripts, each with its hash. What they mean is said in them; who calls them is not known here.

use redis::Cmd;

/// A script as Redis runs it.
#[derive(Debug)]
pub(super) struct Script {
    text: String,
    hash: String,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) raise: Script,
    pub(super) write: Script,
    pub(super) fill: Script,
    pub(super) look: Script,
    pub(super) extend: Script,
    pub(super) release: Script,
}

const OPEN: &str = include_str!("scripts/open.lua");

impl Scripts {
    /// As this process sends them.
    pub(super) fn new() -> Self {
        Self {
            raise: Script::new(true, &[OPEN, include_str!("scripts/raise.lua")]),
            write: Script::new(false, &[OPEN, include_str!("scripts/write.lua")]),
            fill: Script::new(false, &[OPEN, include_str!("scripts/fill.lua")]),
            look: Script::new(true, &[OPEN, include_str!("scripts/look.lua")]),
            extend: Script::new(true, &[include_str!("scripts/extend.lua")]),
            release: Script::new(true, &[include_str!("scripts/release.lua")]),
        }
    }
}

impl Script {
    /// `when_full`: whether it runs when Redis has no room: what forgets must, and leases are small and end by themselves.
    fn new(when_full: bool, parts: &[&str]) -> Self {
        let flags = if when_full { "#!lua flags=allow-oom\n" } else { "#!lua\n" };
        let text = [&[flags], parts].concat().concat();
        let hash = sha1_smol::Sha1::from(&text).digest().to_string();
        Self { text, hash }
    }

    /// Runs it where it is known.
    pub(super) fn by_hash(&self, keys: &[String], arguments: &[&[u8]]) -> Cmd {
        call("EVALSHA", self.hash.as_bytes(), keys, arguments)
    }

    /// Runs it and makes it known.
    pub(super) fn by_text(&self, keys: &[String], arguments: &[&[u8]]) -> Cmd {
        call("EVAL", self.text.as_bytes(), keys, arguments)
    }
}

fn call(verb: &str, script: &[u8], keys: &[String], arguments: &[&[u8]]) -> Cmd {
    let mut command = redis::cmd(verb);
    command.arg(script).arg(keys.len()).arg(keys).arg(arguments);
    command
}
