//! What is compressed already, by what is said of it and by how it begins: trying again costs time and saves nothing.

use hotplate_engine::compress::Said;

/// Media types under these are compressed, but for those in [`PLAIN`].
const COMPRESSED_TREES: [&str; 4] = ["image/", "audio/", "video/", "font/woff"];
/// Media types that are not, or that say nothing of it.
const PLAIN: [&str; 9] = [
    "image/svg+xml",
    "image/bmp",
    "image/x-ms-bmp",
    "image/tiff",
    "image/x-portable-pixmap",
    "audio/wav",
    "audio/x-wav",
    "audio/basic",
    "audio/midi",
];
/// Other media types that are compressed.
const COMPRESSED: [&str; 15] = [
    "application/gzip",
    "application/x-gzip",
    "application/zip",
    "application/zstd",
    "application/x-xz",
    "application/x-bzip2",
    "application/x-7z-compressed",
    "application/x-rar-compressed",
    "application/vnd.rar",
    "application/x-npz",
    "application/java-archive",
    "application/epub+zip",
    "application/vnd.apache.parquet",
    "application/x-parquet",
    "application/x-brotli",
];
/// Media types with these endings are.
const COMPRESSED_ENDINGS: [&str; 3] = ["+zip", "+gzip", "+zstd"];
const OFFICE: &str = "application/vnd.openxmlformats-officedocument.";

/// How compressed files begin: at which byte, with what.
const BEGINNINGS: [(usize, &[u8]); 15] = [
    (0, b"\x89PNG\r\n\x1a\n"),
    (0, b"\xff\xd8\xff"),
    (8, b"WEBP"),
    (0, b"GIF8"),
    (0, b"\x1f\x8b"),
    (0, b"\x28\xb5\x2f\xfd"),
    (0, b"PK\x03\x04"),
    (0, b"\xfd7zXZ\x00"),
    (4, b"ftyp"),
    (0, b"PAR1"),
    (0, b"\x04\x22\x4d\x18"),
    (0, b"BZh"),
    (0, b"7z\xbc\xaf\x27\x1c"),
    (0, b"OggS"),
    (0, b"wOF"),
];

/// Whether a value is compressed already.
pub(super) fn is_compressed(said: Said<'_>, value: &[u8]) -> bool {
    let encoded = !said.encoding.is_empty() && !said.encoding.eq_ignore_ascii_case("identity");
    encoded || is_compressed_type(said.content_type) || begins_compressed(value)
}

fn begins_compressed(value: &[u8]) -> bool {
    BEGINNINGS.iter().any(|(at, beginning)| value.get(*at..).is_some_and(|rest| rest.starts_with(beginning)))
}

fn is_compressed_type(content_type: &str) -> bool {
    let name = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if name.is_empty() || PLAIN.contains(&name.as_str()) {
        return false;
    }
    COMPRESSED.contains(&name.as_str())
        || name.starts_with(OFFICE)
        || COMPRESSED_TREES.iter().any(|tree| name.starts_with(tree))
        || COMPRESSED_ENDINGS.iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(content_type: &str) -> Said<'_> {
        Said { content_type, encoding: "" }
    }

    #[test]
    fn what_is_said_to_be_compressed_is_not_tried() {
        for compressed in ["image/png", "IMAGE/JPEG; q=1", "video/mp4", "application/zip", "application/epub+zip"] {
            assert!(is_compressed(typed(compressed), b"text"), "{compressed}");
        }
        for plain in ["", "application/json", "text/plain; charset=utf-8", "image/svg+xml", "application/octet-stream"]
        {
            assert!(!is_compressed(typed(plain), b"text"), "{plain}");
        }
        let encoded = Said { content_type: "", encoding: "br" };
        assert!(is_compressed(encoded, b"text"));
    }

    #[test]
    fn what_begins_like_something_compressed_is_not_tried() {
        let values: [&[u8]; 4] = [b"\x89PNG\r\n\x1a\n..", b"RIFF\0\0\0\0WEBPVP8 ", b"\0\0\0\x20ftypisom", b"PAR1\x15"];
        for value in values {
            assert!(is_compressed(Said::default(), value), "{value:?}");
        }
        for value in [b"".as_slice(), b"\x89PN", b"{\"a\":1}", b"\0\0\0\x20fty"] {
            assert!(!is_compressed(Said::default(), value), "{value:?}");
        }
    }
}
