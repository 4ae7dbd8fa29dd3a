//! Records of released versions: they are read as they were written, by every later version. A file here is never changed;
//! a new format gets a new one.

use std::{fs, path::Path};

use bytes::Bytes;

use crate::kept::{codec, key, negative, plain, rich};

fn golden(name: &str) -> Bytes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    fs::read(path).unwrap().into()
}

#[test]
fn records_of_version_1_are_read() {
    let text = "what took long to make is kept for the next who asks; ".repeat(40);
    let all = [("plain", plain("small")), ("zstd", rich(text)), ("negative", negative())];
    for (name, kept) in all {
        let decoded = codec().decode(golden(&format!("record_v1_{name}.bin"))).unwrap();
        assert_eq!((decoded.key, decoded.kept, &*decoded.stamp), (key(), kept, &b"stamp"[..]), "{name}");
    }
}

#[test]
fn heads_are_written_as_version_1_says() {
    for (name, kept) in [("plain", plain("small")), ("negative", negative())] {
        let record = codec().encode_with_stamp(&key(), &kept, b"stamp").unwrap().to_bytes();
        assert_eq!(record, golden(&format!("record_v1_{name}.bin")), "{name}: a new layout needs a new version");
    }
}
