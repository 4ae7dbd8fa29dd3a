//! Code of the Rust client's README is code of its walkthrough, which is run.

use crate::source::{Source, file, report};

const README: &str = "client/rust/README.md";
const FOLDER: &str = "client/rust/";

/// The blocks that stand below `<!-- FILE#REGION -->`: the file, the region, and the code.
fn blocks(readme: &str) -> Vec<(String, String, String)> {
    let named = readme.split("<!-- ").skip(1).filter_map(|rest| rest.split_once(" -->\n```"));
    named
        .filter_map(|(name, rest)| {
            let (path, region) = name.split_once('#')?;
            let code = rest.split_once('\n')?.1.split("\n```").next()?;
            Some((path.to_owned(), region.to_owned(), code.to_owned()))
        })
        .collect()
}

/// What stands between `// region NAME` and `// endregion NAME`, moved to the left.
fn region(source: &str, name: &str) -> Option<String> {
    let (begin, end) = (format!("// region {name}"), format!("// endregion {name}"));
    let inside = source.lines().skip_while(|line| line.trim() != begin).skip(1);
    let lines: Vec<&str> = inside.take_while(|line| line.trim() != end).collect();
    let indent = lines.iter().filter(|line| !line.trim().is_empty()).map(|line| line.len() - line.trim_start().len());
    let indent = indent.min()?;
    Some(lines.iter().map(|line| line.get(indent..).unwrap_or_default()).collect::<Vec<_>>().join("\n"))
}

fn different(readme: &Source, source_of: impl Fn(&str) -> String) -> Vec<String> {
    let wrong = blocks(&readme.text).into_iter().filter_map(|(path, name, code)| {
        let is = region(&source_of(&path), &name);
        (is.as_deref() != Some(code.as_str())).then(|| format!("{}: is not what {path}#{name} is", readme.path))
    });
    wrong.collect()
}

#[test]
fn code_of_the_readme_is_code_that_runs() {
    let readme = file(README);
    assert!(blocks(&readme.text).len() > 5, "the blocks were not found");
    report(different(&readme, |path| file(&format!("{FOLDER}{path}")).text));
}

#[test]
fn code_that_nobody_runs_is_found() {
    let source = |_: &str| "fn a() {\n    // region one\n    let b = 1;\n    // endregion one\n}\n".to_owned();
    let readme = |code: &str| Source::new("r.md", &format!("<!-- s.rs#one -->\n```rust\n{code}\n```\n"));
    assert!(different(&readme("let b = 1;"), source).is_empty());
    assert_eq!(different(&readme("let b = 2;"), source).len(), 1);
}
