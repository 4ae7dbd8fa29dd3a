//! The items of a preload: from flags, or from a file with one JSON object a line.

use std::collections::HashMap;

use hotplate::v1;
use serde::Deserialize;
use tokio::io::AsyncReadExt;

use super::Preload;
use crate::{duration, exit::Failure, verb::lifetime::Lifetime};

/// One line of the file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    key: String,
    origin: Option<String>,
    parameters: Option<HashMap<String, String>>,
    ttl: Option<String>,
    ttl_class: Option<String>,
    stale_for: Option<String>,
    refresh_ahead: Option<String>,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    tags: Vec<String>,
}

/// The items that the command line names; none when a job is joined.
pub(super) async fn read(verb: &Preload) -> Result<Vec<v1::PreloadItem>, Failure> {
    let keys = verb.key.iter().map(|key| Line { key: key.clone(), ..Line::default() });
    let lines: Vec<Line> = match &verb.file {
        None => keys.collect(),
        Some(path) => {
            let name = path.display().to_string();
            let mut text = String::new();
            let read = if name == "-" {
                tokio::io::stdin().read_to_string(&mut text).await.map(|_| text)
            } else {
                tokio::fs::read_to_string(path).await
            };
            parse(&name, &read.map_err(|error| Failure::usage(format!("{name}: {error}")))?)?
        }
    };
    if lines.is_empty() && verb.job.is_none() {
        return Err(Failure::usage("there is nothing to preload: the file is empty"));
    }
    let items = lines.into_iter().map(|line| item(line, verb));
    items.collect::<Result<_, String>>().map_err(Failure::usage)
}

/// Every line is checked before anything is sent.
fn parse(name: &str, text: &str) -> Result<Vec<Line>, Failure> {
    let filled = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let parsed = filled.map(|(at, line)| {
        let wrong = |error| Failure::usage(format!("{name}, line {}: {error}", at + 1));
        serde_json::from_str(line).map_err(wrong)
    });
    parsed.collect()
}

fn item(line: Line, verb: &Preload) -> Result<v1::PreloadItem, String> {
    let read = |text: Option<&String>| {
        let parsed = text.map(|text| duration::parse(text)).transpose();
        parsed.map_err(|what| format!("{:?}: {what}", line.key))
    };
    let own = Lifetime {
        ttl: read(line.ttl.as_ref())?,
        ttl_class: line.ttl_class.clone(),
        stale_for: read(line.stale_for.as_ref())?,
        idle_ttl: None,
        refresh_ahead: line.refresh_ahead.as_ref().map(|text| text.parse()).transpose()?,
    };
    if own.ttl.is_some() && own.ttl_class.is_some() {
        return Err(format!("{:?}: gives both ttl and ttl_class", line.key));
    }
    Ok(v1::PreloadItem {
        key: line.key,
        origin: line.origin.or_else(|| verb.origin.clone()).unwrap_or_default(),
        parameters: line.parameters.unwrap_or_else(|| verb.param.iter().cloned().collect()),
        expiration: own.expiration().or_else(|| verb.lifetime.expiration()),
        kind: line.kind,
        tags: line.tags,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_line_is_named() {
        let text = "{\"key\": \"a\"}\n\n{\"key\": \"b\", \"tll\": \"1h\"}\n";
        let failure = parse("items.jsonl", text).unwrap_err();
        assert!(failure.message.starts_with("items.jsonl, line 3: unknown field `tll`"), "{failure}");
        assert_eq!(parse("x", "{\"key\": \"a\"}\n\n").unwrap().len(), 1);
    }
}
