//! Vectors: what needs no client.

use hotplate::{Encode, Key, Ttl};
use serde_json::{Value, json};

use crate::{
    answer::{Outcome, Refusal},
    arguments::Arguments,
    codec::Named,
    options::built,
    value,
};

use super::{millis, unknown};

/// Carries out the op of this name.
pub(super) fn carry_out(op: &str, arguments: Arguments) -> Outcome {
    match op {
        "key" => key(arguments),
        "float" => float(arguments),
        "ttl_parse" => ttl_parse(arguments),
        "ttl_format" => ttl_format(arguments),
        "encode" => encode(arguments),
        "decode" => decode(arguments),
        "near_case" => near_case(arguments),
        _ => unknown(op),
    }
}

fn key(mut arguments: Arguments) -> Outcome {
    let calls: Value = arguments.need("calls")?;
    arguments.end()?;
    Ok(json!({ "key": built(&calls)?.render()? }))
}

fn float(mut arguments: Arguments) -> Outcome {
    let bits: String = arguments.need("bits")?;
    arguments.end()?;
    let bits = u64::from_str_radix(&bits, 16).map_err(|error| Refusal::fault(format!("`bits`: {error}")))?;
    let key = Key::new(["k"]).param("p", f64::from_bits(bits)).render()?;
    Ok(json!({ "text": key.trim_start_matches("k:p_") }))
}

fn ttl_parse(mut arguments: Arguments) -> Outcome {
    let text: String = arguments.need("text")?;
    arguments.end()?;
    Ok(match text.parse::<Ttl>()? {
        Ttl::Class(class) => json!({ "class": class.name() }),
        Ttl::Named(name) => json!({ "class": name }),
        Ttl::Duration(duration) => json!({ "ms": millis(duration) }),
    })
}

fn ttl_format(mut arguments: Arguments) -> Outcome {
    let duration = arguments.millis("ms")?.ok_or_else(|| Refusal::fault("`ms` is missing"))?;
    arguments.end()?;
    Ok(json!({ "text": hotplate::format_duration(duration) }))
}

fn encode(mut arguments: Arguments) -> Outcome {
    let codec = Named::of(arguments.take::<String>("codec")?.as_deref())?;
    let value = arguments.value("value").unwrap_or_default();
    arguments.end()?;
    let bytes = codec.encode(&value)?;
    let content_type = hotplate::Codec::content_type(&codec);
    Ok(json!({ "content_type": content_type, "bytes": value::to_base64(&bytes) }))
}

fn decode(mut arguments: Arguments) -> Outcome {
    let codec = Named::of(arguments.take::<String>("codec")?.as_deref())?;
    let content_type: String = arguments.take("content_type")?.unwrap_or_default();
    let encoding: String = arguments.take("content_encoding")?.unwrap_or_default();
    let bytes = value::base64(&arguments.need::<String>("bytes")?)?;
    arguments.end()?;
    let value: Value = hotplate::conformance::decode(&codec, &content_type, &encoding, bytes)?;
    Ok(json!({ "value": value }))
}

fn near_case(mut arguments: Arguments) -> Outcome {
    let (settings, case): (Value, Value) = (arguments.need("settings")?, arguments.need("case")?);
    arguments.end()?;
    Ok(json!({ "steps": hotplate::conformance::near_case(&settings, &case)? }))
}
