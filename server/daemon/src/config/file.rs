//! Reads the TOML file: keys of the table of settings, and the tables that name things (namespaces, kinds, TTL
//! classes, origins, tokens). Collects every problem instead of stopping at the first.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use hotplate_engine::{key::namespace_name, namespace::KindTtl};
use toml::{Table, Value};

use super::{
    load::Problems,
    nearest,
    origins::origin,
    settings::{find, parse_ratio, rows},
    shape::{NamespaceSettings, Settings, TokenSettings},
    values::{parse_duration, parse_moment, parse_size},
};
use crate::access::{Role, check_pattern, token::is_id};

/// Tables of the file that are not rows of the table of settings.
pub(super) const TABLES: [&str; 4] = ["namespaces", "kinds", "ttl_classes", "access.tokens"];
/// Longest name of a kind, class or origin, in bytes.
const NAME_BYTES_MAX: usize = 128;
const NAMESPACE_KEYS: [&str; 16] = [
    "entries_max",
    "bytes_max",
    "ttl_default",
    "ttl_max",
    "ttl_negative",
    "ttl_failure",
    "refresh_ahead",
    "jitter",
    "policy",
    "weight",
    "cost_default",
    "tiers",
    "memory_codec",
    "coherence",
    "kinds",
    "origins",
];
const TOKEN_KEYS: [&str; 5] = ["id", "sha256", "role", "namespaces", "expires"];

/// What reading a file needs besides the settings it fills.
pub(super) struct FileReader<'a> {
    /// Everything wrong so far.
    pub(super) problems: &'a mut Problems,
    /// The environment, for headers that point into it.
    pub(super) variables: &'a BTreeMap<String, String>,
    /// Variables the file points to, which are therefore not unknown.
    pub(super) referenced: BTreeSet<String>,
    /// Keys of the table of settings that the file sets.
    pub(super) keys: Vec<&'static str>,
}

