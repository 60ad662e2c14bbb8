//! A question and its answer in bytes, as the store and the memory keep them.
//!
//! Stamp, version, id of the conversation, number, time, whether the turns are there, the two turns, and the caller's metadata to
//! the end. A turn is a count and its pieces; a piece is a mark and its texts, each behind its length. Numbers are little endian
//! but for the stamp.

use crate::codec::message::{File, OneOrMany, Part, Role, Turn};
use crate::state::store::STAMP;
use std::borrow::Cow;

const VERSION: u8 = 1;
/// A text that is not there.
const NONE: u32 = u32::MAX;
/// The most pieces of a turn that are kept.
const MAX_PARTS: usize = 64;
/// What stands for a turn of which no piece is kept: it cannot be empty.
const NOT_KEPT: &str = "[attachment]";

/// When a record expires.
pub(super) fn expiry(record: &[u8]) -> u64 {
    let stamp = record.get(..STAMP).and_then(|stamp| stamp.try_into().ok());
    stamp.map_or(0, u64::from_be_bytes)
}

/// The head of a record that is written.
pub(super) struct Written {
    pub(super) expires_ms: u64,
    pub(super) id: [u8; 16],
    pub(super) number: u64,
    pub(super) at_ms: u64,
}

impl Written {
    /// The record without metadata, and how many bytes of text it holds: none where that is more than `most`, since then the
    /// turns are left out.
    pub(super) fn write(
        &self,
        user: &Turn<'_>,
        assistant: &Turn<'_>,
        most: usize,
    ) -> (Vec<u8>, Option<usize>) {
        let text = size(user) + size(assistant);
        let kept = Some(text).filter(|text| *text <= most);
        let mut out = Vec::with_capacity(96 + kept.unwrap_or_default());
        out.extend_from_slice(&self.expires_ms.to_be_bytes());
        out.push(VERSION);
        out.extend_from_slice(&self.id);
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.at_ms.to_le_bytes());
        out.push(u8::from(kept.is_some()));
        if kept.is_some() {
            turn(&mut out, user);
            turn(&mut out, assistant);
        }
        (out, kept)
    }
}

/// The pieces of a turn that are kept: text, and what lies elsewhere under an address.
fn pieces<'t, 'b>(turn: &'t Turn<'b>) -> impl Iterator<Item = &'t Part<'b>> {
    let elsewhere =
        |url: &str| !url.get(..5).is_some_and(|head| head.eq_ignore_ascii_case("data:"));
    let kept = turn.parts.iter().filter(move |part| match part {
        Part::Text(_) => true,
        Part::Image { url, .. } => elsewhere(url),
        Part::File { file: File::Url(url), .. } => elsewhere(url),
        Part::File { file: File::Id(_), .. } => true,
        Part::Audio { .. } => false,
    });
    kept.take(MAX_PARTS)
}

fn size(turn: &Turn<'_>) -> usize {
    let length = |text: &Option<Cow<'_, str>>| text.as_ref().map_or(0, |text| text.len());
    let sizes = pieces(turn).map(|part| match part {
        Part::Text(text) => text.len(),
        Part::Image { url, detail } => url.len() + length(detail),
        Part::File { file: File::Url(at) | File::Id(at), filename, mime_type } => {
            at.len() + length(filename) + length(mime_type)
        }
        Part::Audio { .. } => 0,
    });
    sizes.sum()
}

fn turn(out: &mut Vec<u8>, turn: &Turn<'_>) {
    let count = out.len();
    out.push(0);
    let mut kept = 0;
    for part in pieces(turn) {
        kept += 1;
        match part {
            Part::Text(said) => {
                out.push(b'T');
                text(out, Some(said));
            }
            Part::Image { url, detail } => {
                out.push(b'I');
                text(out, Some(url));
                text(out, detail.as_deref());
            }
            Part::File { file, filename, mime_type } => {
                let (mark, at) = match file {
                    File::Url(url) => (b'F', url),
                    File::Id(id) => (b'D', id),
                };
                out.push(mark);
                text(out, Some(at));
                text(out, filename.as_deref());
                text(out, mime_type.as_deref());
            }
            Part::Audio { .. } => kept -= 1,
        }
    }
    if kept == 0 {
        kept = 1;
        out.push(b'T');
        text(out, Some(NOT_KEPT));
    }
    out[count] = kept;
}

fn text(out: &mut Vec<u8>, text: Option<&str>) {
    let length = text.map_or(NONE, |text| u32::try_from(text.len()).unwrap_or(NONE));
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(text.unwrap_or_default().as_bytes());
}

/// A record that is read.
#[derive(Debug)]
pub(super) struct Pair<'a> {
    pub(super) id: [u8; 16],
    pub(super) number: u64,
    pub(super) at_ms: u64,
    /// The turns were left out.
    pub(super) gap: bool,
    turns: Option<[Turn<'a>; 2]>,
}

/// The two turns of a record, where it has them.
pub(super) fn turns(record: &[u8]) -> Option<[Turn<'_>; 2]> {
    Pair::read(record)?.turns
}

impl<'a> Pair<'a> {
    /// Reads a record; none where it makes no sense.
    pub(super) fn read(record: &'a [u8]) -> Option<Self> {
        let mut rest = record.get(STAMP..)?;
        let [VERSION] = take(&mut rest)? else {
            return None;
        };
        let id = take(&mut rest)?;
        let number = u64::from_le_bytes(take(&mut rest)?);
        let at_ms = u64::from_le_bytes(take(&mut rest)?);
        let [kept] = take(&mut rest)?;
        let turns = match kept {
            0 => None,
            _ => Some([read_turn(&mut rest, Role::User)?, read_turn(&mut rest, Role::Assistant)?]),
        };
        Some(Self { id, number, at_ms, gap: turns.is_none(), turns })
    }

    /// How many bytes of text it holds.
    pub(super) fn text(&self) -> usize {
        self.turns.iter().flatten().map(size).sum()
    }
}

fn read_turn<'a>(rest: &mut &'a [u8], role: Role) -> Option<Turn<'a>> {
    let [count] = take(rest)?;
    let mut parts = OneOrMany::new();
    for _ in 0..count {
        let [mark] = take(rest)?;
        let said = Cow::Borrowed(read_text(rest)??);
        let mut other = || Some(read_text(rest)?.map(Cow::Borrowed));
        parts.push(match mark {
            b'T' => Part::Text(said),
            b'I' => Part::Image { url: said, detail: other()? },
            b'F' | b'D' => Part::File {
                file: if mark == b'F' { File::Url(said) } else { File::Id(said) },
                filename: other()?,
                mime_type: other()?,
            },
            _ => return None,
        });
    }
    Some(Turn { role, parts, tool_calls: Vec::new(), tool_call_id: None })
}

/// A text, or that it is not there; none where the record ends before it.
fn read_text<'a>(rest: &mut &'a [u8]) -> Option<Option<&'a str>> {
    let length = u32::from_le_bytes(take(rest)?);
    if length == NONE {
        return Some(None);
    }
    let (text, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = after;
    Some(Some(std::str::from_utf8(text).ok()?))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*taken)
}
