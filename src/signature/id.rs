//! Where the id of a delivery stands.

use super::field::{FieldPath, MAX_FIELD};
use super::head::single_value;
use bytes::Bytes;
use http::{HeaderMap, HeaderName};

/// Where the id of a delivery stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdSource {
    /// In a header.
    Header(HeaderName),
    /// In a field of the JSON body.
    Field(FieldPath),
}

impl IdSource {
    /// The id: 1 to 256 bytes of text, from a header that stands alone or from a field that is a string or a whole number;
    /// `None` where there is none.
    ///
    /// Read it only after verification. `scratch` holds a copy of the body while it is parsed.
    pub fn read(
        &self,
        headers: &HeaderMap,
        frames: &[Bytes],
        scratch: &mut Vec<u8>,
    ) -> Option<String> {
        match self {
            Self::Header(name) => {
                single_value(headers, name).ok()?.to_str().ok().map(str::to_owned)
            }
            Self::Field(path) => path.read(frames, scratch).ok()?,
        }
        .filter(|id| matches!(id.len(), 1..=MAX_FIELD))
    }
}
