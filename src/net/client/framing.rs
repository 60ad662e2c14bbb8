//! Where a response's body ends, and what of the bytes at hand is its data: pure, whatever carries them.

use crate::net::request_framing::ChunkDecoder;
use bytes::{Bytes, BytesMut};

/// How the body of a response is delimited (RFC 9112 §6.3), and where in it the next byte stands.
#[derive(Debug)]
pub enum Framing {
    /// So many bytes are still to come; 0: nothing.
    Length(u64),
    /// In chunks.
    Chunked(Box<ChunkDecoder>),
    /// By the end of the connection.
    Close,
}

/// What a step through the body gave.
#[derive(Debug)]
pub enum BodyPart {
    /// The next piece of data, never empty.
    Data(Bytes),
    /// The body is complete; what is left belongs to nothing.
    End,
    /// More bytes are needed.
    NeedMore,
}

impl Framing {
    /// Takes the next piece out of `ready`. Trailers are dropped: they are hop-by-hop unless both sides agreed.
    pub fn decode(&mut self, ready: &mut Bytes) -> Result<BodyPart, &'static str> {
        if self.is_complete() {
            return Ok(BodyPart::End);
        }
        if ready.is_empty() {
            return Ok(BodyPart::NeedMore);
        }
        match self {
            Self::Close => Ok(BodyPart::Data(std::mem::take(ready))),
            Self::Length(left) => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(ready.len());
                *left -= here as u64;
                Ok(BodyPart::Data(ready.split_to(here)))
            }
            Self::Chunked(chunks) => {
                let mut data = BytesMut::new();
                let passed = chunks.decode(ready, |piece| data.extend_from_slice(piece));
                let (used, done) = passed.map_err(|_| "its chunks are malformed")?;
                *ready = ready.slice(used..);
                if done {
                    *self = Self::Length(0);
                }
                Ok(match (data.is_empty(), done) {
                    (false, _) => BodyPart::Data(data.freeze()),
                    (true, true) => BodyPart::End,
                    (true, false) => BodyPart::NeedMore,
                })
            }
        }
    }

    /// Nothing more will come.
    pub fn is_complete(&self) -> bool {
        matches!(self, Self::Length(0))
    }

    /// Whether the end of the connection, now, is the end of the body; otherwise it is cut.
    pub fn ends_with_connection(&self) -> bool {
        matches!(self, Self::Close | Self::Length(0))
    }
}
