//! Tests of the configuration as a whole: sources, precedence, unknown names, contradictions, printing.

mod tiers;

use std::{ffi::OsString, fs, time::Duration};

use clap::Command;
use hotplate_engine::namespace::KindTtl;
use tempfile::TempDir;

use super::*;

/// Loads from flags, variables and the text of a file.
fn load_from(flags: &[&str], variables: &[(&str, &str)], file: &str) -> Result<Loaded, ConfigError> {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("hotplate.toml");
    fs::write(&path, file).unwrap();
    let mut arguments = vec!["serve", "--config", path.to_str().unwrap()];
    arguments.extend(flags);
    let matches = add_flags(Command::new("serve")).get_matches_from(arguments);
    load(&matches, os(variables))
}

fn os(variables: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect()
}

fn problem(flags: &[&str], variables: &[(&str, &str)], file: &str) -> String {
    load_from(flags, variables, file).unwrap_err().to_string()
}

const TOKEN: &str = r#"
[[access.tokens]]
id = "abcd2345"
sha256 = "0000000000000000000000000000000000000000000000000000000000000001"
role = "writer"
namespaces = ["team-a/*", "shared"]
expires = 2030-01-01T00:00:00Z
"#;

#[test]
fn rows_have_their_own_names_and_defaults_within_bounds() {
    let mut seen = std::collections::BTreeSet::new();
    for row in rows() {
        assert!(seen.insert(row.key.to_owned()), "{} twice", row.key);
        assert!(seen.insert(row.variable()), "{} twice", row.variable());
        assert!(seen.insert(row.flag()), "{} twice", row.flag());
        let default = row.value(&Settings::default());
        let mut settings = Settings::default();
        row.set(&mut settings, &default).unwrap_or_else(|what| panic!("{}: {what}", row.key));
        assert_eq!(settings, Settings::default(), "{} does not survive being written and read", row.key);
        assert!(row.doc.ends_with('.') && !row.doc.contains('|'), "{}", row.key);
    }
    add_flags(Command::new("serve")).debug_assert();
}

#[test]
fn plain_defaults_hold_without_any_source() {
    let loaded = load_from(&[], &[], "").unwrap();
    assert_eq!(loaded.settings, Settings::default());
    assert_eq!(loaded.action, Action::Serve);
    assert!(loaded.warnings.is_empty());
    let engine = loaded.settings.engine();
    // The engine alone takes what one message holds; a server takes what its memory does.
    let plain = hotplate_engine::namespace::EngineConfig::default();
    let expected = hotplate_engine::namespace::EngineConfig { value_bytes_max: plain.bytes_max, ..plain };
    assert_eq!(format!("{engine:?}"), format!("{expected:?}"));
}

#[test]
fn later_sources_win() {
    let file = "[memory]\nentries_max = 3\n[ttl]\ndefault = \"3m\"\njitter = 0.25";
    let variables = [("HOTPLATE_PROFILE", "testing"), ("HOTPLATE_TTL_DEFAULT", "4m")];
    let settings = |flags: &[&str]| load_from(flags, &variables, file).unwrap().settings;
    let of_variables = settings(&[]);
    assert_eq!(of_variables.memory.bytes_max, 50_000_000, "profile over default");
    assert_eq!(of_variables.memory.entries_max, 3, "file over profile");
    assert!((of_variables.ttl.jitter - 0.25).abs() < f64::EPSILON);
    assert_eq!(of_variables.ttl.default, Duration::from_secs(240), "environment over file");
    assert_eq!(settings(&["--ttl-default", "5m"]).ttl.default, Duration::from_secs(300), "flag over environment");
}

#[test]
fn profiles_set_their_limits_and_are_picked_in_order() {
    for (profile, entries, megabytes, minutes) in
        [("development", 20, 100, 10), ("testing", 5, 50, 1), ("Production", 200, 1000, 120)]
    {
        for variable in ["HOTPLATE_PROFILE", "ENVIRONMENT", "ENV"] {
            let settings = load_from(&[], &[(variable, profile)], "").unwrap().settings;
            assert_eq!(settings.memory.entries_max, entries);
            assert_eq!(settings.memory.bytes_max, megabytes * 1_000_000);
            assert_eq!(settings.ttl.default, Duration::from_secs(minutes * 60));
            assert_eq!(settings.profile, Profile::named(profile));
        }
    }
    let all = [("HOTPLATE_PROFILE", "testing"), ("ENVIRONMENT", "production"), ("ENV", "development")];
    let picked = |variables: &[(&str, &str)]| load_from(&[], variables, "").unwrap().settings.profile;
    assert_eq!(picked(&all), Some(Profile::Testing));
    assert_eq!(picked(&all[1..]), Some(Profile::Production));
    assert_eq!(picked(&all[2..]), Some(Profile::Development));
    let flag = load_from(&["--profile", "development"], &all, "").unwrap();
    assert_eq!(flag.settings.profile, Some(Profile::Development));
}

