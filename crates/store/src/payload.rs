//! Payloads of steps, stored apart from the run record.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use sluice_model::ids::RunId;
use sluice_model::time::Timestamp;

use crate::error::StoreError;
use crate::run::within;

/// The most bytes of one stored payload or dead letter.
pub const PAYLOAD_MAX: usize = 64 * 1024 * 1024;

/// The SHA-256 of some bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash(pub [u8; 32]);

impl ContentHash {
    /// Computes it.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Reads 64 hex digits; `None` if the text is something else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut hash = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (index, byte) in hash.iter_mut().enumerate() {
            let digits = text.get(2 * index..2 * index + 2)?;
            if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            *byte = u8::from_str_radix(digits, 16).ok()?;
        }
        Some(Self(hash))
    }
}

impl std::fmt::Display for ContentHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// What a step refers to a payload by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadRef {
    /// Its hash, before it is encrypted.
    pub hash: ContentHash,
    /// Its length in bytes, before it is encrypted.
    pub size: u64,
}

/// How the bytes of a payload are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadFormat {
    /// JSON text of a value.
    Json,
    /// Bytes as they are.
    Bytes,
}

/// A payload of a run, kept until it expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPayload {
    /// The run.
    pub run: RunId,
    /// What steps refer to it by.
    pub reference: PayloadRef,
    /// The key that `body` is encrypted with; 0: it is plain.
    pub key_id: u32,
    /// How it is to be read, once it is decrypted.
    pub format: PayloadFormat,
    /// The instant from which it may be deleted; `None`: with its run.
    pub expires: Option<Timestamp>,
    /// The bytes, at most [`PAYLOAD_MAX`].
    pub body: Arc<[u8]>,
}

impl StoredPayload {
    /// Returns a plain payload.
    pub fn plain(
        run: RunId,
        format: PayloadFormat,
        body: Arc<[u8]>,
        expires: Option<Timestamp>,
    ) -> Self {
        let reference = PayloadRef {
            hash: ContentHash::of(&body),
            size: body.len() as u64,
        };
        Self {
            run,
            reference,
            key_id: 0,
            format,
            expires,
            body,
        }
    }

    pub(crate) fn check(&self) -> Result<(), StoreError> {
        within("the size of a payload", PAYLOAD_MAX, self.body.len())
    }
}

#[cfg(test)]
mod tests {
    use super::ContentHash;

    #[test]
    fn hashes_print_and_parse() {
        let hash = ContentHash::of(b"abc");
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash.to_string(), text);
        assert_eq!(ContentHash::parse(text), Some(hash));
        for bad in [
            &text[1..],
            &text.replace("ba", "+a"),
            &text.replace("ba", "é"),
        ] {
            assert_eq!(ContentHash::parse(bad), None, "{bad}");
        }
    }
}