impl FileReader<'_> {
    /// Reads the whole file into the settings.
    pub(super) fn read(&mut self, text: &str, settings: &mut Settings) {
        let mut table: Table = match text.parse() {
            Ok(table) => table,
            Err(error) => return self.problems.add(format!("this is no TOML: {error}")),
        };
        let classes = take_table(&mut table, "ttl_classes", self.problems);
        self.classes(classes, settings);
        let kinds = take_table(&mut table, "kinds", self.problems);
        settings.kinds = self.kinds("kinds", kinds);
        if let Some(Value::Table(access)) = table.get_mut("access")
            && let Some(tokens) = access.remove("tokens")
        {
            settings.access.tokens = self.tokens(tokens);
        }
        if let Some(Value::Table(namespaces)) = table.get_mut("namespaces") {
            let names: Vec<String> =
                namespaces.iter().filter(|(_, value)| value.is_table()).map(|(name, _)| name.clone()).collect();
            for name in names {
                let own = take_table(namespaces, &name, self.problems);
                let read = self.namespace(&name, own);
                settings.namespaces.configured.insert(name, read);
            }
        }
        for (name, value) in table {
            self.rows(&name, value, settings);
        }
    }

    fn rows(&mut self, key: &str, value: Value, settings: &mut Settings) {
        if let Value::Table(table) = value {
            for (name, value) in table {
                self.rows(&format!("{key}.{name}"), value, settings);
            }
            return;
        }
        let Some(row) = find(key) else { return self.unknown(key, rows().map(|row| row.key).chain(TABLES)) };
        match scalar(value).and_then(|text| row.set(settings, &text)) {
            Ok(()) => self.keys.push(row.key),
            Err(what) => self.problems.add(format!("{key}: {what}")),
        }
    }

    fn unknown<'n>(&mut self, key: &str, known: impl Iterator<Item = &'n str>) {
        let hint = if key == "profile" {
            "; pick the profile by --profile or HOTPLATE_PROFILE".to_owned()
        } else {
            nearest(key, known).map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
        };
        self.problems.add(format!("unknown key `{key}`{hint}"));
    }

    fn classes(&mut self, table: Table, settings: &mut Settings) {
        for (name, value) in table {
            let path = format!("ttl_classes.{name}");
            self.named(&path, &name);
            if let Some(duration) = self.value(&path, value, parse_duration) {
                settings.ttl_classes.insert(name, duration);
            }
        }
    }

    fn kinds(&mut self, path: &str, table: Table) -> BTreeMap<String, KindTtl> {
        let mut kinds = BTreeMap::new();
        for (name, value) in table {
            let path = format!("{path}.{name}");
            self.named(&path, &name);
            if let Some(lifetime) = self.value(&path, value, parse_kind_ttl) {
                kinds.insert(name, lifetime);
            }
        }
        kinds
    }

    fn namespace(&mut self, name: &str, mut table: Table) -> NamespaceSettings {
        let path = format!("namespaces.{name}");
        if let Err(error) = namespace_name(name) {
            self.problems.add(format!("{path}: {}", error.message()));
        }
        let kinds = take_table(&mut table, "kinds", self.problems);
        let origins = take_table(&mut table, "origins", self.problems);
        let read = NamespaceSettings {
            entries_max: self.take(&path, &mut table, "entries_max", parse_count),
            bytes_max: self.take(&path, &mut table, "bytes_max", parse_bytes),
            ttl_default: self.take(&path, &mut table, "ttl_default", parse_ttl),
            ttl_max: self.take(&path, &mut table, "ttl_max", parse_ttl),
            ttl_negative: self.take(&path, &mut table, "ttl_negative", parse_ttl),
            ttl_failure: self.take(&path, &mut table, "ttl_failure", parse_ttl),
            refresh_ahead: self.take(&path, &mut table, "refresh_ahead", str::parse),
            jitter: self.take(&path, &mut table, "jitter", parse_ratio),
            policy: self.take(&path, &mut table, "policy", |text| Ok(text.to_owned())),
            weight: self.take(&path, &mut table, "weight", parse_weight),
            cost_default: self.take(&path, &mut table, "cost_default", parse_cost),
            tiers: self.take(&path, &mut table, "tiers", str::parse),
            memory_codec: self.take(&path, &mut table, "memory_codec", parse_memory_codec),
            coherence: self.take(&path, &mut table, "coherence", str::parse),
            kinds: self.kinds(&format!("{path}.kinds"), kinds),
            origins: self.origins(&path, origins),
        };
        self.leftovers(&path, &table, &NAMESPACE_KEYS);
        read
    }

    fn origins(&mut self, path: &str, table: Table) -> BTreeMap<String, super::shape::OriginSettings> {
        let mut origins = BTreeMap::new();
        for (name, value) in table {
            let path = format!("{path}.origins.{name}");
            self.named(&path, &name);
            let Value::Table(table) = value else {
                self.problems.add(format!("{path}: is not a table"));
                continue;
            };
            if let Some(read) = origin(self, &path, table) {
                origins.insert(name, read);
            }
        }
        origins
    }

    fn tokens(&mut self, value: Value) -> Vec<TokenSettings> {
        let Value::Array(items) = value else {
            self.problems.add("access.tokens: write each token as its own `[[access.tokens]]`".to_owned());
            return Vec::new();
        };
        let mut tokens = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            let path = format!("access.tokens[{index}]");
            match item {
                Value::Table(table) => tokens.extend(self.token(&path, table)),
                _ => self.problems.add(format!("{path}: is not a table")),
            }
        }
        tokens
    }

    fn token(&mut self, path: &str, mut table: Table) -> Option<TokenSettings> {
        let namespaces = table.remove("namespaces").and_then(|value| self.patterns(path, value));
        let expires_given = table.contains_key("expires");
        let id = self.require(path, &mut table, "id", parse_token_id);
        let sha256 = self.require(path, &mut table, "sha256", parse_sha256);
        let role = self.require(path, &mut table, "role", parse_role);
        let expires = self.take(path, &mut table, "expires", parse_moment);
        self.leftovers(path, &table, &TOKEN_KEYS);
        if namespaces.is_none() {
            self.problems.add(format!("{path}.namespaces: is missing: write a list like [\"team-a/*\"]"));
        }
        // A token whose end cannot be read must not become one without end.
        let readable = !expires_given || expires.is_some();
        let token = TokenSettings { id: id?, sha256: sha256?, role: role?, namespaces: namespaces?, expires };
        readable.then_some(token)
    }

    fn patterns(&mut self, path: &str, value: Value) -> Option<Vec<String>> {
        let path = format!("{path}.namespaces");
        let Value::Array(items) = value else { return None };
        let mut patterns = Vec::new();
        for item in items {
            match item.as_str().map(|text| check_pattern(text).map(|()| text.to_owned())) {
                Some(Ok(pattern)) => patterns.push(pattern),
                Some(Err(what)) => self.problems.add(format!("{path}: {what}")),
                None => self.problems.add(format!("{path}: is not a list of texts")),
            }
        }
        Some(patterns)
    }

    /// Takes one key of a table, if it is there, and reads it.
    pub(super) fn take<T>(
        &mut self,
        path: &str,
        table: &mut Table,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let value = table.remove(key)?;
        self.value(&format!("{path}.{key}"), value, parse)
    }

    /// Takes one key of a table that must be there, and reads it.
    pub(super) fn require<T>(
        &mut self,
        path: &str,
        table: &mut Table,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        if !table.contains_key(key) {
            self.problems.add(format!("{path}.{key}: is missing"));
        }
        self.take(path, table, key, parse)
    }

    /// Complains about what is left of a table after everything known was taken.
    pub(super) fn leftovers(&mut self, path: &str, table: &Table, known: &[&str]) {
        for key in table.keys() {
            let hint = nearest(key, known.iter().copied())
                .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            self.problems.add(format!("unknown key `{path}.{key}`{hint}"));
        }
    }

    fn value<T>(&mut self, path: &str, value: Value, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        scalar(value).and_then(|text| parse(&text)).map_err(|what| self.problems.add(format!("{path}: {what}"))).ok()
    }

    fn named(&mut self, path: &str, name: &str) {
        if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
            self.problems.add(format!("{path}: a name has 1 to {NAME_BYTES_MAX} bytes without control characters"));
        }
    }
}

