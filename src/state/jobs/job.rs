//! The words of the journal: a job, where it stands, and what was tried.

use ring::digest::{Context, SHA256};
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use uuid::{ContextV7, Timestamp, Uuid};

/// A job's name for its whole life, the `webhook-id` of every attempt. Ids made later are greater.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub(super) [u8; 16]);

static CONTEXT: Mutex<ContextV7> = Mutex::new(ContextV7::new());

impl Id {
    /// A new one, with the time in milliseconds since 1970.
    pub fn new(now_ms: u64) -> Self {
        let context = CONTEXT.lock().unwrap_or_else(PoisonError::into_inner);
        let nanos = u32::try_from(now_ms % 1000 * 1_000_000).unwrap_or_default();
        let at = Timestamp::from_unix(&*context, now_ms / 1000, nanos);
        Self(Uuid::new_v7(at).into_bytes())
    }

    /// As bytes: ids made later are greater.
    pub fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The id of these bytes, where there are as many as one has.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// When it was made, in milliseconds since 1970.
    pub fn made_ms(&self) -> u64 {
        let [a, b, c, d, e, f, ..] = self.0;
        u64::from_be_bytes([0, 0, a, b, c, d, e, f])
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from_bytes(self.0).hyphenated().fmt(f)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Id {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Ok(Self(Uuid::try_parse(text)?.into_bytes()))
    }
}

/// What a job waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// An answer, by an AI.
    Answer,
    /// That its answer is delivered.
    Deliver,
}

/// How a job has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TerminalState {
    /// Its receiver has it.
    Delivered,
    /// It was given up.
    Dead,
}

/// Where a job stands, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobState {
    /// On disk, not answered yet.
    Accepted,
    /// Answered, not delivered yet.
    Answered,
    /// Done.
    Delivered,
    /// Given up.
    Dead,
}

impl JobState {
    /// All of them, in the order of a job's life.
    pub const ALL: [Self; 4] = [Self::Accepted, Self::Answered, Self::Delivered, Self::Dead];

    /// The word that operators see.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Answered => "answered",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}

/// The user whom a job is about, as far as a hash tells: enough to find what is kept of somebody who is named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subject(pub(super) u64);

impl Subject {
    /// A user of a bot; nobody where none was named.
    pub fn of(bot: &str, user: Option<&str>) -> Self {
        let Some(user) = user else {
            return Self::default();
        };
        let mut hash = Context::new(&SHA256);
        // Neither id can stand for a part of the other.
        hash.update(&bot.len().to_le_bytes());
        hash.update(bot.as_bytes());
        hash.update(user.as_bytes());
        let hash = hash.finish();
        let front = hash.as_ref().first_chunk().copied().unwrap_or_default();
        // 0 is nobody.
        Self(u64::from_le_bytes(front).max(1))
    }
}

/// What is to be accepted.
#[derive(Clone)]
pub struct Job<'a> {
    /// Made by [`Id::new`].
    pub id: Id,
    /// Whose it is.
    pub bot: &'a str,
    /// The user whom it is about.
    pub subject: Subject,
    /// The dialect that it came in.
    pub dialect: &'a str,
    /// Who gets the answer: the name of a callback or a subscriber.
    pub receiver: &'a str,
    /// What comes next.
    pub stage: Stage,
    /// What is to be answered, or delivered where it is no question.
    pub body: Arc<[u8]>,
    /// Whoever accepts it also works on it: it is in no queue before [`Journal::release`](super::Jobs::release).
    pub claimed: bool,
    /// It tells its receiver of something that does not wait for that: where the receiver has no more room it is dead from the
    /// start, kept and to be taken up again like any other, rather than refused.
    pub event: bool,
}

/// What is known of a job, all but what was said. Times are milliseconds since 1970, 0 where it has not happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Whose it is.
    pub bot: String,
    /// The user whom it is about.
    pub subject: Subject,
    /// The dialect that it came in.
    pub dialect: String,
    /// Who gets the answer.
    pub receiver: String,
    /// Why it is dead; else empty.
    pub reason: String,
    /// What it waits for, or waited for when it ended.
    pub stage: Stage,
    /// How it has ended, if it has.
    pub end: Option<TerminalState>,
    /// When it was accepted.
    pub accepted_ms: u64,
    /// When it was answered.
    pub answered_ms: u64,
    /// When it ended.
    pub ended_ms: u64,
    /// When it was decided what `next_ms` is.
    pub since_ms: u64,
    /// When it is to be worked on.
    pub next_ms: u64,
    /// How often it was tried.
    pub attempts: u32,
    pub(super) request_bytes: u32,
    pub(super) answer_bytes: u32,
    pub(super) attempt_bytes: u32,
}

/// What a job costs on disk beside what was said: its head, its keys.
const OVERHEAD: u32 = 256;

impl Head {
    /// Where it stands.
    pub fn state(&self) -> JobState {
        match (self.end, self.stage) {
            (Some(TerminalState::Delivered), _) => JobState::Delivered,
            (Some(TerminalState::Dead), _) => JobState::Dead,
            (None, Stage::Answer) => JobState::Accepted,
            (None, Stage::Deliver) => JobState::Answered,
        }
    }

    /// What it takes on disk, in bytes.
    pub fn size(&self) -> u32 {
        [self.request_bytes, self.answer_bytes, self.attempt_bytes]
            .into_iter()
            .fold(OVERHEAD, u32::saturating_add)
    }

    /// How far ahead it was put off, in milliseconds.
    pub(super) fn pause_ms(&self) -> u32 {
        u32::try_from(self.next_ms.saturating_sub(self.since_ms)).unwrap_or(u32::MAX)
    }
}

/// How long each phase of an attempt took, in microseconds; 0 where it was not come to, or the connection was there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    /// Looking up the name.
    pub resolve_us: u32,
    /// Connecting.
    pub connect_us: u32,
    /// TLS.
    pub tls_us: u32,
    /// Until the response began.
    pub first_byte_us: u32,
    /// Until it ended.
    pub body_us: u32,
}

/// One attempt to answer or deliver a job.
#[derive(Clone, PartialEq, Eq)]
pub struct Attempt {
    /// To do what.
    pub stage: Stage,
    /// When it began, in milliseconds since 1970.
    pub at_ms: u64,
    /// How long it took.
    pub took: Phases,
    /// The status that came back.
    pub status: Option<u16>,
    /// What went wrong, in a word or a sentence; empty: nothing. Cut to [`LONGEST_REASON`](super::MAX_REASON).
    pub error: String,
    /// The begin of what came back; cut to [`LONGEST_RESPONSE`](super::MAX_KEPT_RESPONSE).
    pub response: Vec<u8>,
}

/// What was said stays out of every log.
impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("stage", &self.stage)
            .field("at_ms", &self.at_ms)
            .field("took", &self.took)
            .field("status", &self.status)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

/// What follows an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextState<'a> {
    /// Another, at this time in milliseconds since 1970.
    Again(u64),
    /// Nothing: it is delivered.
    Delivered,
    /// Nothing: it is given up, for this reason.
    Dead(&'a str),
}
