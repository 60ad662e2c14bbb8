//! The proof: acceptances against deliveries and what is on disk. Every accepted message is delivered, dead-lettered or pending, or
//! it is lost.

use super::observations::{Observations, Receipt};
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

/// The result. Times are in milliseconds.
#[derive(Debug, Default, Serialize)]
pub(super) struct Proof {
    pub(super) kills: usize,
    /// Kills before it was ready.
    pub(super) early: usize,
    pub(super) took_ms: u64,
    pub(super) sent: u32,
    pub(super) unanswered: u64,
    pub(super) refused: u64,
    /// Acknowledged with a 202, or found on disk.
    pub(super) accepted: usize,
    /// Found on disk though their sender got no response.
    pub(super) untold: usize,
    pub(super) delivered: usize,
    pub(super) dead: usize,
    pub(super) pending: usize,
    /// Ids.
    pub(super) lost: Vec<String>,
    /// Deliveries that came again after the receiver had acknowledged them.
    pub(super) duplicates: usize,
    /// Of those, the ids that one instance delivered twice: no kill explains them.
    pub(super) unexplained: Vec<String>,
    /// For repeated deliveries, the longest time from the receiver's response to the kill.
    pub(super) in_flight_ms: u64,
    /// From start to ready.
    pub(super) recovery_median_ms: u64,
    pub(super) recovery_longest_ms: u64,
    /// From a 202 to the receiver.
    pub(super) longest_delivery_ms: u64,
}

impl Proof {
    /// Nothing was lost, and nothing came twice without a reason.
    pub(super) fn holds(&self) -> bool {
        self.lost.is_empty() && self.unexplained.is_empty()
    }

    pub(super) fn recoveries(&mut self, mut each: Vec<Duration>) {
        each.sort_unstable();
        self.recovery_median_ms = each.get(each.len() / 2).map_or(0, millis);
        self.recovery_longest_ms = each.last().map_or(0, millis);
    }
}

/// Compares what was observed with what a stopped Botgate has left in this folder.
pub(super) fn verify(observations: &Observations, folder: &Path) -> Result<Proof, String> {
    let kept = states_on_disk(folder).map_err(|error| error.to_string())?;
    let (acceptances, received, kills) =
        (observations.acceptances(), observations.received(), observations.kills());
    let mut proof = Proof {
        kills: kills.len(),
        sent: observations.sent.load(Relaxed),
        unanswered: observations.unanswered.load(Relaxed),
        refused: observations.refused.load(Relaxed),
        ..Proof::default()
    };
    let name = |number: u32| match acceptances.get(&number) {
        Some(acceptance) => acceptance.id.clone(),
        None => format!("message {number}"),
    };
    let accepted: BTreeSet<u32> = acceptances.keys().chain(kept.keys()).copied().collect();
    proof.accepted = accepted.len();
    for number in accepted {
        proof.untold += usize::from(!acceptances.contains_key(&number));
        match kept.get(&number) {
            Some(JobState::Dead) => proof.dead += 1,
            Some(JobState::Accepted | JobState::Answered) => proof.pending += 1,
            // Only the receiver's own record counts.
            Some(JobState::Delivered) | None => match received.contains_key(&number) {
                true => proof.delivered += 1,
                false => proof.lost.push(name(number)),
            },
        }
    }
    for (number, received) in &*received {
        if let (Some(acceptance), Some(first)) = (acceptances.get(number), received.first()) {
            let took = first.answered.saturating_duration_since(acceptance.at);
            proof.longest_delivery_ms = proof.longest_delivery_ms.max(millis(&took));
        }
        for pair in received.windows(2) {
            proof.duplicates += 1;
            match in_flight(&kills, pair) {
                Some(after) => proof.in_flight_ms = proof.in_flight_ms.max(millis(&after)),
                None => proof.unexplained.push(name(*number)),
            }
        }
    }
    Ok(proof)
}

/// The time from the response to the first of two deliveries to the kill of its instance; `None` where both come from one instance.
fn in_flight(kills: &[Instant], pair: &[Receipt]) -> Option<Duration> {
    let [first, second] = pair else { return None };
    let kill = kills.get(first.instance).filter(|_| first.instance < second.instance)?;
    Some(kill.saturating_duration_since(first.answered))
}

/// The state of each message on disk, by its number.
fn states_on_disk(folder: &Path) -> Result<BTreeMap<u32, JobState>, JobsError> {
    let journal = Jobs::open(Store::open(folder)?, BOUNDS, clock::unix_ms())?;
    let mut kept = BTreeMap::new();
    let mut cursor = None;
    loop {
        let page = journal.list(&Filter::default(), cursor, MAX_PAGE)?;
        for found in &page.items {
            if let Some(number) = message_number(&journal, found)? {
                kept.insert(number, found.head.state());
            }
        }
        cursor = page.next;
        if cursor.is_none() {
            return Ok(kept);
        }
    }
}

fn message_number(journal: &Jobs, found: &ListedJob) -> Result<Option<u32>, JobsError> {
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
