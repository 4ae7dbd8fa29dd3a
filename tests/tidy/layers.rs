//! Who may mention whom: the rows of the engine, the one place that converts, the one that makes a `Status`, the one
//! that writes entries, and a file per RPC at every layer.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Source, file, identifiers, line_of, report, repository, root};

const ENGINE: &str = "server/engine/src/";

/// The row of each module, read from the comments and `mod` lines of the engine's `lib.rs`.
fn rows(lib: &str) -> BTreeMap<String, usize> {
    let mut row = 0;
    let mut rows = BTreeMap::new();
    for line in lib.lines() {
        if line.starts_with("// ") {
            row += 1;
        }
        let module = line.trim_start_matches("pub(crate) ").trim_start_matches("pub ").strip_prefix("mod ");
        if let Some(name) = module.and_then(|name| name.strip_suffix(';')) {
            rows.insert(name.to_owned(), row);
        }
    }
    rows
}

/// The modules a file names as `crate::x` or `crate::{x, y::z}`.
fn modules_used(code: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if !rest.starts_with('{') {
            used.extend(identifiers(rest).first().map(|(_, name)| (*name).to_owned()));
            continue;
        }
        let (mut depth, mut first) = (0, true);
        for (offset, c) in rest.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => first = true,
                c if depth == 1 && first && c.is_alphabetic() => {
                    used.extend(identifiers(&rest[offset..]).first().map(|(_, name)| (*name).to_owned()));
                    first = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    used
}

fn module_of(path: &str) -> Option<&str> {
    path.strip_prefix(ENGINE)?.split(['/', '.']).next()
}

/// A file uses only rows above its own and its own row, and no two modules of one row use each other in a circle.
fn engine_rows(lib: &str, files: &[Source]) -> Vec<String> {
    let rows = rows(lib);
    let mut findings = Vec::new();
    let mut edges: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let Some(module) = module_of(&file.path).filter(|module| *module != "lib") else { continue };
        let Some(row) = rows.get(module) else {
            findings.push(format!("{}: `{module}` has no row in lib.rs", file.path));
            continue;
        };
        for used in modules_used(&file.code_without_tests()).into_iter().filter(|used| used != module) {
            match rows.get(&used) {
                Some(other) if other > row => {
                    findings.push(format!("{}: uses `{used}`, which is below its own row", file.path));
                }
                Some(other) if other == row => {
                    edges.entry(module).or_default().insert(used);
                }
                _ => {}
            }
        }
    }
    findings.extend(circle(&edges));
    findings
}

fn circle(edges: &BTreeMap<&str, BTreeSet<String>>) -> Option<String> {
    edges.keys().find(|start| reaches_itself(start, edges)).map(|start| format!("`{start}` uses itself in a circle"))
}

fn reaches_itself(start: &str, edges: &BTreeMap<&str, BTreeSet<String>>) -> bool {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&str> = vec![start];
    while let Some(at) = open.pop() {
        let next = edges.get(at).into_iter().flatten().map(String::as_str);
        open.extend(next.filter(|next| reached.insert(*next)));
    }
    reached.contains(start)
}

/// Entries cross the border between the engine and the wire in one place.
fn one_place_converts(files: &[Source]) -> Vec<String> {
    let daemon = files.iter().filter(|file| file.is_rust() && file.path.starts_with("server/daemon/src/"));
    daemon
        .filter(|file| !file.path.starts_with("server/daemon/src/grpc/convert"))
        .filter(|file| {
            let code = file.code_without_tests();
            let names: BTreeSet<_> = identifiers(&code).into_iter().map(|(_, name)| name).collect();
            names.contains("v1") && (names.contains("EntryView") || names.contains("Facts"))
        })
        .map(|file| format!("{}: converts entries, which grpc/convert does", file.path))
        .collect()
}

/// Failures become statuses in one place, so that none lacks its details.
fn one_place_makes_statuses(files: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is_rust() && file.path.starts_with("server/daemon/src/")) {
        if file.path == "server/daemon/src/grpc/status.rs" {
            continue;
        }
        let code = file.code_without_tests();
        for (at, name) in identifiers(&code) {
            let call = code[at + name.len()..].strip_prefix("::");
            if name == "Status" && call.is_some_and(|call| call.starts_with(|c: char| c.is_lowercase())) {
                findings.push(format!("{}:{}: makes a Status", file.path, line_of(&code, at)));
            }
        }
    }
    findings
}

/// How an entry is written into a tier.
const WRITES: [&str; 3] = ["memory.insert(", "store.insert(", "shard.insert("];

/// Entries are written by the gate and by nothing else.
fn one_gate(files: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is_rust() && file.path.starts_with(ENGINE)) {
        if file.path == "server/engine/src/flow/admit.rs" || file.path.starts_with("server/engine/src/memory/") {
            continue;
        }
        let code: String = file.code_without_tests().split_whitespace().collect();
        for write in WRITES {
            if code.contains(write) {
                findings.push(format!("{}: writes an entry (`{write}`) past flow/admit.rs", file.path));
            }
        }
    }
    findings
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

