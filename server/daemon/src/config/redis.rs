//! The Redis that servers share, as the settings name it: reads the files that hold what settings must not show. Nothing is
//! connected here.

use std::{fs, path::Path};

use hotplate_tiers::redis::{RedisOptions, RedisUrl};

use super::shape::SharedSettings;

/// Longest file of a name or password, and of certificates, in bytes: anything longer is another file.
const LINE_BYTES_MAX: u64 = 64 << 10;
const PEM_BYTES_MAX: u64 = 16 << 20;

/// What the tier is opened with; `None`: there is none.
///
/// # Errors
/// All that keeps it from being opened, without secrets.
pub(crate) fn redis_options(settings: &SharedSettings) -> Result<Option<RedisOptions>, Vec<String>> {
    let mut found = Vec::new();
    let username = settings.username_file.as_deref().and_then(|path| line("username_file", path, &mut found));
    let password = settings.password_file.as_deref().and_then(|path| line("password_file", path, &mut found));
    let authorities = settings.ca_file.as_deref().and_then(|path| read("ca_file", path, PEM_BYTES_MAX, &mut found));
    if settings.url.is_empty() {
        let files = [
            ("username_file", &settings.username_file),
            ("password_file", &settings.password_file),
            ("ca_file", &settings.ca_file),
        ];
        let set = files.into_iter().filter(|(_, path)| path.is_some());
        found.extend(set.map(|(name, _)| format!("shared.{name} is set, and shared.url is not: there is no Redis")));
        return if found.is_empty() { Ok(None) } else { Err(found) };
    }
    let url = match RedisUrl::parse(&settings.url) {
        Ok(url) if url.has_account() => {
            found.push(
                "shared.url contains a user or a password (what stands before the `@`), and settings are shown to people: \
                 put the user into a file and set shared.username_file, the password into another and set \
                 shared.password_file"
                    .to_owned(),
            );
            return Err(found);
        }
        Ok(url) => url,
        Err(problem) => {
            found.push(format!("shared.url: {problem}"));
            return Err(found);
        }
    };
    let value_bytes_max = settings.value_bytes_max as u64;
    let options =
        RedisOptions { url, username, password, authorities, prefix: settings.prefix.clone(), value_bytes_max };
    // What could not be read is not said to be missing as well.
    let (names_password, names_ca) = (settings.password_file.is_some(), settings.ca_file.is_some());
    let known = |option: &str| match option {
        "password" => options.password.is_none() && names_password,
        "authorities" => options.authorities.is_none() && names_ca,
        _ => false,
    };
    let problems = options.problems();
    found.extend(problems.into_iter().filter(|(option, _)| !known(option)).map(|(option, problem)| {
        let setting = match option {
            "password" => "password_file",
            "authorities" => "ca_file",
            other => other,
        };
        format!("shared.{setting}: {problem}")
    }));
    if found.is_empty() { Ok(Some(options)) } else { Err(found) }
}

fn read(setting: &str, path: &Path, bytes_max: u64, found: &mut Vec<String>) -> Option<Vec<u8>> {
    let long = fs::metadata(path).is_ok_and(|facts| facts.len() > bytes_max);
    let bytes = if long { Err("is too long to be that".to_owned()) } else { fs::read(path).map_err(|e| e.to_string()) };
    bytes.map_err(|why| found.push(format!("shared.{setting} {}: {why}", path.display()))).ok()
}

/// The only line of a file.
fn line(setting: &str, path: &Path, found: &mut Vec<String>) -> Option<String> {
    let bytes = read(setting, path, LINE_BYTES_MAX, found)?;
    let text = String::from_utf8(bytes).ok();
    let line = text.as_deref().map(|text| text.trim_end_matches(['\r', '\n']));
    match line {
        Some(line) if !line.is_empty() && !line.contains(['\r', '\n']) => Some(line.to_owned()),
        _ => {
            found.push(format!("shared.{setting} {}: has to hold one line of text", path.display()));
            None
        }
    }
}
