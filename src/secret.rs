//! What a secret is: bytes that are zeroed on drop and that no `Debug` shows.

use ring::digest;
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A secret as its owner wrote it (white space around it already trimmed).
///
/// There is no `Display`, no `Serialize` and no `PartialEq`: it cannot be printed, and comparing it is done in constant
/// time by [`crate::signature`] alone.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the text of a secret and trims the white space around it: a trailing newline is the commonest cause of a 401.
    pub fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.trim().as_bytes().to_vec()))
    }

    /// The bytes, for deriving a key or for the two commands whose purpose it is to show a secret (`init`, `sign`).
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether `given` is this secret, in a time that tells nothing about where they differ.
    pub fn matches(&self, given: &[u8]) -> bool {
        let hash = |bytes: &[u8]| digest::digest(&digest::SHA256, bytes);
        bool::from(hash(given).as_ref().ct_eq(hash(&self.0).as_ref()))
    }

    /// True where nothing is left after trimming.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_and_white_space_is_trimmed() {
        let secret = Secret::new(" hunter2\n");
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_eq!(secret.expose(), b"hunter2");
    }
}