#[test]
fn profiles_are_complete_by_name() {
    for profile in PROFILES {
        for (key, _) in profile.values() {
            assert!(find(key).is_some(), "{key}");
        }
        assert!(load_from(&["--profile", profile.name()], &[], "").is_ok());
    }
}

#[test]
fn foreign_profile_names_are_ignored_with_a_warning_but_ours_are_not() {
    let loaded = load_from(&[], &[("ENVIRONMENT", "staging")], "").unwrap();
    assert_eq!(loaded.settings.profile, None);
    assert!(loaded.warnings[0].contains("staging"), "{:?}", loaded.warnings);
    let message = problem(&[], &[("HOTPLATE_PROFILE", "prodction")], "");
    assert!(message.contains("did you mean `production`?"), "{message}");
}

#[test]
fn what_clients_and_their_tests_are_told_is_no_mistake() {
    let client = [("HOTPLATE_URL", "hotplate://localhost"), ("HOTPLATE_BIN", "/usr/bin/hotplate")];
    assert!(load_from(&[], &client, "").is_ok());
}

#[test]
fn unknown_names_suggest_the_nearest() {
    let message = problem(&[], &[], "[limits]\nvalue_byte_max = 3\n[limts]\ncalls_max = 3");
    assert!(message.contains("unknown key `limits.value_byte_max`; did you mean `limits.value_bytes_max`?"));
    assert!(message.contains("unknown key `limts.calls_max`; did you mean `limits.calls_max`?"), "{message}");
    let message = problem(&[], &[("HOTPLATE_TTL_DEFALT", "3m")], "");
    assert!(message.contains("unknown variable `HOTPLATE_TTL_DEFALT`; did you mean `HOTPLATE_TTL_DEFAULT`?"));
    let flag = add_flags(Command::new("serve")).try_get_matches_from(["serve", "--ttl-defalt", "3m"]);
    assert!(flag.unwrap_err().to_string().contains("--ttl-default"));
    let message =
        problem(&[], &[], "[namespaces.x]\nttl_defalt = \"3m\"\n[namespaces.x.origins.o]\nurI = \"http://h\"");
    assert!(message.contains("`namespaces.x.ttl_defalt`; did you mean `ttl_default`?"), "{message}");
    assert!(message.contains("`namespaces.x.origins.o.urI`; did you mean `url`?"), "{message}");
}

#[test]
fn variables_of_clients_and_of_kubernetes_are_no_mistakes() {
    let variables = [
        ("HOTPLATE_URL", "http://127.0.0.1:7070"),
        ("HOTPLATE_TOKEN", "hp_x"),
        ("HOTPLATE_SERVICE_HOST", "10.0.0.1"),
        ("HOTPLATE_SERVICE_PORT_GRPC", "7070"),
        ("HOTPLATE_PORT", "tcp://10.0.0.1:7070"),
        ("HOTPLATE_HEADLESS_PORT_7070_TCP_ADDR", "10.0.0.1"),
        ("HOTPLATE_TTL_DEFAULT", ""),
    ];
    assert_eq!(load_from(&[], &variables, "").unwrap().settings, Settings::default());
    assert!(load_from(&[], &[("HOTPLATE_PORT", "7070")], "").is_err(), "somebody means to set the port");
}

#[test]
fn every_problem_is_reported_with_its_source() {
    let file = "[ttl]\ndefault = 30\n[memory]\nbytes_max = \"lots\"\n[log]\nformat = \"xml\"";
    let error = load_from(&["--limits-batch-items-max", "0"], &[("HOTPLATE_LISTEN", "x")], file).unwrap_err();
    assert_eq!(error.problems().len(), 5, "{error}");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let all = error.to_string();
    for part in
        ["ttl.default: `30` is no duration", "memory.bytes_max", "auto, text, json", "1 to 10000", "hotplate.toml:"]
    {
        assert!(all.contains(part), "{part} in {all}");
    }
    assert!(problem(&[], &[], "no toml").contains("this is no TOML"));
    let matches = add_flags(Command::new("serve")).get_matches_from(["serve", "--config", "/nowhere/h.toml"]);
    assert!(load(&matches, os(&[])).unwrap_err().to_string().contains("/nowhere/h.toml: cannot be read"));
}

