//! What is wrong with a scheme as written, and what to write instead.

/// One fault of a scheme as written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} {message}")]
pub struct SchemeError {
    /// The key that it is about: `signed`, `signature.header`, `secrets[1]`.
    pub key: String,
    /// What is wrong, to be read after the key.
    pub message: String,
    /// What to do about it.
    pub fix: String,
}

impl SchemeError {
    pub(super) fn new(
        key: impl Into<String>,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { key: key.into(), message: message.into(), fix: fix.into() }
    }
}
