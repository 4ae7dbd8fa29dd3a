//! Configuration as a user meets it: profiles, files, variables, flags, and what is refused.

use hotplate_proto::v1;

use crate::{
    harness::{Server, Setup},
    wire::*,
};

async fn limits(server: &Server) -> (u64, u64, u64) {
    let mut client = server.client().await;
    let limits = client.count("*").await.limits.unwrap();
    let stored = client.store(v1::PutRequest { expiration: None, ..put("k", "v") }).await;
    (
        limits.entries_max,
        limits.bytes_max,
        std_duration(stored.metadata.unwrap().fresh_for).as_secs_f64().round() as u64,
    )
}

#[tokio::test]
async fn profiles_are_picked_by_environment_and_seen_in_the_limits() {
    let cases = [
        ("HOTPLATE_PROFILE", "development", (20, 100_000_000, 600)),
        ("ENVIRONMENT", "testing", (5, 50_000_000, 60)),
        ("ENV", "Production", (200, 1_000_000_000, 7200)),
    ];
    for (variable, profile, expected) in cases {
        let server = Setup::default().env(variable, profile).spawn();
        assert_eq!(limits(&server).await, expected, "{profile}");
    }
    let both = Setup::default().env("HOTPLATE_PROFILE", "testing").env("ENVIRONMENT", "production").spawn();
    assert_eq!(limits(&both).await.0, 5, "HOTPLATE_PROFILE comes first");
    let flag = Setup::default().env("HOTPLATE_PROFILE", "testing").arg("--profile").arg("development").spawn();
    assert_eq!(limits(&flag).await.0, 20, "a flag comes before the environment");
}

#[tokio::test]
async fn flags_beat_variables_beat_the_file_beats_the_profile() {
    let base = || Setup::default().env("HOTPLATE_PROFILE", "testing");
    let file = || base().config("memory.entries_max = 30\n[ttl]\ndefault = \"2m\"\n");
    let variable = || file().env("HOTPLATE_MEMORY_ENTRIES_MAX", "40");
    for (setup, entries) in
        [(base(), 5), (file(), 30), (variable(), 40), (variable().arg("--memory-entries-max").arg("50"), 50)]
    {
        assert_eq!(limits(&setup.spawn()).await.0, entries, "{setup:?}");
    }
    assert_eq!(limits(&file().spawn()).await.2, 120);
}

#[tokio::test]
async fn kinds_and_classes_of_the_file_decide_lifetimes() {
    let config = "[ttl_classes]\nrace_weekend = \"3d\"\n[kinds]\nimitation_learning = \"medium\"\nsklearn = \"1h\"\n\
                  performance = \"very_long\"\nlap = \"race_weekend\"\n[namespaces.special.kinds]\nsklearn = \"5m\"\n";
    let server = Setup::default().config(config).spawn();
    let mut client = server.client().await;
    let cases = [
        ("", "imitation_learning", 1800),
        ("", "sklearn", 3600),
        ("", "performance", 7200),
        ("", "lap", 3 * 86_400),
        ("special", "sklearn", 300),
        ("special", "performance", 7200),
    ];
    for (namespace, kind, seconds) in cases {
        let stored =
            client.store(v1::PutRequest { namespace: namespace.to_owned(), ..put_kind("k", kind, kind) }).await;
        let fresh = std_duration(stored.metadata.unwrap().fresh_for);
        assert!(fresh.as_secs().abs_diff(seconds) <= 1, "{kind} in {namespace:?}: {fresh:?}");
    }
}

#[test]
fn mistakes_are_named_with_what_was_meant() {
    let cases = [
        (Setup::default().config("memory.entries_mx = 3\n"), "memory.entries_max"),
        (Setup::default().config("memory.entries_max = \"many\"\n"), "memory.entries_max"),
        (Setup::default().config("limits.calls_max = 0\n"), "limits.calls_max"),
        (Setup::default().config("not toml at all ["), "TOML"),
        (Setup::default().config("[kinds]\nsklearn = \"lonng\"\n"), "long"),
        (Setup::default().env("HOTPLATE_MEMORY_ENTRIES_MX", "3"), "HOTPLATE_MEMORY_ENTRIES_MAX"),
        (Setup::default().env("HOTPLATE_PROFILE", "prodution"), "production"),
        (Setup::default().env("HOTPLATE_TTL_DEFAULT", "soon"), "HOTPLATE_TTL_DEFAULT"),
    ];
    for (setup, named) in cases {
        let (status, output, errors) = setup.run();
        assert!(!status.success(), "{setup:?}");
        assert!(errors.contains(named), "{setup:?}: {named} is not in {errors}");
        assert!(output.is_empty(), "{setup:?}: {output}");
    }
}

#[test]
fn every_mistake_is_told_at_once() {
    let setup =
        Setup::default().config("memory.entries_mx = 3\nttl.default = \"soon\"\n").env("HOTPLATE_LOG_LEVEL", "loud");
    let (_, _, errors) = setup.run();
    for named in ["entries_mx", "soon", "loud"] {
        assert!(errors.contains(named), "{named} is not in {errors}");
    }
}

#[test]
fn an_open_server_on_other_addresses_is_refused_with_the_way_out() {
    let (status, _, errors) = Setup::default().listen("0.0.0.0:0").run();
    assert_eq!(status.code(), Some(78), "{errors}");
    assert!(errors.contains("--insecure-bind") && errors.contains("token create"), "{errors}");
}

#[test]
fn a_configuration_can_be_checked_and_printed_without_serving() {
    let (status, _, errors) = Setup::default().config("memory.entries_max = 33\n").arg("--check-config").run();
    assert!(status.success(), "{errors}");
    let (status, _, errors) = Setup::default().config("memory.entries_max = -1\n").arg("--check-config").run();
    assert!(!status.success() && errors.contains("memory.entries_max"), "{errors}");
    let secret = hotplate_daemon::access::token::generate();
    let config = format!(
        "memory.entries_max = 33\n[[access.tokens]]\nid = \"{}\"\nsha256 = \"{}\"\nrole = \"reader\"\nnamespaces = [\"*\"]\n",
        secret.id, secret.sha256_hex
    );
    let (status, output, errors) = Setup::default().config(&config).arg("--print-config").run();
    assert!(status.success(), "{errors}");
    assert!(output.contains("entries_max = 33"), "{output}");
    assert!(!output.contains(&secret.sha256_hex), "sums of tokens are not printed");
}
