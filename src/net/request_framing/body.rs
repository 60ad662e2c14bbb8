//! A chunked body, followed byte by byte to its end (RFC 9112 §7.1), stricter than the parser behind it.

use super::head::{MAX_FIELDS, is_token};

/// All extensions of one body together, in bytes; nobody uses them but attackers.
const MAX_CHUNK_EXTENSIONS: usize = 4 * 1024;
/// The names and values of the trailer section, in bytes; of fields it has as many as a head may have.
const MAX_TRAILERS: usize = 8 * 1024;

#[derive(Clone, Copy, Debug)]
enum Step {
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
pub struct Chunks {
    step: Step,
    extensions: usize,
    trailers: usize,
    trailer_fields: usize,
    name: Vec<u8>,
}

impl Default for Chunks {
    fn default() -> Self {
        Self {
            step: Step::Size { digits: 0, value: 0 },
            extensions: 0,
            trailers: 0,
            trailer_fields: 0,
            name: Vec::new(),
        }
    }
}

impl Chunks {
    /// How many bytes belong to this body and whether it ended with them; on a fault, how many came before it.
    /// `data` is given what stands in the chunks.
    pub fn pass(
        &mut self,
        bytes: &[u8],
        mut data: impl FnMut(&[u8]),
    ) -> Result<(usize, bool), usize> {
        let mut at = 0;
        while at < bytes.len() {
            if let Step::Data { left } = &mut self.step {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len() - at);
                *left -= here as u64;
                data(&bytes[at..at + here]);
                at += here;
                if *left == 0 {
                    self.step = Step::DataReturn;
                }
                continue;
            }
            self.step = match self.next(bytes[at]).ok_or(at)? {
                Some(step) => step,
                None => return Ok((at + 1, true)),
            };
            at += 1;
        }
        Ok((at, false))
    }

    /// The step after one byte; `Some(None)` is the end of the body, `None` a fault.
    fn next(&mut self, byte: u8) -> Option<Option<Step>> {
        let step = match (self.step, byte) {
            (Step::Size { digits, value }, b) if b.is_ascii_hexdigit() && digits < 15 => {
                let digit = u64::from((b as char).to_digit(16)?);
                Step::Size { digits: digits + 1, value: value << 4 | digit }
            }
            (Step::Size { digits: 1.., value }, b';') => Step::Extension { value },
            (Step::Size { digits: 1.., value } | Step::Extension { value }, b'\r') => {
                Step::SizeFeed { value }
            }
            (Step::Extension { value }, b) if is_text(b) => {
                self.extensions += 1;
                if self.extensions > MAX_CHUNK_EXTENSIONS {
                    return None;
                }
                Step::Extension { value }
            }
            (Step::SizeFeed { value: 0 }, b'\n') => Step::TrailerStart,
            (Step::SizeFeed { value }, b'\n') => Step::Data { left: value },
            (Step::DataReturn, b'\r') => Step::DataFeed,
            (Step::DataFeed, b'\n') => Step::Size { digits: 0, value: 0 },
            (Step::TrailerStart, b'\r') => Step::LastFeed,
            (Step::LastFeed, b'\n') => return Some(None),
            (Step::TrailerStart | Step::TrailerName, b) if is_token(b) => {
                self.trailer()?;
                self.name.push(b.to_ascii_lowercase());
                Step::TrailerName
            }
            (Step::TrailerName, b':') => {
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
                Step::TrailerValue
            }
            (Step::TrailerValue, b'\r') => Step::TrailerFeed,
            (Step::TrailerValue, b) if is_text(b) => {
                self.trailer()?;
                Step::TrailerValue
            }
            (Step::TrailerFeed, b'\n') => Step::TrailerStart,
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
