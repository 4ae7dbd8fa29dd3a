//! Time of the engine's operations on one thread, without network or serialisation.

use std::sync::Arc;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use hotplate_engine::{
    Cache,
    clock::Clock,
    entry::{Description, Expiration, Payload},
    event::Silent,
    flow::{
        get::GetRequest,
        put::{Precondition, PutRequest},
    },
    namespace::EngineConfig,
    origin::Origins,
};

const KEYS: u64 = 10_000;

fn cache(entries_max: u64) -> Arc<Cache> {
    let config = EngineConfig { entries_max, seed: Some(1), ..EngineConfig::default() };
    Cache::new(config, Clock::system(), Arc::new(Silent), Origins::new()).expect("the configuration is valid")
}

fn request(number: u64, value_bytes: usize) -> PutRequest {
    let mut value = vec![0; value_bytes];
    value[..8].copy_from_slice(&number.to_le_bytes());
    PutRequest {
        namespace: String::new(),
        key: format!("k{}", number % KEYS),
        payload: Some(Payload::Value(Bytes::from(value))),
        digest: None,
        description: Description::default(),
        expiration: Expiration::default(),
        precondition: Precondition::Always,
        request_id: String::new(),
        client_id: None,
    }
}

fn operations(criterion: &mut Criterion) {
    let filled = cache(2 * KEYS);
    for number in 0..KEYS {
        filled.put(request(number, 1024)).expect("it is within its bounds");
    }
    let mut number = 0;
    let mut next = move || {
        number += 1;
        number
    };
    let get = |number| GetRequest { key: format!("k{number}"), ..GetRequest::default() };
    criterion.bench_function("get, hit", |bench| {
        bench.iter_batched_ref(|| get(next() % KEYS), |request| filled.get(request), BatchSize::SmallInput);
    });
    criterion.bench_function("get, miss", |bench| {
        bench.iter_batched_ref(|| get(KEYS + next()), |request| filled.get(request), BatchSize::SmallInput);
    });
    criterion.bench_function("put 1 KiB, replacing", |bench| {
        bench.iter_batched(|| request(KEYS + next(), 1024), |request| filled.put(request), BatchSize::SmallInput);
    });
    let full = cache(KEYS / 10);
    criterion.bench_function("put 1 KiB, evicting", |bench| {
        bench.iter_batched(|| request(next(), 1024), |request| full.put(request), BatchSize::SmallInput);
    });
}

criterion_group!(ops, operations);
criterion_main!(ops);
