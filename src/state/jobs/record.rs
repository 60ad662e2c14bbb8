//! A job as it lies on disk: its head, its attempts, and the keys of all that belongs to it.
//!
//! Every record begins with its version. This version writes heads of version 2 and reads 1, which had no user, too; a later one reads
//! all that came before and writes its own, so a folder is taken over as its jobs move on. All other records are of version 1. Numbers are little endian, but for those in keys; a text stands behind its
//! length.

use super::{Attempt, Count, Head, Id, Phases, Stage, Subject, TerminalState};
use crate::state::store::RowKey;

/// The version of heads that is written.
pub(super) const HEAD: u8 = 2;
/// That of everything else.
const VERSION: u8 = 1;
/// The most attempts of a job that are kept; a later one takes the oldest's place.
pub const MAX_ATTEMPTS: u32 = 64;
/// The most of a receiver's response that is kept with an attempt, in bytes.
pub const MAX_KEPT_RESPONSE: usize = 1024;
/// The longest reason or error that is kept, in bytes.
pub const MAX_REASON: usize = 256;

const REQUEST: u8 = 0;
const ANSWER: u8 = 1;
const ATTEMPT: u8 = 2;

/// Why a record cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// Of a version that is not known here.
    Version(u8),
    /// Cut or mangled.
    Broken,
}

/// Where what is to be answered or delivered lies.
pub(super) fn body_key(id: Id, stage: Stage) -> RowKey {
    let part = match stage {
        Stage::Answer => REQUEST,
        Stage::Deliver => ANSWER,
    };
    part_key(id, &[part])
}

/// Where an attempt lies, counted from 0.
pub(super) fn attempt_key(id: Id, number: u32) -> RowKey {
    let place = u8::try_from(number % MAX_ATTEMPTS).unwrap_or_default();
    part_key(id, &[ATTEMPT, place])
}

fn part_key(id: Id, part: &[u8]) -> RowKey {
    let mut key = RowKey::from_slice(&id.0);
    key.extend_from_slice(part);
    key
}

/// Where a job that has ended is found by when it did.
pub(super) fn ended_key(end: TerminalState, ended_ms: u64, id: Id) -> RowKey {
    let mut key = RowKey::from_slice(&[end_mark(end)]);
    key.extend_from_slice(&ended_ms.to_be_bytes());
    key.extend_from_slice(&id.0);
    key
}

/// The first key of those that have ended so.
pub(super) fn ended_first(end: TerminalState) -> RowKey {
    RowKey::from_slice(&[end_mark(end)])
}

/// The job of a key, how it ended and when.
pub(super) fn read_ended_key(key: &[u8]) -> Option<(TerminalState, u64, Id)> {
    let (&[mark], rest) = key.split_first_chunk()?;
    let (ended_ms, id) = rest.split_first_chunk()?;
    let ended_ms = u64::from_be_bytes(*ended_ms);
    Some((read_end(mark)??, ended_ms, Id(id.try_into().ok()?)))
}

/// What stands at such a key: the job's size in bytes, and how many attempts it had.
pub(super) fn ended_row(head: &Head) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.extend_from_slice(&head.size().to_le_bytes());
    out.extend_from_slice(&head.attempts.to_le_bytes());
    out
}

/// Size and attempts of a job that has ended.
pub(super) fn read_ended_row(row: &[u8]) -> Option<(u32, u32)> {
    let mut rest = row;
    let [VERSION] = take(&mut rest)? else {
        return None;
    };
    Some((number(&mut rest)?, number(&mut rest)?))
}

/// Where, before all jobs that have ended, it stands how much has not: what a start knows of that before it has picked it up.
pub(super) const UNFINISHED: [u8; 1] = [0];

/// A tally as it stands there.
pub(super) fn write_tally(tally: Count) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.extend_from_slice(&tally.jobs.to_le_bytes());
    out.extend_from_slice(&tally.bytes.to_le_bytes());
    out
}

/// Reads it; none where it makes no sense.
pub(super) fn read_tally(row: &[u8]) -> Option<Count> {
    let mut rest = row;
    let [VERSION] = take(&mut rest)? else {
        return None;
    };
    Some(Count { jobs: time(&mut rest)?, bytes: time(&mut rest)? })
}

fn end_mark(end: TerminalState) -> u8 {
    match end {
        TerminalState::Delivered => 1,
        TerminalState::Dead => 2,
    }
}

fn read_end(mark: u8) -> Option<Option<TerminalState>> {
    match mark {
        0 => Some(None),
        1 => Some(Some(TerminalState::Delivered)),
        2 => Some(Some(TerminalState::Dead)),
        _ => None,
    }
}

