//! Prints the effective configuration as a file that could be loaded again, with the source of every value. Secrets
//! are left out.

use std::{collections::BTreeMap, fmt::Write};

use hotplate_engine::namespace::KindTtl;

use super::{
    load::{Loaded, Source},
    settings::{Row, rows},
    shape::{NamespaceSettings, OriginSettings, TokenSettings},
    values::{duration_text, moment_text, size_text},
};

const REDACTED: &str = "***";

impl Loaded {
    /// The effective settings as TOML. Hashes of tokens and values of headers are shown as `***`.
    #[must_use]
    pub fn print(&self) -> String {
        let mut out = String::new();
        let profile = self.settings.profile.map_or("none", super::Profile::name);
        let by = self.profile_source.as_deref().map_or_else(String::new, |source| format!(", picked by {source}"));
        line(&mut out, &format!("# profile: {profile}{by}"));
        for row in rows() {
            let source = self.sources.get(row.key).unwrap_or(&Source::Default);
            line(&mut out, &format!("{} = {} # {source}", row.key, row_value(row, self)));
        }
        kinds(&mut out, "kinds", &self.settings.kinds);
        line(&mut out, "\n[ttl_classes]");
        for (name, ttl) in &self.settings.ttl_classes {
            line(&mut out, &format!("{} = {}", quote(name), quote(&duration_text(*ttl))));
        }
        for (name, namespace) in &self.settings.namespaces.configured {
            namespace_tables(&mut out, &format!("namespaces.{}", quote(name)), namespace);
        }
        for token in &self.settings.access.tokens {
            token_table(&mut out, token);
        }
        out
    }
}

fn row_value(row: &Row, loaded: &Loaded) -> String {
    let text = row.value(&loaded.settings);
    if row.is_bare() { text } else { quote(&text) }
}

fn namespace_tables(out: &mut String, path: &str, own: &NamespaceSettings) {
    line(out, &format!("\n[{path}]"));
    let duration = |ttl: Option<std::time::Duration>| ttl.map(|ttl| quote(&duration_text(ttl)));
    let pairs = [
        ("entries_max", own.entries_max.map(|count| count.to_string())),
        ("bytes_max", own.bytes_max.map(|bytes| quote(&size_text(bytes as u64)))),
        ("ttl_default", duration(own.ttl_default)),
        ("ttl_max", duration(own.ttl_max)),
        ("ttl_negative", duration(own.ttl_negative)),
        ("ttl_failure", duration(own.ttl_failure)),
        ("refresh_ahead", own.refresh_ahead.map(|ahead| quote(&ahead.to_string()))),
        ("jitter", own.jitter.map(|ratio| format!("{ratio:?}"))),
        ("policy", own.policy.as_deref().map(quote)),
        ("weight", own.weight.map(|weight| format!("{weight:?}"))),
        ("cost_default", duration(own.cost_default)),
    ];
    for (key, value) in pairs {
        if let Some(value) = value {
            line(out, &format!("{key} = {value}"));
        }
    }
    kinds(out, &format!("{path}.kinds"), &own.kinds);
    for (name, origin) in &own.origins {
        origin_table(out, &format!("{path}.origins.{}", quote(name)), origin);
    }
}

fn origin_table(out: &mut String, path: &str, origin: &OriginSettings) {
    line(out, &format!("\n[{path}]"));
    line(out, &format!("url = {}", quote(&origin.url)));
    line(out, &format!("timeout = {}", quote(&duration_text(origin.timeout))));
    line(out, &format!("bytes_max = {}", quote(&size_text(origin.bytes_max as u64))));
    line(out, &format!("allow_private_addresses = {}", origin.allow_private_addresses));
    for name in origin.headers.keys() {
        line(out, &format!("headers.{} = {}", quote(name), quote(REDACTED)));
    }
}

fn token_table(out: &mut String, token: &TokenSettings) {
    line(out, "\n[[access.tokens]]");
    let namespaces: Vec<String> = token.namespaces.iter().map(|pattern| quote(pattern)).collect();
    line(out, &format!("id = {}", quote(&token.id)));
    line(out, &format!("sha256 = {}", quote(REDACTED)));
    line(out, &format!("role = {}", quote(token.role.name())));
    line(out, &format!("namespaces = [{}]", namespaces.join(", ")));
    if let Some(expires) = token.expires {
        line(out, &format!("expires = {}", quote(&moment_text(expires))));
    }
}

fn kinds(out: &mut String, path: &str, kinds: &BTreeMap<String, KindTtl>) {
    if kinds.is_empty() {
        return;
    }
    line(out, &format!("\n[{path}]"));
    for (kind, lifetime) in kinds {
        let text = match lifetime {
            KindTtl::Class(class) => quote(class),
            KindTtl::Exact(ttl) => quote(&duration_text(*ttl)),
        };
        line(out, &format!("{} = {text}", quote(kind)));
    }
}

/// A basic string of TOML, which serves as a key as well.
fn quote(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                write!(quoted, "\\u{:04X}", u32::from(c)).expect("writing to a String does not fail")
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("writing to a String does not fail");
}