#[test]
fn an_open_server_stays_on_loopback() {
    for flags in [&["--listen", "0.0.0.0:7070"], &["--listen", "[::]:0"], &["--http", "192.0.2.1:7071"]] {
        let error = load_from(flags, &[], "").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OpenBind, "{flags:?}");
        for part in ["hotplate token create", "--insecure-bind"] {
            assert!(error.to_string().contains(part), "{error}");
        }
        let insecure = [&flags[..], &["--insecure-bind"]].concat();
        assert!(load_from(&insecure, &[], "").is_ok(), "{flags:?}");
        assert!(load_from(&flags[..], &[], TOKEN).is_ok(), "{flags:?} with a token");
    }
    let warned = |flags: &[&str], file: &str| load_from(flags, &[], file).unwrap().warnings.join("\n");
    assert!(warned(&["--listen", "0.0.0.0:0", "--insecure-bind"], "").contains("everyone who can connect"));
    assert!(warned(&["--listen", "0.0.0.0:0"], TOKEN).contains("plaintext"));
    let quotas = warned(&[], "[namespaces.a]\nbytes_max = \"1GiB\"\nentries_max = 5");
    assert_eq!(quotas, "namespaces.a.bytes_max is above memory.bytes_max, so it has no effect");
    assert!(warned(&[], "[namespaces.a]\nbytes_max = \"256MiB\"\nentries_max = 1000000").is_empty());
    for loopback in ["127.0.0.1:0", "[::1]:0", "127.1.2.3:0", "[::ffff:127.0.0.1]:0"] {
        assert!(load_from(&["--listen", loopback], &[], "").is_ok(), "{loopback}");
    }
}

#[test]
fn contradictions_are_refused() {
    let cases: &[(&str, &str)] = &[
        ("[limits]\nunary_value_bytes_max = \"3MiB\"\nmessage_bytes_max = \"3MiB\"", "limits.message_bytes_max"),
        ("[limits]\nunary_value_bytes_max = \"2MiB\"\n[memory]\nbytes_max = \"1MiB\"", "above memory.bytes_max"),
        ("[limits]\nunary_value_bytes_max = \"3145729\"", "1 to 3MiB"),
        ("[memory]\nshards = 3", "power of two"),
        ("[preload]\nparallelism_default = 40", "parallelism_default"),
        ("[shutdown]\ndrain_delay = \"10s\"", "leaves nothing"),
        ("[grpc]\nlisten = \"127.0.0.1:7071\"", "both 127.0.0.1:7071"),
        ("[ttl]\nmax = \"10m\"", "the default lifetime is 30m, above the longest one, 10m"),
        ("[ttl]\njitter = 0.6", "0 to 0.5"),
        ("[namespaces.x]\nttl_max = \"10m\"", "namespaces.x: the default lifetime"),
        ("[namespaces.x]\nttl_default = \"0s\"", "longer than zero"),
        ("[namespaces.\"a b\"]", "namespaces.a b"),
        ("[kinds]\nsklearn = \"lon\"", "did you mean `long`?"),
        ("[tls]\ncert_file = \"/nowhere/cert.pem\"", "tls.key_file is not set"),
        ("[log]\nfilter = \"hotplate=loud\"", "log.filter"),
        ("[namespaces]\ncreate = \"configured\"", "no [namespaces.NAME] is"),
        ("[namespaces]\nmax = 1\n[namespaces.a]\n[namespaces.b]", "above namespaces.max"),
        ("profile = \"production\"", "HOTPLATE_PROFILE"),
        ("[memory]\npolicy = \"lrru\"", "memory.policy: there is no eviction policy"),
        ("[namespaces.x]\npolicy = \"\"", "namespaces.x.policy: there is no eviction policy"),
        ("[namespaces.x]\nweight = 0", "namespaces.x.weight: `0` is no weight"),
        ("[namespaces.x]\nweight = nan", "namespaces.x.weight: `NaN` is no weight"),
        ("[memory]\nobjective = \"cost\"", "memory.objective: "),
        ("[namespaces.x.origins.o]\nurl = \"http://h/{key\"", "namespaces.x.origins.o: "),
        ("kinds = 3", "kinds: is not a table"),
    ];
    for (file, part) in cases {
        let message = problem(&[], &[], file);
        assert!(message.contains(part), "{file}: {message}");
    }
}

