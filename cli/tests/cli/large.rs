//! Values that no call holds, from files to the server and back.

use std::fs;

use tempfile::TempDir;

use crate::run::Server;

/// More than a call holds, and no two chunks alike.
fn large() -> Vec<u8> {
    (0..9_000_001_u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect()
}

#[test]
fn files_of_any_size_go_there_and_back() {
    let server = Server::start(&[]);
    let (dir, value) = (TempDir::new().unwrap(), large());
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("in.bin"), &value).unwrap();
    let put = server.done(&["put", "file", &format!("@{}", path("in.bin")), "--ttl", "1h", "-o", "json"]).json();
    assert!(put["bytes"] == 9_000_001 && put["outcome"] == "STORED", "{put}");
    let got = server.done(&["get", "file", "--out", &path("out.bin"), "-o", "json"]).json();
    assert!(got["bytes"] == 9_000_001 && got["etag"] == put["etag"], "{got}");
    assert!(fs::read(path("out.bin")).unwrap() == value);
    assert!(server.done(&["get", "file"]).stdout == value, "to a pipe");
    assert_eq!(server.run_with(&["put", "stdin", "-", "--ttl", "1h"], &value).code, 0);
    server.done(&["get", "stdin", "-o", &path("again.bin")]);
    assert!(fs::read(path("again.bin")).unwrap() == value);
    assert_eq!(server.run(&["put", "file", &format!("@{}", path("in.bin")), "--ttl", "1h", "--if-absent"]).code, 1);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3, "nothing is left beside");
}
