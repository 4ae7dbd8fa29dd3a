//! Bounds of what a writer may say, checked in one place. Bounds of names are in `key.rs` and `selector.rs`.

use std::sync::Arc;

use crate::{
    entry::{Description, Negative, Payload},
    error::{Error, Reason, Result},
    selector::{KIND_BYTES_MAX, TAG_BYTES_MAX, check_dependency},
};

/// Tags of an entry at most.
pub const TAGS_MAX: usize = 64;
/// Longest media type, in bytes.
pub const CONTENT_TYPE_BYTES_MAX: usize = 256;
/// Longest encoding, in bytes.
pub const ENCODING_BYTES_MAX: usize = 64;
/// Dependencies of an entry at most.
pub const DEPENDS_ON_MAX: usize = 64;
/// Bytes of all dependencies of an entry at most.
pub const DEPENDS_ON_BYTES_MAX: usize = 16 << 10;
/// Labels of an entry at most.
pub const LABELS_MAX: usize = 64;
/// Bytes of all labels of an entry at most, names included.
pub const LABELS_BYTES_MAX: usize = 16 << 10;
/// Longest reason of a negative result, in bytes.
pub const NEGATIVE_REASON_BYTES_MAX: usize = 64;
/// Longest message of a negative result, in bytes.
pub const NEGATIVE_MESSAGE_BYTES_MAX: usize = 1024;
/// Longest client id or request id, in bytes.
pub const ID_BYTES_MAX: usize = 128;
/// Longest reason of an Invalidate, in bytes.
pub const REASON_BYTES_MAX: usize = 256;

/// Checks a payload.
///
/// # Errors
/// `VALUE_TOO_LARGE`, or `BAD_ARGUMENT` for a negative result out of its bounds.
pub fn payload(payload: &Payload, value_bytes_max: u64) -> Result<()> {
    match payload {
        Payload::Value(_) | Payload::Compressed(_) | Payload::Chunks(_) => size(payload.value_bytes(), value_bytes_max),
        Payload::Negative(said) => negative(said),
    }
}

/// Checks how large a value is, or is going to be.
///
/// # Errors
/// `VALUE_TOO_LARGE`.
pub fn size(bytes: u64, bytes_max: u64) -> Result<()> {
    if bytes <= bytes_max {
        return Ok(());
    }
    let rule = format!(
        "a value has at most {bytes_max} bytes on this server, this one has {bytes}: raise limits.value_bytes_max or split \
         the value"
    );
    Err(Error::invalid(Reason::ValueTooLarge, "value", rule))
}

fn negative(said: &Negative) -> Result<()> {
    let shape = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    if said.reason.is_empty() || said.reason.len() > NEGATIVE_REASON_BYTES_MAX || !said.reason.chars().all(shape) {
        let rule =
            format!("a negative result's reason is 1 to {NEGATIVE_REASON_BYTES_MAX} letters in UPPER_SNAKE_CASE");
        return Err(Error::invalid(Reason::BadArgument, "negative.reason", rule));
    }
    length("negative.message", &said.message, NEGATIVE_MESSAGE_BYTES_MAX)
}

/// Checks a description, sorts its tags and drops duplicates.
///
/// # Errors
/// `BAD_ARGUMENT` naming the field and its bound.
pub fn description(said: &mut Description) -> Result<()> {
    length("content_type", &said.content_type, CONTENT_TYPE_BYTES_MAX)?;
    length("encoding", &said.encoding, ENCODING_BYTES_MAX)?;
    length("kind", &said.kind, KIND_BYTES_MAX)?;
    if said.tags.len() > TAGS_MAX {
        return Err(bad("tags", format!("an entry has at most {TAGS_MAX} tags, this one has {}", said.tags.len())));
    }
    for tag in &said.tags {
        length("tags", tag, TAG_BYTES_MAX)?;
        if tag.is_empty() {
            return Err(bad("tags", "a tag has at least one byte".to_owned()));
        }
    }
    said.tags.sort();
    said.tags.dedup();
    dependencies(said.made_from())?;
    let bytes: usize = said.labels.iter().map(|(name, text)| name.len() + text.len()).sum();
    if said.labels.len() > LABELS_MAX || bytes > LABELS_BYTES_MAX {
        let rule = format!("an entry has at most {LABELS_MAX} labels with {LABELS_BYTES_MAX} bytes in all");
        return Err(bad("labels", rule));
    }
    Ok(())
}

fn dependencies(names: &[Arc<str>]) -> Result<()> {
    let bytes: usize = names.iter().map(|name| name.len()).sum();
    if names.len() > DEPENDS_ON_MAX || bytes > DEPENDS_ON_BYTES_MAX {
        let rule =
            format!("an entry depends on at most {DEPENDS_ON_MAX} others with {DEPENDS_ON_BYTES_MAX} bytes in all");
        return Err(bad("depends_on", rule));
    }
    names.iter().try_for_each(|name| check_dependency("depends_on", name))
}

/// Checks the length of a text.
///
/// # Errors
/// `BAD_ARGUMENT` naming the field and its bound.
pub fn length(field: &'static str, text: &str, bytes_max: usize) -> Result<()> {
    if text.len() > bytes_max {
        return Err(bad(field, format!("{field} has at most {bytes_max} bytes, this one has {}", text.len())));
    }
    Ok(())
}

fn bad(field: &'static str, rule: String) -> Error {
    Error::invalid(Reason::BadArgument, field, rule)
}
