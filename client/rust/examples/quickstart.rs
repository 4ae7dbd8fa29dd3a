//! The shortest tour: put, get, compute what is missing, invalidate.
//!
//! Start a server (`hotplate serve`), then `cargo run -p hotplate --example quickstart`. Another address, a token or a
//! namespace come from `HOTPLATE_URL`, `HOTPLATE_TOKEN` and `HOTPLATE_NAMESPACE`.

use std::time::Duration;

use hotplate::{Client, ComputeOptions, Key, Lookup, Result, Selector, TtlClass, WriteOptions};

async fn slow_sum(numbers: Vec<u64>) -> Result<u64, std::convert::Infallible> {
    tokio::time::sleep(Duration::from_millis(200)).await;
    Ok(numbers.iter().sum())
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "an example shows what it does")]
async fn main() -> Result<()> {
    let client = Client::from_env()?;
    let cache = client.default_namespace();

    let key = Key::new(["quickstart", "greeting"]).id("en");
    let options = WriteOptions::new().ttl(TtlClass::Short).tag("quickstart");
    let written = cache.put_with(&key, "hello", &options).await?;
    println!("put: {written:?}");

    match cache.get::<String>(&key).await? {
        Lookup::Hit(hit) => println!("get: {} (fresh for {:?})", hit.value, hit.fresh_for),
        Lookup::Negative(negative) => println!("get: known to be absent ({})", negative.reason),
        Lookup::Miss(reason) => println!("get: not there ({reason:?})"),
    }

    let numbers = vec![1, 2, 3];
    let sum_key = Key::new(["quickstart", "sum"]).params(&numbers);
    let options = ComputeOptions::from(options);
    for _ in 0..2 {
        let input = numbers.clone();
        println!("sum: {}", cache.get_or_compute(&sum_key, &options, || slow_sum(input)).await?);
    }

    println!("invalidate: {:?}", cache.invalidate(Selector::tag("quickstart")).await?);
    println!("cache available: {}, went without it: {:?}", client.available(), client.degradation());
    Ok(())
}