#[test]
fn namespaces_kinds_and_classes_reach_the_engine() {
    let file = r#"
[ttl_classes]
quarter = "15m"
[kinds]
sklearn = "long"
performance = "2h"
[namespaces."team-a/models"]
entries_max = 7
bytes_max = "3MB"
policy = "lru"
weight = 2.5
cost_default = "250ms"
[namespaces."team-a/models".kinds]
sklearn = "quarter"
"#;
    let engine = load_from(&[], &[], file).unwrap().settings.engine();
    assert_eq!(engine.ttl_classes["quarter"], Duration::from_secs(900));
    assert_eq!(engine.ttl_classes.len(), 8);
    let own = &engine.namespaces["team-a/models"];
    assert_eq!((own.entries_max, own.bytes_max), (Some(7), Some(3_000_000)));
    assert_eq!((&*own.policy, own.weight, own.cost_default), ("lru", 2.5, Some(Duration::from_millis(250))));
    assert_eq!(own.ttl_default, Duration::from_secs(1800));
    assert_eq!(own.kind_ttl["sklearn"], KindTtl::Class("quarter".to_owned()));
    assert_eq!(own.kind_ttl["performance"], KindTtl::Exact(Duration::from_secs(7200)));
    assert_eq!(engine.namespace_default.unwrap().kind_ttl["sklearn"], KindTtl::Class("long".to_owned()));
    let closed = load_from(&["--namespaces-create", "configured"], &[], file).unwrap().settings.engine();
    assert!(closed.namespace_default.is_none());
}

#[test]
fn tokens_are_read_strictly() {
    let settings = load_from(&[], &[], TOKEN).unwrap().settings;
    let token = &settings.access.tokens[0];
    assert_eq!((token.id.as_str(), token.role), ("abcd2345", crate::access::Role::Writer));
    assert_eq!(token.expires, Some(Duration::from_secs(1_893_456_000)));
    for (from, to, part) in [
        ("abcd2345", "short", "is no id"),
        ("0001\"", "\"", "is no SHA-256"),
        ("writer", "owner", "is no role"),
        ("\"shared\"", "\"a*\"", "no namespace pattern"),
        ("[\"team-a/*\", \"shared\"]", "[]", "for no namespace"),
        ("2030-01-01T00:00:00Z", "\"soon\"", "is no moment"),
        ("role =", "rule =", "did you mean `role`?"),
    ] {
        let message = problem(&[], &[], &TOKEN.replace(from, to));
        assert!(message.contains(part), "{from} -> {to}: {message}");
    }
    assert!(load_from(&[], &[], &TOKEN.repeat(2)).is_ok(), "two secrets of one id are there to change over");
    assert!(problem(&[], &[], &TOKEN.repeat(3)).contains("at most 2"));
}

const ORIGIN: &str = r#"
[namespaces.models.origins.registry]
url = "https://models.example.com/{key}"
headers.authorization = "env:HOTPLATE_REGISTRY_AUTHORIZATION"
headers.x-plain = "seen"
"#;

#[test]
fn secrets_of_origins_come_from_outside_and_are_never_shown() {
    let variables = [("HOTPLATE_REGISTRY_AUTHORIZATION", "Bearer s3cret")];
    let loaded = load_from(&[], &variables, &format!("{ORIGIN}{TOKEN}")).unwrap();
    let origin = &loaded.settings.namespaces.configured["models"].origins["registry"];
    assert_eq!(origin.headers["authorization"].expose(), "Bearer s3cret");
    assert_eq!(origin.timeout, Duration::from_secs(10));
    assert!(!origin.allow_private_addresses);
    let shown = format!("{}{:?}", loaded.print(), loaded.settings);
    assert!(!shown.contains("s3cret") && !loaded.print().contains("seen"), "{shown}");
    assert!(!loaded.print().contains("00000001"), "{}", loaded.print());
    assert!(problem(&[], &[], ORIGIN).contains("HOTPLATE_REGISTRY_AUTHORIZATION is not set"));
    let dir = TempDir::new().unwrap();
    let secret = dir.path().join("secret");
    fs::write(&secret, "from a file\n").unwrap();
    let by_file = ORIGIN.replace("env:HOTPLATE_REGISTRY_AUTHORIZATION", &format!("file:{}", secret.display()));
    let loaded = load_from(&[], &[], &by_file).unwrap();
    let origin = &loaded.settings.namespaces.configured["models"].origins["registry"];
    assert_eq!(origin.headers["authorization"].expose(), "from a file");
    assert!(problem(&[], &[], &ORIGIN.replace("https:", "ftp:")).contains("begins with"));
}