fn stage_mark(stage: Stage) -> u8 {
    match stage {
        Stage::Answer => REQUEST,
        Stage::Deliver => ANSWER,
    }
}

fn read_stage(mark: u8) -> Option<Stage> {
    match mark {
        REQUEST => Some(Stage::Answer),
        ANSWER => Some(Stage::Deliver),
        _ => None,
    }
}

/// A head as it is written.
pub(super) fn write_head(head: &Head) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    out.extend([HEAD, stage_mark(head.stage), head.end.map_or(0, end_mark)]);
    for time in [head.accepted_ms, head.answered_ms, head.ended_ms, head.since_ms, head.next_ms] {
        out.extend_from_slice(&time.to_le_bytes());
    }
    for count in [head.attempts, head.request_bytes, head.answer_bytes, head.attempt_bytes] {
        out.extend_from_slice(&count.to_le_bytes());
    }
    for text in [&head.bot, &head.dialect, &head.receiver, &head.reason] {
        bytes(&mut out, text.as_bytes());
    }
    out.extend_from_slice(&head.subject.0.to_le_bytes());
    out
}

/// Reads a head of any version that there was.
pub(super) fn read_head(record: &[u8]) -> Result<Head, Unreadable> {
    match record.first() {
        Some(1 | &HEAD) => read_known(record).ok_or(Unreadable::Broken),
        Some(&other) => Err(Unreadable::Version(other)),
        None => Err(Unreadable::Broken),
    }
}

fn read_known(record: &[u8]) -> Option<Head> {
    let mut rest = record;
    let [version, stage, end] = take(&mut rest)?;
    Some(Head {
        stage: read_stage(stage)?,
        end: read_end(end)?,
        accepted_ms: time(&mut rest)?,
        answered_ms: time(&mut rest)?,
        ended_ms: time(&mut rest)?,
        since_ms: time(&mut rest)?,
        next_ms: time(&mut rest)?,
        attempts: number(&mut rest)?,
        request_bytes: number(&mut rest)?,
        answer_bytes: number(&mut rest)?,
        attempt_bytes: number(&mut rest)?,
        bot: text(&mut rest)?,
        dialect: text(&mut rest)?,
        receiver: text(&mut rest)?,
        reason: text(&mut rest)?,
        subject: match version {
            HEAD => Subject(time(&mut rest)?),
            _ => Subject::default(),
        },
    })
}

/// An attempt as it is written: long texts are cut.
pub(super) fn write_attempt(attempt: &Attempt) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    out.extend([VERSION, stage_mark(attempt.stage)]);
    out.extend_from_slice(&attempt.at_ms.to_le_bytes());
    let took = &attempt.took;
    for phase in [took.resolve_us, took.connect_us, took.tls_us, took.first_byte_us, took.body_us] {
        out.extend_from_slice(&phase.to_le_bytes());
    }
    out.extend_from_slice(&attempt.status.unwrap_or(0).to_le_bytes());
    bytes(&mut out, cut(&attempt.error, MAX_REASON).as_bytes());
    let response = &attempt.response;
    bytes(&mut out, response.get(..MAX_KEPT_RESPONSE).unwrap_or(response));
    out
}

/// Reads an attempt; none where it makes no sense.
pub(super) fn read_attempt(record: &[u8]) -> Option<Attempt> {
    let mut rest = record;
    let [VERSION, stage] = take(&mut rest)? else {
        return None;
    };
    Some(Attempt {
        stage: read_stage(stage)?,
        at_ms: time(&mut rest)?,
        took: Phases {
            resolve_us: number(&mut rest)?,
            connect_us: number(&mut rest)?,
            tls_us: number(&mut rest)?,
            first_byte_us: number(&mut rest)?,
            body_us: number(&mut rest)?,
        },
        status: Some(u16::from_le_bytes(take(&mut rest)?)).filter(|status| *status > 0),
        error: text(&mut rest)?,
        response: read_bytes(&mut rest)?.to_vec(),
    })
}

/// A text of so many bytes at most.
pub(super) fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(bytes.get(..usize::from(length)).unwrap_or(bytes));
}

fn read_bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u16::from_le_bytes(take(rest)?);
    let (bytes, after) = rest.split_at_checked(usize::from(length))?;
    *rest = after;
    Some(bytes)
}

fn text(rest: &mut &[u8]) -> Option<String> {
    String::from_utf8(read_bytes(rest)?.to_vec()).ok()
}

fn number(rest: &mut &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(take(rest)?))
}

fn time(rest: &mut &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(take(rest)?))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*taken)
}
