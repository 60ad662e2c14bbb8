//! What is known of one conversation: its id, and as many pairs of turns as its window takes.

use super::Policy;
use super::record::{self, Pair};
use crate::codec::message::Turn;
use crate::state::store::{STAMP, Slotted};
use std::collections::VecDeque;
use std::sync::Arc;

/// The most bytes of text that a history holds; older pairs are left out, and a pair that is larger by itself is too.
pub const MAX_TEXT: usize = 64 * 1024;
/// The most pairs of a question and its answer that a history holds, however large the window.
pub const MAX_PAIRS: u32 = 128;
/// Longer metadata is not stored.
pub const MAX_METADATA: usize = 64 * 1024;
/// What a conversation costs beside its records.
pub(super) const OVERHEAD: usize = 256;
/// What a pair costs beside its record.
const PER_PAIR: usize = 48;

impl Policy {
    /// How many pairs are remembered.
    pub(super) fn pairs(self) -> u32 {
        (self.window / 2).min(MAX_PAIRS)
    }

    fn expiry(self, now_ms: u64) -> u64 {
        now_ms.saturating_add(u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX))
    }
}

/// A question and its answer, as they are stored.
#[derive(Debug)]
struct Past {
    record: Arc<[u8]>,
    text: usize,
}

/// A conversation's id: 32 hexadecimal digits.
pub type Id = [u8; 32];

/// One conversation.
#[derive(Debug)]
pub(super) struct Memory {
    id: Id,
    past: VecDeque<Past>,
    /// Bytes of text in them.
    text: usize,
    /// The number of the next pair.
    next: u64,
    /// 0: nothing was said yet.
    pub(super) expires_ms: u64,
    /// When it was last used.
    pub(super) used_ms: u64,
    /// The store has records of an earlier life.
    stale: bool,
}

/// What an appended pair changes in the store.
pub(super) struct Appended {
    /// What the store has of the conversation goes first.
    pub(super) wipe: bool,
    pub(super) slot: u32,
    pub(super) record: Arc<[u8]>,
}

impl Memory {
    pub(super) fn new(stale: bool) -> Self {
        let mut id = [0; 32];
        uuid::Uuid::new_v4().as_simple().encode_lower(&mut id);
        Self { id, past: VecDeque::new(), text: 0, next: 0, expires_ms: 0, used_ms: 0, stale }
    }

    /// What the store has of it. What makes no sense counts as missing, and with it all that is older.
    pub(super) fn read(records: Vec<Slotted>, policy: Policy) -> Self {
        let stale = !records.is_empty();
        let mut pairs: Vec<(Pair<'_>, &Arc<[u8]>)> =
            records.iter().filter_map(|(_, record)| Some((Pair::read(record)?, record))).collect();
        let Some(id) = pairs.iter().max_by_key(|(pair, _)| pair.at_ms).map(|(pair, _)| pair.id)
        else {
            return Self::new(stale);
        };
        pairs.retain(|(pair, _)| pair.id == id);
        pairs.sort_by_key(|(pair, _)| std::cmp::Reverse(pair.number));
        let Some((last, record)) = pairs.first() else {
            return Self::new(stale);
        };
        let mut memory = Self::new(false);
        memory.id = hex(id);
        memory.next = last.number.saturating_add(1);
        memory.expires_ms = record::expiry(record);
        let expected = (0..=last.number).rev();
        for ((pair, record), number) in pairs.iter().zip(expected) {
            if pair.number != number || pair.gap {
                break;
            }
            memory.past.push_front(Past { record: Arc::clone(record), text: pair.text() });
            memory.text += pair.text();
        }
        memory.cut(policy);
        memory
    }

    /// Begins anew if it has expired. True: it has.
    pub(super) fn renew(&mut self, now_ms: u64) -> bool {
        let over = self.expires_ms != 0 && self.expires_ms <= now_ms;
        if over {
            *self = Self::new(true);
        }
        over
    }

    /// Keeps the id of a conversation in which nothing was said yet, since somebody has been told it.
    pub(super) fn name(&mut self, policy: Policy, now_ms: u64) -> Id {
        if self.expires_ms == 0 {
            self.expires_ms = policy.expiry(now_ms);
        }
        self.id
    }

    /// Takes the id that somebody was told, unless the conversation has gone on under its own.
    pub(super) fn adopt(&mut self, id: Id) {
        if self.next == 0 {
            self.id = id;
        }
    }

    pub(super) fn raw_id(&self) -> Id {
        self.id
    }

    pub(super) fn id(&self) -> &str {
        std::str::from_utf8(&self.id).unwrap_or_default()
    }

    /// The turns that a window takes, oldest first.
    pub(super) fn history(&self, policy: Policy) -> impl Iterator<Item = Turn<'_>> {
        let pairs = usize::try_from(policy.pairs()).unwrap_or(usize::MAX);
        let skipped = self.past.len().saturating_sub(pairs);
        let past = self.past.iter().skip(skipped);
        past.filter_map(|past| record::turns(&past.record)).flatten()
    }

    /// Adds a pair, and says what that changes in the store.
    pub(super) fn append(
        &mut self,
        user: &Turn<'_>,
        assistant: &Turn<'_>,
        metadata: Option<&str>,
        policy: Policy,
        now_ms: u64,
    ) -> Appended {
        let mut id = [0; 16];
        let _ = ::hex::decode_to_slice(self.id, &mut id);
        let expires_ms = policy.expiry(now_ms);
        let pair = record::Written { expires_ms, id, number: self.next, at_ms: now_ms };
        let (mut record, text) = pair.write(user, assistant, MAX_TEXT);
        let slot = self.next % u64::from(policy.pairs().max(1));
        let appended = |record| Appended {
            wipe: self.stale,
            slot: u32::try_from(slot).unwrap_or_default(),
            record,
        };
        // Memory has no use for the metadata, so its record is another.
        let metadata = metadata.filter(|text| text.len() <= MAX_METADATA && !text.is_empty());
        let kept: Arc<[u8]> = Arc::from(record.as_slice());
        let appended = match metadata {
            None => appended(Arc::clone(&kept)),
            Some(metadata) => {
                record.extend_from_slice(metadata.as_bytes());
                appended(Arc::from(record))
            }
        };
        match text {
            Some(text) => {
                self.past.push_back(Past { record: kept, text });
                self.text += text;
            }
            None => {
                self.past.clear();
                self.text = 0;
            }
        }
        self.next += 1;
        self.expires_ms = expires_ms;
        self.stale = false;
        self.cut(policy);
        appended
    }

    /// Drops what is older than the window or over the bound of bytes.
    fn cut(&mut self, policy: Policy) {
        let pairs = usize::try_from(policy.pairs()).unwrap_or(usize::MAX);
        while self.past.len() > pairs || self.text > MAX_TEXT {
            let Some(oldest) = self.past.pop_front() else {
                return;
            };
            self.text -= oldest.text;
        }
    }

    /// Nothing would be lost with it.
    pub(super) fn is_empty(&self) -> bool {
        self.expires_ms == 0
    }

    /// What it costs to keep, in bytes.
    pub(super) fn cost(&self) -> usize {
        let past = self.past.iter().map(|past| past.record.len() + PER_PAIR);
        OVERHEAD + past.sum::<usize>()
    }
}

fn hex(id: [u8; 16]) -> Id {
    let mut text = [0; 32];
    let _ = ::hex::encode_to_slice(id, &mut text);
    text
}

const _: () = assert!(STAMP == size_of::<u64>());
