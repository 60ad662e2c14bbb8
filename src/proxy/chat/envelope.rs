//! What is kept of a message that is answered later: its body as it came, and the ids that its caller was told.

use crate::codec::dialect::Format;
use crate::state::conversation::Id;
use std::sync::Arc;

/// The version of an envelope's form, its first byte. A later one reads the earlier ones too.
pub const VERSION: u8 = 1;
/// Version, format, conversation, and how long the message's id is.
const HEAD: usize = 2 + size_of::<Id>() + 1;

/// A message to be answered later.
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope {
    /// How its body is read.
    pub format: Format,
    /// The conversation's id, as it was told.
    pub conversation: Id,
    /// The answer's id, as it was told: at most 255 bytes.
    pub message_id: String,
    /// Its body, as it came.
    pub body: Vec<u8>,
}

/// What was said stays out of every log.
impl std::fmt::Debug for Envelope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Envelope").field("message_id", &self.message_id).finish_non_exhaustive()
    }
}

impl Envelope {
    /// As it is kept.
    pub fn write(&self) -> Arc<[u8]> {
        let format = match self.format {
            Format::Json => 0,
            Format::Form => 1,
        };
        let id = self.message_id.as_bytes();
        let length = u8::try_from(id.len()).unwrap_or(u8::MAX);
        let id = id.get(..usize::from(length)).unwrap_or_default();
        let head = [VERSION, format];
        [&head[..], &self.conversation, &[length], id, &self.body].concat().into()
    }

    /// Reads what [`Self::write`] wrote; `None` where it makes no sense.
    pub fn read(kept: &[u8]) -> Option<Self> {
        let (head, rest) = kept.split_at_checked(HEAD)?;
        let [VERSION, format, conversation @ .., length] = head else {
            return None;
        };
        let (id, body) = rest.split_at_checked(usize::from(*length))?;
        Some(Self {
            format: match format {
                0 => Format::Json,
                1 => Format::Form,
                _ => return None,
            },
            conversation: conversation.try_into().ok()?,
            message_id: String::from_utf8(id.to_vec()).ok()?,
            body: body.to_vec(),
        })
    }

    /// The conversation's id as text.
    pub fn conversation(&self) -> &str {
        std::str::from_utf8(&self.conversation).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_nothing_else_is() {
        let envelope = Envelope {
            format: Format::Form,
            conversation: [b'a'; 32],
            message_id: "0123456789abcdef".to_owned(),
            body: b"From=%2B1&Body=hi".to_vec(),
        };
        let kept = envelope.write();
        assert_eq!(Envelope::read(&kept), Some(envelope.clone()));
        assert!(!format!("{envelope:?}").contains("Body"));
        // The form is a promise: what one version wrote the next one reads.
        let bytes = [&b"\x01\x01"[..], &[b'a'; 32], b"\x100123456789abcdefFrom=%2B1&Body=hi"];
        assert_eq!(*kept, *bytes.concat());
        for cut in 0..HEAD + 16 {
            assert_eq!(Envelope::read(&kept[..cut]), None, "{cut}");
        }
        for (place, byte) in [(0, 2), (1, 2), (HEAD, 0xff)] {
            let mut other = kept.to_vec();
            other[place] = byte;
            assert_eq!(Envelope::read(&other), None, "{place}");
        }
    }
}
