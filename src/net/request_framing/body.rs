//! A chunked body, followed byte by byte to its end (RFC 9112 §7.1), stricter than the parser behind it.

use super::head::{MAX_FIELDS, is_token};

/// All extensions of one body together, in bytes; nobody uses them but attackers.
const MAX_CHUNK_EXTENSIONS: usize = 4 * 1024;
/// The names and values of the trailer section, in bytes; of fields it has as many as a head may have.
const MAX_TRAILERS: usize = 8 * 1024;

#[derive(Clone, Copy, Debug)]
enum ChunkState {
    Size { digits: u8, value: u64 },
    Extension { value: u64 },
    SizeFeed { value: u64 },
    Data { left: u64 },
    DataReturn,
    DataFeed,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerFeed,
    LastFeed,
}

#[derive(Debug)]
/// Where in a chunked body the next byte stands.
pub struct ChunkDecoder {
    state: ChunkState,
    extensions: usize,
    trailers: usize,
    trailer_fields: usize,
    name: Vec<u8>,
}

impl Default for ChunkDecoder {
    fn default() -> Self {
        Self {
            state: ChunkState::Size { digits: 0, value: 0 },
            extensions: 0,
            trailers: 0,
            trailer_fields: 0,
            name: Vec::new(),
        }
    }
}

impl ChunkDecoder {
    /// How many bytes belong to this body and whether it ended with them; on a fault, how many came before it.
    /// `data` is given what stands in the chunks.
    pub fn decode(
        &mut self,
        bytes: &[u8],
        mut data: impl FnMut(&[u8]),
    ) -> Result<(usize, bool), usize> {
        let mut at = 0;
        while at < bytes.len() {
            if let ChunkState::Data { left } = &mut self.state {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len() - at);
                *left -= here as u64;
                data(&bytes[at..at + here]);
                at += here;
                if *left == 0 {
                    self.state = ChunkState::DataReturn;
                }
                continue;
            }
            self.state = match self.next(bytes[at]).ok_or(at)? {
                Some(step) => step,
                None => return Ok((at + 1, true)),
            };
            at += 1;
        }
        Ok((at, false))
    }

    /// The step after one byte; `Some(None)` is the end of the body, `None` a fault.
    fn next(&mut self, byte: u8) -> Option<Option<ChunkState>> {
        let step = match (self.state, byte) {
            (ChunkState::Size { digits, value }, b) if b.is_ascii_hexdigit() && digits < 15 => {
                let digit = u64::from((b as char).to_digit(16)?);
                ChunkState::Size { digits: digits + 1, value: value << 4 | digit }
            }
            (ChunkState::Size { digits: 1.., value }, b';') => ChunkState::Extension { value },
            (ChunkState::Size { digits: 1.., value } | ChunkState::Extension { value }, b'\r') => {
                ChunkState::SizeFeed { value }
            }
            (ChunkState::Extension { value }, b) if is_text(b) => {
                self.extensions += 1;
                if self.extensions > MAX_CHUNK_EXTENSIONS {
                    return None;
                }
                ChunkState::Extension { value }
            }
            (ChunkState::SizeFeed { value: 0 }, b'\n') => ChunkState::TrailerStart,
            (ChunkState::SizeFeed { value }, b'\n') => ChunkState::Data { left: value },
            (ChunkState::DataReturn, b'\r') => ChunkState::DataFeed,
            (ChunkState::DataFeed, b'\n') => ChunkState::Size { digits: 0, value: 0 },
            (ChunkState::TrailerStart, b'\r') => ChunkState::LastFeed,
            (ChunkState::LastFeed, b'\n') => return Some(None),
            (ChunkState::TrailerStart | ChunkState::TrailerName, b) if is_token(b) => {
                self.trailer()?;
                self.name.push(b.to_ascii_lowercase());
                ChunkState::TrailerName
            }
            (ChunkState::TrailerName, b':') => {
                // A trailer must not change how its own message was framed or routed (RFC 9110 §6.5.1).
                let forbidden: [&[u8]; 3] = [b"content-length", b"transfer-encoding", b"host"];
                if forbidden.contains(&self.name.as_slice()) {
                    return None;
                }
                self.name.clear();
                self.trailer_fields += 1;
                if self.trailer_fields > MAX_FIELDS {
                    return None;
                }
                ChunkState::TrailerValue
            }
            (ChunkState::TrailerValue, b'\r') => ChunkState::TrailerFeed,
            (ChunkState::TrailerValue, b) if is_text(b) => {
                self.trailer()?;
                ChunkState::TrailerValue
            }
            (ChunkState::TrailerFeed, b'\n') => ChunkState::TrailerStart,
            _ => return None,
        };
        Some(Some(step))
    }

    fn trailer(&mut self) -> Option<()> {
        self.trailers += 1;
        (self.trailers <= MAX_TRAILERS).then_some(())
    }
}

fn is_text(b: u8) -> bool {
    b == b'\t' || (b >= 0x20 && b != 0x7f)
}
