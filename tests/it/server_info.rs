//! GetServerInfo: version, limits, classes, profile.

use std::time::Duration;

use hotplate_proto::v1::GetServerInfoRequest;

use crate::harness::{Local, Setup};

#[tokio::test]
async fn limits_and_classes_are_those_configured() {
    let server = Local::with(|settings| {
        settings.limits.value_bytes_max = 12_345;
        settings.limits.batch_items_max = 17;
        settings.preload.items_max = 19;
        settings.watch.pending_max = 23;
        settings.watch.keys_max = 29;
        settings.ttl_classes.insert("blink".to_owned(), Duration::from_secs(1));
    })
    .await;
    let info = server.client().await.get_server_info(GetServerInfoRequest {}).await.unwrap().into_inner();
    let limits = info.limits.unwrap();
    assert_eq!((limits.key_bytes_max, limits.value_bytes_max, limits.batch_items_max), (1024, 12_345, 17));
    assert_eq!((limits.tags_max, limits.message_bytes_max), (64, 4 << 20));
    assert_eq!((limits.preload_items_max, limits.watch_pending_max, limits.watch_keys_max), (19, 23, 29));
    assert_eq!(info.version, env!("CARGO_PKG_VERSION"));
    assert!(info.features.iter().all(|feature| !feature.is_empty()), "{:?}", info.features);
    let classes = [
        ("very_short", 300),
        ("short", 900),
        ("medium", 1800),
        ("long", 3600),
        ("very_long", 7200),
        ("day", 86_400),
        ("week", 604_800),
        ("blink", 1),
    ];
    assert_eq!(info.ttl_classes.len(), classes.len());
    for (name, length) in classes {
        assert_eq!(info.ttl_classes.get(name).map(|class| class.seconds), Some(length), "{name}");
    }
    assert!(info.started_at.is_some());
}

#[tokio::test]
async fn the_profile_is_told() {
    let server = Setup::default().env("HOTPLATE_PROFILE", "testing").spawn();
    let info = server.client().await.get_server_info(GetServerInfoRequest {}).await.unwrap().into_inner();
    assert_eq!(info.profile, "testing");
}
