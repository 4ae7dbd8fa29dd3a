//! Values that no call holds, from files to the server and back.

use std::{
    fs,
    io::Write,
    os::unix::fs::{FileTypeExt, PermissionsExt, symlink},
    process::Command,
};

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

#[test]
fn a_server_that_takes_little_with_a_call_is_given_the_rest_in_pieces() {
    let server = Server::start(&["--limits-unary-value-bytes-max", "10000"]);
    let (dir, value) = (TempDir::new().unwrap(), &large()[..500_000]);
    let path = dir.path().join("in.bin").to_str().unwrap().to_owned();
    fs::write(&path, value).unwrap();
    let put = server.done(&["put", "file", &format!("@{path}"), "--ttl", "1h", "--tag", "t", "-o", "json"]).json();
    assert!(put["bytes"] == 500_000 && put["metadata"]["tags"][0] == "t", "{put}");
    assert_eq!(server.run_with(&["put", "stdin", "-", "--ttl", "1h"], value).code, 0);
    assert!(server.done(&["get", "file"]).stdout == value && server.done(&["get", "stdin"]).stdout == value);
}

#[test]
fn a_file_that_is_replaced_keeps_its_mode_and_its_links() {
    let server = Server::start(&[]);
    server.done(&["put", "k", "new", "--ttl", "1h"]);
    let dir = TempDir::new().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::create_dir(path("elsewhere")).unwrap();
    fs::write(path("elsewhere/real"), "something longer that is old").unwrap();
    fs::set_permissions(path("elsewhere/real"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("elsewhere/real", path("link")).unwrap();
    symlink("link", path("link to link")).unwrap();
    symlink("elsewhere/made", path("dangling")).unwrap();
    for (named, real) in [("link to link", "elsewhere/real"), ("dangling", "elsewhere/made")] {
        server.done(&["get", "k", "--out", path(named).to_str().unwrap()]);
        assert!(fs::symlink_metadata(path(named)).unwrap().is_symlink(), "{named}");
        assert_eq!(fs::read_to_string(path(real)).unwrap(), "new");
    }
    assert_eq!(fs::metadata(path("elsewhere/real")).unwrap().permissions().mode() & 0o7777, 0o640);
    assert_eq!(fs::read_dir(path("elsewhere")).unwrap().count(), 2, "nothing is left beside");
}

#[test]
fn what_cannot_be_written_is_said_and_nothing_is_left() {
    let server = Server::start(&[]);
    server.done(&["put", "k", "new", "--ttl", "1h"]);
    let dir = TempDir::new().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("value"), "old").unwrap();
    for (arguments, code, said) in [
        (["--out", &path("none/value"), "-o", "json"], 2, "no file can be made beside it"),
        (["--out", &path(""), "-o", "json"], 2, "is a directory"),
        (["--out", &path("value"), "-o", "meta"], 2, "leave one of them out"),
        (["--out", &path("value"), "--max-age", "1ms"], 1, "miss"),
    ] {
        let ran = server.run(&[&["get", "k"], &arguments[..]].concat());
        assert!(ran.code == code && ran.stderr.contains(said), "{arguments:?}: {ran:?}");
    }
    assert_eq!(fs::read_to_string(path("value")).unwrap(), "old");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn what_is_no_regular_file_is_written_to_as_it_is() {
    let (server, value) = (Server::start(&[]), large());
    assert_eq!(server.run_with(&["put", "k", "-", "--ttl", "1h"], &value).code, 0);
    let dir = TempDir::new().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    assert!(Command::new("mkfifo").arg(path("fifo")).status().unwrap().success());
    let fifo = path("fifo");
    let reader = std::thread::spawn(move || fs::read(fifo).unwrap());
    server.done(&["get", "k", "--out", &path("fifo")]);
    assert!(fs::symlink_metadata(path("fifo")).unwrap().file_type().is_fifo());
    assert!(reader.join().unwrap() == value);
    // Links in a place of our own: whatever goes wrong, the machine keeps its devices.
    symlink("/dev/null", path("null")).unwrap();
    server.done(&["get", "k", "--out", &path("null")]);
    assert!(fs::metadata(path("null")).unwrap().file_type().is_char_device());
    symlink("/dev/stdout", path("stdout")).unwrap();
    assert!(server.done(&["get", "k", "--out", &path("stdout")]).stdout == value);
    // Stdout as a file is neither replaced nor begun anew.
    let file = fs::File::create(path("file")).unwrap();
    (&file).write_all(b"before ").unwrap();
    let mut command = server.command(&["get", "k", "--out", &path("stdout")]);
    assert!(command.stdout(file.try_clone().unwrap()).status().unwrap().success());
    (&file).write_all(b" after").unwrap();
    assert!(fs::read(path("file")).unwrap() == [b"before ", &value[..], b" after"].concat());
}
