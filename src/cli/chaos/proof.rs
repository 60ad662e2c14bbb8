//! The proof: what was promised against what has arrived and what lies on disk. Every message that was accepted is with its
//! receiver, given up or pending, or it is lost.

use super::observations::{Seen, Taken};
use super::peers::number;
use crate::clock;
use crate::proxy::chat::Envelope;
use crate::state::jobs::{BOUNDS, Filter, JobState, Jobs, JobsError, ListedJob, MAX_PAGE, Stage};
use crate::state::store::Store;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// What came of it all. Times are in milliseconds.
#[derive(Debug, Default, Serialize)]
pub(super) struct Proof {
    pub(super) kills: usize,
    /// Kills before it was ready.
    pub(super) early: usize,
    pub(super) took_ms: u64,
    pub(super) sent: u32,
    pub(super) unanswered: u64,
    pub(super) refused: u64,
    /// Promised by a 202, or found on disk.
    pub(super) accepted: usize,
    /// Found on disk though their sender got no answer.
    pub(super) untold: usize,
    pub(super) delivered: usize,
    pub(super) dead: usize,
    pub(super) pending: usize,
    /// The ids of those that are nowhere.
    pub(super) lost: Vec<String>,
    /// Deliveries that came again after the receiver had taken them.
    pub(super) duplicates: usize,
    /// Of those, the ids of the messages that came twice from one life: no kill lies between.
    pub(super) unexplained: Vec<String>,
    /// The longest that a kill came after the receiver's answer, where a delivery came again.
    pub(super) in_flight_ms: u64,
    /// From start to ready, the median of all lives.
    pub(super) recovery_median_ms: u64,
    /// The same, the longest.
    pub(super) recovery_longest_ms: u64,
    /// From a 202 to the receiver, the longest.
    pub(super) longest_delivery_ms: u64,
}

impl Proof {
    /// Nothing was lost, and nothing came twice without a reason.
    pub(super) fn holds(&self) -> bool {
        self.lost.is_empty() && self.unexplained.is_empty()
    }

    /// Tells how long it took to be ready again, life by life.
    pub(super) fn recoveries(&mut self, mut each: Vec<Duration>) {
        each.sort_unstable();
        self.recovery_median_ms = each.get(each.len() / 2).map_or(0, millis);
        self.recovery_longest_ms = each.last().map_or(0, millis);
    }
}

/// Compares what was seen with what a stopped Botgate has left in this folder.
pub(super) fn prove(seen: &Seen, folder: &Path) -> Result<Proof, String> {
    let kept = kept(folder).map_err(|error| error.to_string())?;
    let (promises, taken, kills) = (seen.promises(), seen.taken(), seen.kills());
    let mut proof = Proof {
        kills: kills.len(),
        sent: seen.sent.load(Relaxed),
        unanswered: seen.unanswered.load(Relaxed),
        refused: seen.refused.load(Relaxed),
        ..Proof::default()
    };
    let name = |number: u32| match promises.get(&number) {
        Some(promise) => promise.id.clone(),
        None => format!("message {number}"),
    };
    let accepted: BTreeSet<u32> = promises.keys().chain(kept.keys()).copied().collect();
    proof.accepted = accepted.len();
    for number in accepted {
        proof.untold += usize::from(!promises.contains_key(&number));
        match kept.get(&number) {
            Some(JobState::Dead) => proof.dead += 1,
            Some(JobState::Accepted | JobState::Answered) => proof.pending += 1,
            // Nobody's word is believed but the receiver's.
            Some(JobState::Delivered) | None => match taken.contains_key(&number) {
                true => proof.delivered += 1,
                false => proof.lost.push(name(number)),
            },
        }
    }
    for (number, taken) in &*taken {
        if let (Some(promise), Some(first)) = (promises.get(number), taken.first()) {
            let took = first.answered.saturating_duration_since(promise.at);
            proof.longest_delivery_ms = proof.longest_delivery_ms.max(millis(&took));
        }
        for pair in taken.windows(2) {
            proof.duplicates += 1;
            match in_flight(&kills, pair) {
                Some(after) => proof.in_flight_ms = proof.in_flight_ms.max(millis(&after)),
                None => proof.unexplained.push(name(*number)),
            }
        }
    }
    Ok(proof)
}

/// How long after the answer to the first of two deliveries its life was ended, if the second comes from a later one.
fn in_flight(kills: &[Instant], pair: &[Taken]) -> Option<Duration> {
    let [first, second] = pair else { return None };
    let kill = kills.get(first.life).filter(|_| first.life < second.life)?;
    Some(kill.saturating_duration_since(first.answered))
}

/// Where each message stands on disk, by its number.
fn kept(folder: &Path) -> Result<BTreeMap<u32, JobState>, JobsError> {
    let journal = Jobs::open(Store::open(folder)?, BOUNDS, clock::unix_ms())?;
    let mut kept = BTreeMap::new();
    let mut cursor = None;
    loop {
        let page = journal.list(&Filter::default(), cursor, MAX_PAGE)?;
        for found in &page.items {
            if let Some(number) = spoken_of(&journal, found)? {
                kept.insert(number, found.head.state());
            }
        }
        cursor = page.next;
        if cursor.is_none() {
            return Ok(kept);
        }
    }
}

/// The message that a job is about.
fn spoken_of(journal: &Jobs, found: &ListedJob) -> Result<Option<u32>, JobsError> {
    let body: Arc<[u8]> = journal.body(found.id, found.head.stage)?;
    Ok(match found.head.stage {
        Stage::Answer => Envelope::read(&body).and_then(|envelope| number(&envelope.body)),
        Stage::Deliver => number(&body),
    })
}

pub(super) fn millis(duration: &Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