#[test]
fn what_is_printed_names_sources_and_loads_again() {
    let file = "[kinds]\n\"odd \\\"kind\\\\ \u{200b}ü\" = \"90m\"\n[namespaces.\"a.b/c\"]\nttl_default = \"3m\"\njitter = 0.5\n\
                [namespaces.\"a.b/c\".origins.o]\nurl = \"http://h/{key}\"\ntimeout = \"250ms\"\n[ttl]\nnegative = \"5s\"";
    let variables = [("ENV", "production"), ("HOTPLATE_LOG_LEVEL", "warn")];
    let loaded = load_from(&["--listen", "127.0.0.1:9", "--print-config"], &variables, file).unwrap();
    assert_eq!(loaded.action, Action::Print);
    let printed = loaded.print();
    for part in [
        "# profile: production, picked by ENV",
        "grpc.listen = \"127.0.0.1:9\" # flag --listen",
        "memory.bytes_max = \"1GB\" # profile production",
        "log.level = \"warn\" # env HOTPLATE_LOG_LEVEL",
        "memory.shards = 16 # default",
        "ttl.negative = \"5s\" # file ",
    ] {
        assert!(printed.contains(part), "{part} in\n{printed}");
    }
    let again = load_from(&["--profile", "production"], &[], &printed).unwrap().settings;
    assert_eq!(again, loaded.settings, "{printed}");
    assert_eq!(load_from(&["--check-config"], &[], "").unwrap().action, Action::Check);
}

#[test]
fn the_page_tells_every_setting() {
    let page = settings_markdown();
    for row in rows() {
        assert!(page.contains(&format!("| `{}` |", row.key)) && page.contains(&row.variable()), "{}", row.key);
    }
    let example = |name: &str| page.contains(name);
    assert!(example("HOTPLATE_PROFILE") && example("[[access.tokens]]") && example("| `week` | 7d |"));
    let flags = add_flags(Command::new("serve")).render_long_help().to_string();
    assert!(rows().all(|row| flags.contains(&format!("--{}", row.flag()))), "{flags}");
}

#[test]
fn the_examples_of_the_page_are_valid() {
    let page = settings_markdown();
    let examples: String = page.split("```toml\n").skip(1).filter_map(|part| part.split("```").next()).collect();
    let variables = [("REGISTRY_AUTHORIZATION", "Bearer x")];
    let settings = load_from(&[], &variables, &examples).unwrap().settings;
    assert_eq!(settings.access.tokens.len(), 1);
    assert_eq!(settings.origins().unwrap()["team-a/models"].len(), 1);
}

#[test]
fn above_a_disk_memory_may_be_smaller_than_a_value_or_nothing() {
    for size in ["0", "512KiB"] {
        let memory = format!("[memory]\nbytes_max = \"{size}\"\n");
        assert!(load_from(&[], &[], &memory).unwrap_err().to_string().contains("above memory.bytes_max"));
        let above_disk = format!("{memory}[disk]\npath = \"cache\"\n");
        assert!(load_from(&[], &[], &above_disk).is_ok(), "{size}");
    }
}

#[test]
fn the_example_with_redis_is_valid() {
    let text = include_str!("../../../../docs/examples/memory-redis.toml");
    let settings = load_from(&[], &[], text).unwrap().settings;
    assert_eq!((settings.shared.url.as_str(), settings.shared.prefix.as_str()), ("redis://127.0.0.1:6379", "hp"));
    let engine = settings.engine();
    assert_eq!(engine.namespaces["sessions"].coherence, hotplate_engine::namespace::Coherence::Strict);
    assert!(!engine.namespaces["local"].tiers.shared);
    let variables = [("HOTPLATE_SHARED_URL", "rediss+sentinel://a:1,b:2/m"), ("HOTPLATE_SHARED_TIMEOUT", "80ms")];
    let settings = load_from(&[], &variables, text).unwrap().settings;
    assert_eq!(settings.shared.timeout, std::time::Duration::from_millis(80));
    let secret = [("HOTPLATE_SHARED_URL", "redis://user:secret@a:1")];
    let refused = load_from(&[], &secret, text).unwrap_err().to_string();
    assert!(refused.contains("shared.password_file") && !refused.contains("secret@"), "{refused}");
}
