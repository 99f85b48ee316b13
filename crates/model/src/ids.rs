//! Identifiers, each a type of its own.

use std::sync::Arc;

/// Defines a newtype over a shared text, with the conversions that all of them have.
macro_rules! text_id {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Arc<str>);

        impl $name {
            /// Returns the id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

text_id! {
    /// The name of a flow, as its file says it.
    FlowName,
    /// The name of a connection.
    ConnectionName,
    /// The name of an API.
    ApiName,
    /// The name of an environment.
    EnvironmentName,
    /// A step's id within its flow: what `id` says, else a derived one such as `2.map`.
    StepId,
    /// The SHA-256 of a release's manifest, in hex.
    ReleaseId,
    /// The stable key of an effect.
    EffectKey,
}

/// A run's id: unique within a data folder, and ascending with the time of its start.
///
/// 48 bits of milliseconds since the epoch, then 16 bits that count runs within the millisecond
/// (a burst borrows from the next). It prints as 13 characters of Crockford's base 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub u64);

const CROCKFORD: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl RunId {
    /// Reads the printed form; `None` if it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 13 {
            return None;
        }
        let mut value: u64 = 0;
        for byte in text.bytes() {
            let digit = CROCKFORD
                .iter()
                .position(|c| *c == byte.to_ascii_lowercase())? as u64;
            value = value.checked_mul(32)?.checked_add(digit)?;
        }
        Some(Self(value))
    }
}

impl std::fmt::Display for RunId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = [b'0'; 13];
        let mut rest = self.0;
        for slot in text.iter_mut().rev() {
            *slot = CROCKFORD[(rest % 32) as usize];
            rest /= 32;
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::RunId;

    #[test]
    fn run_ids_round_trip() {
        for id in [0, 1, u64::MAX, 0x0198_7654_3210_0001] {
            assert_eq!(RunId::parse(&RunId(id).to_string()), Some(RunId(id)));
        }
        assert_eq!(RunId::parse("zzzzzzzzzzzzz"), None);
        assert_eq!(RunId::parse("abc"), None);
    }
}
