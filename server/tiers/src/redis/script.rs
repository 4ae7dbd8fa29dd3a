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
    /// The same, for what leaves nothing there.
    pub(super) empty: Script,
    pub(super) look: Script,
    pub(super) extend: Script,
    pub(super) release: Script,
    pub(super) peek: Script,
}

/// Does not run when Redis is full.
const STORES: &str = "#!lua";
/// Runs when Redis is full: what forgets must, and leases are small and end by themselves.
const FORGETS: &str = "#!lua flags=allow-oom";
/// Changes nothing.
const READS: &str = "#!lua flags=no-writes,allow-oom";
const OPEN: &str = include_str!("scripts/open.lua");

impl Scripts {
    /// As this process sends them.
    pub(super) fn new() -> Self {
        Self {
            raise: Script::new(FORGETS, &[OPEN, include_str!("scripts/raise.lua")]),
            write: Script::new(STORES, &[OPEN, include_str!("scripts/write.lua")]),
            fill: Script::new(STORES, &[OPEN, include_str!("scripts/fill.lua")]),
            empty: Script::new(FORGETS, &[OPEN, include_str!("scripts/fill.lua")]),
            look: Script::new(FORGETS, &[OPEN, include_str!("scripts/look.lua")]),
            extend: Script::new(FORGETS, &[include_str!("scripts/extend.lua")]),
            release: Script::new(FORGETS, &[include_str!("scripts/release.lua")]),
            peek: Script::new(READS, &[include_str!("scripts/peek.lua")]),
        }
    }
}

impl Script {
    fn new(first_line: &str, parts: &[&str]) -> Self {
        let text = format!("{first_line}\n{}", parts.concat());
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
