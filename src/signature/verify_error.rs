//! Why a request was not believed: one word each, for the log and the metrics, never for the caller.

/// Why a request was not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.word())]
pub enum VerifyError {
    /// A header that the scheme needs is not there.
    MissingHeader,
    /// A header that must stand alone is there twice.
    RepeatedHeader,
    /// The signature header is not laid out as the scheme says, or a signature has the wrong length or alphabet.
    MalformedSignature,
    /// The timestamp is not a plain number or date.
    MalformedTimestamp,
    /// The form or its query is not what a sender of this scheme writes.
    MalformedForm,
    /// More signatures than anyone sends during a rotation.
    TooManySignatures,
    /// The header that must confirm the configuration does not.
    NotConfirmed,
    /// The timestamp is further in the past than the tolerance.
    Stale,
    /// The timestamp is further in the future than the tolerance.
    Future,
    /// The body is not what the hash in the URL says, or nothing covers it.
    BodyHash,
    /// The body is no JSON, and the scheme reads fields of it.
    NotJson,
    /// A field of the body that the scheme reads is not there.
    MissingField,
    /// The `not_after` of every secret has passed.
    Expired,
    /// No secret made any of the signatures.
    Mismatch,
}

impl VerifyError {
    /// All of them, for tables of metrics.
    pub const ALL: [Self; 14] = [
        Self::MissingHeader,
        Self::RepeatedHeader,
        Self::MalformedSignature,
        Self::MalformedTimestamp,
        Self::MalformedForm,
        Self::TooManySignatures,
        Self::NotConfirmed,
        Self::Stale,
        Self::Future,
        Self::BodyHash,
        Self::NotJson,
        Self::MissingField,
        Self::Expired,
        Self::Mismatch,
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::MissingHeader => "missing_header",
            Self::RepeatedHeader => "repeated_header",
            Self::MalformedSignature => "malformed_signature",
            Self::MalformedTimestamp => "malformed_timestamp",
            Self::MalformedForm => "malformed_form",
            Self::TooManySignatures => "too_many_signatures",
            Self::NotConfirmed => "not_confirmed",
            Self::Stale => "stale",
            Self::Future => "future",
            Self::BodyHash => "body_hash",
            Self::NotJson => "not_json",
            Self::MissingField => "missing_field",
            Self::Expired => "expired",
            Self::Mismatch => "mismatch",
        }
    }
}
