//! Values held compressed in memory: nobody sees it but in what they are charged.

use hotplate_proto::v1;

use crate::{
    harness::{Local, namespace},
    health::http,
    wire::*,
};

#[tokio::test]
async fn a_namespace_may_hold_its_values_compressed_in_memory() {
    let server = Local::with(|settings| namespace(settings, "small").memory_codec = Some(true)).await;
    let mut client = server.client().await;
    let value: String = (0..300).map(|number| format!("{{\"number\":{number},\"score\":0.{number}}},")).collect();
    let mut charged = Vec::new();
    for name in ["small", "other"] {
        let namespace = name.to_owned();
        client.store(v1::PutRequest { namespace: namespace.clone(), ..put("k", &value) }).await;
        let answer = client.ask(v1::GetRequest { namespace, ..get("k") }).await;
        assert_eq!(value_of(&answer), value.as_bytes());
        assert_eq!(facts_of(&answer).size_bytes, value.len() as u64);
        charged.push((
            facts_of(&answer).stored_bytes,
            facts_of(&answer).digest.clone(),
            facts_of(&answer).etag.clone(),
        ));
    }
    let (small, other) = (&charged[0], &charged[1]);
    assert!(small.0 * 3 < other.0, "{} and {}", small.0, other.0);
    assert_eq!((&small.1, &small.2), (&other.1, &other.2));
    let (_, metrics) = http(&format!("http://{}/metrics", server.http)).await;
    let raw = format!("hotplate_tier_codec_raw_bytes_total{{tier=\"memory\"}} {}", value.len());
    assert!(metrics.contains(&raw), "{metrics}");
}
