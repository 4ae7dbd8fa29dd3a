//! Goes through what the client does, against the server at `$HOTPLATE_URL`, and checks what it prints. The README shows parts of it.

use std::time::Duration;

use hotplate::{
    Client, ComputeOptions, ErrorKind, Invalidated, Key, Lookup, MissReason, Namespace, NearOptions, Result, Selector,
    TtlClass, WatchItem, WriteOptions,
};
use serde::{Deserialize, Serialize};

/// What takes long to compute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Metrics {
    accuracy: f64,
}

async fn train(id: &str) -> std::io::Result<Metrics> {
    println!("training {id}");
    assert_eq!(id, "abc-123", "it is stored, and not trained again");
    Ok(Metrics { accuracy: 0.91 })
}

#[tokio::main]
async fn main() -> Result<()> {
    // region open
    let client = Client::builder().env()?.near_cache(NearOptions::new()).build()?; // $HOTPLATE_URL
    let ml = client.default_namespace();
    // endregion open
    compute(&ml).await?;
    read_and_write(&ml).await?;
    invalidate(&ml).await?;
    near(&ml).await?;
    watch(&ml).await?;
    failures(&ml).await;
    println!("the walkthrough is through");
    Ok(())
}

async fn compute(ml: &Namespace) -> Result<()> {
    // region compute
    let key = Key::new(["model", "metrics"]).id("abc-123"); // model:metrics:abc-123
    let options = ComputeOptions::from(WriteOptions::new().ttl(TtlClass::Long).tag("model:abc-123"));
    // Once, however many processes ask at the same time.
    let metrics: Metrics = ml.get_or_compute(&key, &options, || train("abc-123")).await?;
    println!("accuracy {}", metrics.accuracy);
    // endregion compute
    let again: Metrics = ml.get_or_compute(&key, &options, || train("again")).await?;
    assert_eq!(again, metrics, "a second caller gets the stored value");
    Ok(())
}

async fn read_and_write(ml: &Namespace) -> Result<()> {
    // region values
    let options = WriteOptions::new().ttl(Duration::from_secs(3600));
    ml.put_with("greeting", "hello", &options).await?;
    match ml.get::<String>("greeting").await? {
        Lookup::Hit(hit) => println!("a hit: {}", hit.value),
        Lookup::Negative(negative) => println!("known to be absent: {}", negative.reason),
        Lookup::Miss(reason) => println!("not there: {reason:?}"),
    }
    // endregion values
    assert!(matches!(ml.get::<String>("greeting").await?, Lookup::Hit(hit) if hit.value == "hello"));
    assert!(matches!(ml.get::<String>("nobody").await?, Lookup::Miss(MissReason::NeverStored)));
    Ok(())
}

async fn invalidate(ml: &Namespace) -> Result<()> {
    // region invalidate
    let dropped = ml.invalidate(Selector::tag("model:abc-123")).await?;
    println!("dropped: {dropped:?}");
    // endregion invalidate
    assert_eq!(dropped, Invalidated::Done { matched: 1 }, "what has the tag is gone");
    let key = Key::new(["model", "metrics"]).id("abc-123");
    assert!(matches!(ml.get::<Metrics>(&key).await?, Lookup::Miss(MissReason::Invalidated)));
    Ok(())
}

async fn near(ml: &Namespace) -> Result<()> {
    // The first read has the server tell this process what changes; from then on it is answered here.
    for _ in 0..2_000 {
        // region near
        if let Lookup::Hit(hit) = ml.get_shared::<String>("greeting").await?
            && hit.near
        {
            println!("read from this process, without a call: {}", hit.value);
            return Ok(());
        }
        // endregion near
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("nothing was read from this process");
}

async fn watch(ml: &Namespace) -> Result<()> {
    // region watch
    let mut watch = ml.watch().selector(Selector::prefix("watched:"));
    while let Some(item) = watch.next().await {
        match item? {
            // From here on nothing is missed.
            WatchItem::Created(_) => drop(ml.put("watched:1", &7).await?),
            WatchItem::Events(events) => {
                println!("changed: {}", events.len());
                break;
            }
            _ => {}
        }
    }
    // endregion watch
    assert!(!watch.resume_token().is_empty(), "a later watch may go on after it");
    Ok(())
}

async fn failures(ml: &Namespace) {
    // region errors
    if let Err(error) = ml.get::<String>("").await {
        println!("{} in {:?}: {}", error.kind, error.field, error.message);
    }
    // endregion errors
    assert!(ml.get::<String>("").await.is_err_and(|error| error.kind == ErrorKind::InvalidArgument));
}