/// Takes a table out of a table; empty when it is not there.
pub(super) fn take_table(table: &mut Table, key: &str, problems: &mut Problems) -> Table {
    match table.remove(key) {
        Some(Value::Table(inner)) => inner,
        None => Table::new(),
        Some(_) => {
            problems.add(format!("{key}: is not a table"));
            Table::new()
        }
    }
}

fn scalar(value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        Value::Boolean(switch) => Ok(switch.to_string()),
        Value::Datetime(moment) => Ok(moment.to_string()),
        Value::Array(_) | Value::Table(_) => Err("is a list or table where one value belongs".to_owned()),
    }
}

fn parse_kind_ttl(text: &str) -> Result<KindTtl, String> {
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return parse_ttl(text).map(KindTtl::Exact);
    }
    Ok(KindTtl::Class(text.to_owned()))
}

fn parse_ttl(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    if duration.is_zero() { Err("a lifetime is longer than zero".to_owned()) } else { Ok(duration) }
}

fn parse_cost(text: &str) -> Result<Duration, String> {
    let cost = parse_duration(text)?;
    if cost.is_zero() { Err("a cost is longer than zero".to_owned()) } else { Ok(cost) }
}

/// Reads a namespace's weight.
fn parse_weight(text: &str) -> Result<f64, String> {
    let in_bounds = |weight: &f64| (0.001..=1000.0).contains(weight);
    text.parse()
        .ok()
        .filter(in_bounds)
        .ok_or_else(|| format!("`{text}` is no weight: write a number from 0.001 to 1000"))
}

fn parse_memory_codec(text: &str) -> Result<bool, String> {
    match text {
        "zstd" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("`{text}` is no codec for memory: write zstd, or off")),
    }
}

fn parse_count(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| format!("`{text}` is no number above zero"))
}

/// Reads a size above zero.
pub(super) fn parse_bytes(text: &str) -> Result<usize, String> {
    let bytes = parse_size(text)?;
    usize::try_from(bytes).ok().filter(|size| *size > 0).ok_or_else(|| "a size is above zero".to_owned())
}

fn parse_token_id(text: &str) -> Result<String, String> {
    if is_id(text) { Ok(text.to_owned()) } else { Err(format!("`{text}` is no id: 8 letters or digits")) }
}

fn parse_sha256(text: &str) -> Result<[u8; 32], String> {
    let mut sum = [0; 32];
    let form = "is no SHA-256: 64 hexadecimal digits, as `hotplate token create` prints them";
    hex::decode_to_slice(text, &mut sum).map_err(|_not_hex| form.to_owned())?;
    Ok(sum)
}

fn parse_role(text: &str) -> Result<Role, String> {
    Role::named(text).ok_or_else(|| format!("`{text}` is no role: use reader, writer or admin"))
}
