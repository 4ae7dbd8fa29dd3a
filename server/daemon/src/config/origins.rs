//! Reads the origins of the TOML file. Secrets in headers may point to a variable or a file, so that the file itself
//! can be shared.

use std::{collections::BTreeMap, fs, time::Duration};

use http::{HeaderName, HeaderValue};
use toml::{Table, Value};

use super::{
    file::{FileReader, parse_bytes, take_table},
    shape::{OriginSettings, Secret},
    values::parse_duration,
};

const ORIGIN_KEYS: [&str; 5] = ["url", "headers", "timeout", "bytes_max", "allow_private_addresses"];
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
const TIMEOUT_MAX: Duration = Duration::from_secs(600);
const BYTES_MAX_DEFAULT: usize = 1 << 20;

/// Reads one origin; `None` when something essential is missing, which is noted as a problem.
pub(super) fn origin(reader: &mut FileReader<'_>, path: &str, mut table: Table) -> Option<OriginSettings> {
    let headers = take_table(&mut table, "headers", reader.problems);
    let url = reader.require(path, &mut table, "url", parse_url);
    let timeout = reader.take(path, &mut table, "timeout", parse_timeout);
    let bytes_max = reader.take(path, &mut table, "bytes_max", parse_bytes);
    let allow = reader.take(path, &mut table, "allow_private_addresses", parse_bool);
    reader.leftovers(path, &table, &ORIGIN_KEYS);
    let headers = read_headers(reader, path, headers);
    Some(OriginSettings {
        url: url?,
        headers,
        timeout: timeout.unwrap_or(TIMEOUT_DEFAULT),
        bytes_max: bytes_max.unwrap_or(BYTES_MAX_DEFAULT),
        allow_private_addresses: allow.unwrap_or(false),
    })
}

fn read_headers(reader: &mut FileReader<'_>, path: &str, table: Table) -> BTreeMap<String, Secret> {
    let mut headers = BTreeMap::new();
    for (name, value) in table {
        let path = format!("{path}.headers.{name}");
        match header(reader, &name, &value) {
            Ok(secret) => {
                headers.insert(name, secret);
            }
            Err(what) => reader.problems.add(format!("{path}: {what}")),
        }
    }
    headers
}

fn header(reader: &mut FileReader<'_>, name: &str, value: &Value) -> Result<Secret, String> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_bad_name| "is no name of a header".to_owned())?;
    let written = value.as_str().ok_or("is not a text")?;
    let text = resolve(reader, written)?;
    HeaderValue::from_str(&text).map_err(|_bad_value| "the value holds characters no header may have".to_owned())?;
    Ok(Secret::new(text))
}

/// Follows `env:VARIABLE` and `file:/path`; anything else stands for itself.
fn resolve(reader: &mut FileReader<'_>, written: &str) -> Result<String, String> {
    if let Some(variable) = written.strip_prefix("env:") {
        reader.referenced.insert(variable.to_owned());
        let found = reader.variables.get(variable);
        return found.cloned().ok_or_else(|| format!("the environment variable {variable} is not set"));
    }
    if let Some(file) = written.strip_prefix("file:") {
        let text = fs::read_to_string(file).map_err(|error| format!("{file} cannot be read: {error}"))?;
        return Ok(text.trim_end_matches(['\r', '\n']).to_owned());
    }
    Ok(written.to_owned())
}

fn parse_url(text: &str) -> Result<String, String> {
    if text.starts_with("https://") || text.starts_with("http://") {
        return Ok(text.to_owned());
    }
    Err("a URL begins with `https://` or `http://`".to_owned())
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    let timeout = parse_duration(text)?;
    if timeout.is_zero() || timeout > TIMEOUT_MAX {
        return Err("a timeout is above zero and at most 10m".to_owned());
    }
    Ok(timeout)
}

fn parse_bool(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_not_bool| format!("`{text}` is neither `true` nor `false`"))
}