/// The RPCs of the contract, in snake case.
fn rpcs(proto: &str) -> Vec<String> {
    let lines = proto.lines().filter_map(|line| line.trim().strip_prefix("rpc "));
    lines.filter_map(|line| line.split('(').next()).map(snake).collect()
}

/// Where the files of an RPC are: an RPC is served and tested in a file of its own name.
fn files_of(rpc: &str) -> Vec<String> {
    let name = rpc.strip_prefix("get_server_").map_or_else(|| rpc.to_owned(), |rest| format!("server_{rest}"));
    let verb = match name.as_str() {
        "list_entries" => Some("ls"),
        "explain_key" => Some("explain"),
        // Of these there is no verb: a command makes one call.
        "pipeline" | "server_info" | "batch_get" | "batch_put" | "extend_lease" | "release_lease" | "update_watch"
        | "revalidate" => None,
        verb => Some(verb),
    };
    let mut files = vec![format!("server/daemon/src/grpc/{name}.rs"), format!("tests/it/{name}.rs")];
    files.extend(verb.map(|verb| format!("cli/src/verb/{verb}.rs")));
    files
}

fn missing_files(proto: &str, exists: impl Fn(&str) -> bool) -> Vec<String> {
    rpcs(proto)
        .iter()
        .flat_map(|rpc| files_of(rpc))
        .filter(|path| !exists(path))
        .map(|path| format!("{path} is missing"))
        .collect()
}

#[test]
fn the_engine_is_built_in_rows() {
    report(engine_rows(&file("server/engine/src/lib.rs").text, &repository()));
}

#[test]
fn one_file_converts_between_wire_and_engine() {
    report(one_place_converts(&repository()));
}

#[test]
fn one_file_makes_statuses() {
    report(one_place_makes_statuses(&repository()));
}

#[test]
fn one_file_writes_entries() {
    let gate = file("server/engine/src/flow/admit.rs");
    assert!(gate.code().contains(WRITES[1]), "the gate writes in a way this rule does not know");
    report(one_gate(&repository()));
}

#[test]
fn every_rpc_has_its_file_at_every_layer() {
    let proto = file("proto/hotplate/v1/cache.proto");
    assert!(rpcs(&proto.text).contains(&"list_entries".to_owned()));
    report(missing_files(&proto.text, |path| root().join(path).is_file()));
}

#[test]
fn a_use_of_a_lower_row_is_found() {
    let lib = "// vocabulary\npub mod key;\npub mod error;\n// flows\npub mod flow;\n";
    let bad = Source::new("server/engine/src/key.rs", "//! x\nuse crate::{error::Error, flow::{get, put}};\n");
    assert_eq!(engine_rows(lib, &[bad]).len(), 1);
    let good = Source::new("server/engine/src/flow/get.rs", "//! x\nuse crate::{error, key::Key};\n");
    assert!(engine_rows(lib, &[good]).is_empty());
    let circle = [
        Source::new("server/engine/src/key.rs", "//! x\nuse crate::error::Error;\n"),
        Source::new("server/engine/src/error.rs", "//! x\nuse crate::key::Key;\n"),
    ];
    assert_eq!(engine_rows(lib, &circle).len(), 1);
}

#[test]
fn a_second_place_that_converts_is_found() {
    let text = "//! x\nuse hotplate_proto::v1;\nfn f(e: EntryView) -> v1::Entry {}\n";
    assert_eq!(one_place_converts(&[Source::new("server/daemon/src/grpc/get.rs", text)]).len(), 1);
    assert!(one_place_converts(&[Source::new("server/daemon/src/grpc/convert.rs", text)]).is_empty());
}

#[test]
fn a_second_place_that_makes_statuses_is_found() {
    let text =
        "//! x\nfn f() -> Status { Status::internal(\"x\") }\nfn g() -> StatusCode { StatusCode::from_u16(1) }\n";
    assert_eq!(one_place_makes_statuses(&[Source::new("server/daemon/src/grpc/get.rs", text)]).len(), 1);
}

#[test]
fn a_write_past_the_gate_is_found() {
    let text = "//! x\nfn f(&self) { self.memory\n.insert(key, entry); }\n";
    assert_eq!(one_gate(&[Source::new("server/engine/src/flow/put.rs", text)]).len(), 1);
    assert!(one_gate(&[Source::new("server/engine/src/flow/admit.rs", text)]).is_empty());
}

#[test]
fn an_rpc_without_files_is_found() {
    let proto = "service S {\n  rpc Get(GetRequest) returns (GetResponse) {}\n}\n";
    assert_eq!(missing_files(proto, |_| false).len(), 3);
}
