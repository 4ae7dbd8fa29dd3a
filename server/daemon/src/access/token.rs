//! The text form of tokens: `hp_<id>_<secret>`. The server keeps only the SHA-256 of the whole text; 256 random bits
//! need no slow hash.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

/// Characters of an id.
pub const ID_CHARS: usize = 8;
/// Characters of a secret: 32 bytes as base64url.
pub const SECRET_CHARS: usize = 43;
const ID_ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// A token that was just made. The only moment its secret is known.
#[derive(Clone)]
pub struct NewToken {
    /// Its public id.
    pub id: String,
    /// The whole text the caller sends: a secret.
    pub secret_text: String,
    /// What the configuration holds.
    pub sha256_hex: String,
}

/// Makes a token from the system's random source.
#[must_use]
pub fn generate() -> NewToken {
    let random: [u8; 40] = rand::random();
    let (for_id, for_secret) = random.split_at(ID_CHARS);
    let id: String = for_id.iter().map(|byte| char::from(ID_ALPHABET[usize::from(byte % 32)])).collect();
    let secret_text = format!("hp_{id}_{}", URL_SAFE_NO_PAD.encode(for_secret));
    let sha256_hex = hex::encode(Sha256::digest(secret_text.as_bytes()));
    NewToken { id, secret_text, sha256_hex }
}

/// The id of a well-formed token; `None` for any other text.
#[must_use]
pub fn id_of(text: &str) -> Option<&str> {
    let (id, secret) = text.strip_prefix("hp_")?.split_at_checked(ID_CHARS)?;
    let secret = secret.strip_prefix('_')?;
    let secret_fits = secret.len() == SECRET_CHARS && secret.bytes().all(is_base64url);
    (is_id(id) && secret_fits).then_some(id)
}

/// Whether this is the id of a token: 8 letters or digits.
#[must_use]
pub fn is_id(text: &str) -> bool {
    text.len() == ID_CHARS && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}
