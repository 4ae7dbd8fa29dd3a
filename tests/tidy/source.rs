//! The files the rules look at, and their text with comments and literals taken out. No rule lives here.

use std::{fs, path::Path};

/// One file of the repository.
pub(crate) struct Source {
    /// Path from the root, with `/`.
    pub(crate) path: String,
    /// All of it.
    pub(crate) text: String,
}

impl Source {
    /// A file that need not exist, for the rules' own tests.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// Whether it is Rust.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Its code: comments and the contents of string literals are left out, lines keep their numbers.
    pub(crate) fn code(&self) -> String {
        code_of(&self.text)
    }

    /// Its code without unit tests, which come last in a file.
    pub(crate) fn code_without_tests(&self) -> String {
        let code = self.code();
        let end = code.find("#[cfg(test)]").unwrap_or(code.len());
        code[..end].to_owned()
    }
}

/// Fails with all findings at once.
pub(crate) fn report(findings: Vec<String>) {
    assert!(findings.is_empty(), "{} findings:\n  {}", findings.len(), findings.join("\n  "));
}

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Every text file that belongs to the project: sources, contract, documents, scripts and settings.
pub(crate) fn repository() -> Vec<Source> {
    let mut files = Vec::new();
    collect(root(), "", &mut files);
    assert!(files.len() > 20, "the sources were not found");
    files
}

/// One file by its path; fails where it is missing.
pub(crate) fn file(path: &str) -> Source {
    let text = fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    Source::new(path, &text)
}

const FOLDERS_LEFT_OUT: [&str; 7] = ["target", ".git", "node_modules", "__pycache__", ".venv", "venv", "generated"];
const ENDINGS: [&str; 9] = [".rs", ".proto", ".md", ".toml", ".yaml", ".yml", ".py", ".sh", "Dockerfile"];

fn collect(folder: &Path, prefix: &str, files: &mut Vec<Source>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(Result::unwrap).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            if !FOLDERS_LEFT_OUT.contains(&name.as_str()) {
                collect(&entry.path(), &format!("{path}/"), files);
            }
        } else if kind.is_file() && ENDINGS.iter().any(|ending| name.ends_with(ending)) {
            files.push(Source { path, text: fs::read_to_string(entry.path()).unwrap() });
        }
    }
}

fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = literal_or_comment(rest);
        if skipped == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            code.extend(rest[..skipped].chars().filter(|c| *c == '\n'));
            code.push(' ');
            rest = &rest[skipped..];
        }
    }
    code
}

/// Bytes of the comment or literal that begins here; zero where none does.
fn literal_or_comment(rest: &str) -> usize {
    let line_end = || rest.find('\n').unwrap_or(rest.len());
    if rest.starts_with("//") {
        return line_end();
    }
    if rest.starts_with("/*") {
        return rest.find("*/").map_or(rest.len(), |end| end + 2);
    }
    if let Some(raw) = rest.strip_prefix('r') {
        let hashes = raw.bytes().take_while(|byte| *byte == b'#').count();
        if raw[hashes..].starts_with('"') {
            let close = format!("\"{}", "#".repeat(hashes));
            let body = hashes + 2;
            return rest[body..].find(&close).map_or(rest.len(), |end| body + end + close.len());
        }
    }
    if rest.starts_with('"') {
        return quoted(rest, '"');
    }
    // A quote is a literal only where it closes after one character: otherwise it is a lifetime.
    let mut chars = rest.chars();
    match (chars.next(), chars.next(), chars.next()) {
        (Some('\''), Some('\\'), _) => quoted(rest, '\''),
        (Some('\''), Some(inner), Some('\'')) => inner.len_utf8() + 2,
        _ => 0,
    }
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    rest.len()
}

/// The identifiers of a text, with their byte offsets.
pub(crate) fn identifiers(code: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut start = None;
    for (at, c) in code.char_indices().chain([(code.len(), ' ')]) {
        match (start, c.is_alphanumeric() || c == '_') {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                found.push((from, &code[from..at]));
                start = None;
            }
            _ => {}
        }
    }
    found
}

/// The line a byte offset is on, counted from 1.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text[..offset].matches('\n').count() + 1
}

#[test]
fn code_is_told_from_comments_and_literals() {
    let text = "let a = \"x // y\"; // Manager\nlet b = 'c'; let c: &'static str = r#\"q\"q\"#; /* z */ d('\\'')";
    let code = code_of(text);
    assert!(!code.contains("Manager") && !code.contains('x') && !code.contains('z') && !code.contains('q'));
    assert!(code.contains("let b") && code.contains("static str") && code.contains("d("));
    assert_eq!(line_of(&code, code.find("let b").unwrap()), 2);
}
