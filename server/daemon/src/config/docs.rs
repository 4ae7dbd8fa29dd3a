//! Writes `docs/settings.md` from the table of settings, so that the page cannot differ from the program.

use std::fmt::Write;

use hotplate_engine::namespace::standard_ttl_classes;

use super::{
    profile::PROFILES,
    settings::{Row, rows},
    shape::Settings,
    values::duration_text,
};

const HEAD: &str = "# Settings

<!-- Generated from server/daemon/src/config/settings.rs by `cargo x gen`. Do not edit. -->

Where a setting is given more than once, the later source wins: defaults, profile, TOML file (`--config FILE` or
`HOTPLATE_CONFIG`), environment, flags. An unknown key, variable or flag is an error that suggests the nearest name.
`hotplate serve --check-config` says whether a configuration can be used; `hotplate serve --print-config` prints the
effective values and where each comes from, without secrets.

Sizes are written `64MiB`, `100MB` or as a number of bytes; durations `250ms`, `30m`, `1h30m`. An empty environment
variable counts as unset.
";

const TABLES: &str = r#"
## Namespaces

Everything a namespace does not say is taken from the sections above. Names have 1 to 64 letters, digits, `-`, `_`, `.`
and `/`; quote those with `.` or `/`.

```toml
[disk]
path = "/var/lib/hotplate/disk"

[namespaces."team-a/models"]
entries_max = 1000
bytes_max = "64MiB"
ttl_default = "2h"
ttl_max = "7d"
ttl_negative = "30s"
ttl_failure = "2s"
refresh_ahead = "0.2"
jitter = 0.1
policy = "lru"
weight = 2.0
cost_default = "250ms"
tiers = "memory+disk"
memory_codec = "zstd"

[namespaces."team-a/models".kinds]
sklearn = "long"
imitation_learning = "30m"
```

`weight` counts when namespaces compete for room: an entry of weight 2 is kept as if it had cost twice as much to compute.
`cost_default` is what computing an entry is taken to cost where neither its Put nor what is known of its kind says so.
`tiers` says in which of the server's tiers its entries lie: `memory`, `memory+disk`, `memory+shared` or all three, which is
what holds where it is not said. `memory_codec` says whether values are held compressed in memory where that is worth it: `zstd`,
or `off`, which is what holds where it is not said. `coherence` says what its server does with what it holds while it cannot
hear what other servers invalidate: `available` serves it and says so with each answer, `strict` takes it for missing.

## Kinds and TTL classes

`[kinds]` gives entries of a kind their lifetime in every namespace that says nothing else: a duration, or the name of a
TTL class. `[ttl_classes]` adds classes or changes the standard ones.

```toml
[kinds]
performance = "2h"
summarize = "very_long"

[ttl_classes]
quarter = "15m"
```

## Origins

Where Preload and Invalidate with REFRESH may fetch from. Only configured origins are ever called. A header's value may be `env:VARIABLE` or
`file:/path`, so that secrets stay out of the file.

```toml
[namespaces."team-a/models".origins.registry]
url = "https://models.example.com/{namespace}/{key}"
timeout = "10s"
bytes_max = "1MiB"
allow_private_addresses = false
headers.authorization = "env:REGISTRY_AUTHORIZATION"
```

## Access

Without tokens everyone may do everything, and the server listens on loopback only. `hotplate token create` makes a
token and prints the table to add; the secret itself is kept nowhere. Roles: `reader` reads, follows and counts; `writer`
also writes, invalidates by selector and preloads; `admin` may do everything. Namespaces are names, `prefix/*` or `*`.
An id may be there twice, so that callers can change over from one secret to the next.

```toml
[[access.tokens]]
id = "abcd2345"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
role = "writer"
namespaces = ["team-a/*"]
expires = "2030-01-01T00:00:00Z"
```
"#;

/// The page `docs/settings.md`.
#[must_use]
pub fn settings_markdown() -> String {
    let mut page = HEAD.to_owned();
    let mut section = "";
    for row in rows() {
        let of_row = row.key.split('.').next().unwrap_or_default();
        if of_row != section {
            section = of_row;
            let head = "| key | default | allowed | meaning | variable, flag |\n|---|---|---|---|---|";
            write(&mut page, &format!("\n## {section}\n\n{head}"));
        }
        write(&mut page, &row_line(row));
    }
    write(&mut page, &profiles());
    write(&mut page, TABLES.trim_end());
    write(&mut page, "\n## Standard TTL classes\n\n| class | lifetime |\n|---|---|");
    let mut classes: Vec<_> = standard_ttl_classes().into_iter().collect();
    classes.sort_by_key(|(_, ttl)| *ttl);
    for (name, ttl) in classes {
        write(&mut page, &format!("| `{name}` | {} |", duration_text(ttl)));
    }
    page
}

fn row_line(row: &Row) -> String {
    let default = row.value(&Settings::default());
    let shown = if default.is_empty() { "none".to_owned() } else { format!("`{default}`") };
    let names = format!("`{}`, `--{}`", row.variable(), row.flag());
    format!("| `{}` | {shown} | {} | {} | {names} |", row.key, row.bounds_text(), row.doc)
}

fn profiles() -> String {
    let mut text = "\n## Profiles\n\nPicked by `--profile`, else `HOTPLATE_PROFILE`, else `ENVIRONMENT`, else `ENV`. \
                    Values of the last two that name no\nprofile are ignored with a warning. Without a profile the \
                    defaults above hold.\n\n| profile | sets |\n|---|---|\n"
        .to_owned();
    for profile in PROFILES {
        let values: Vec<String> = profile.values().iter().map(|(key, value)| format!("`{key} = {value}`")).collect();
        let line = format!("| `{}` | {} |", profile.name(), values.join(", "));
        write(&mut text, &line);
    }
    text.trim_end().to_owned()
}

fn write(page: &mut String, text: &str) {
    writeln!(page, "{text}").expect("writing to a String does not fail");
}
