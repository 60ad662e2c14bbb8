//! What `botgate chaos` prints: its progress and its result.

use super::observations::Observations;
use super::proof::Proof;
use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::Ordering::Relaxed;

/// A progress line on a terminal; nothing elsewhere.
pub(super) struct Progress {
    shown: bool,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { shown: std::io::stderr().is_terminal() }
    }

    pub(super) fn show(&self, what: &str, observations: &Observations) {
        if !self.shown {
            return;
        }
        let (sent, taken) = (observations.sent.load(Relaxed), observations.received().len());
        let accepted = observations.acceptances().len();
        let line = format!("{what}: {sent} sent, {accepted} accepted, {taken} delivered");
        let mut out = anstream::stderr().lock();
        let _ = write!(out, "\r{line:<79}").and_then(|()| out.flush());
    }
}

/// Clears the line.
impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let mut out = anstream::stderr().lock();
            let _ = write!(out, "\r{:79}\r", "").and_then(|()| out.flush());
        }
    }
}

pub(super) fn human(proof: &Proof) -> String {
    let (kills, early) = (proof.kills, proof.early);
    let seconds = proof.took_ms / 1000;
    let mut text = format!(
        "Killed {kills} times within {seconds} s, {early} of them before it was ready.\n\n"
    );
    let mut row = |what: &str, count: String, remark: String| {
        let line = format!("{what:<17}{count:>9}   {remark}");
        text += line.trim_end();
        text.push('\n');
    };
    let sent = format!("{} of them without an answer, {} refused", proof.unanswered, proof.refused);
    row("sent", proof.sent.to_string(), sent);
    let untold = format!("{} of them on disk, though no answer said so", proof.untold);
    row("accepted", proof.accepted.to_string(), untold);
    row("delivered", proof.delivered.to_string(), String::new());
    let dead = "the receiver wants no more of them (410)".to_owned();
    row("dead-lettered", proof.dead.to_string(), dead);
    row("pending", proof.pending.to_string(), String::new());
    row("lost", proof.lost.len().to_string(), String::new());
    let twice = match (proof.duplicates, proof.unexplained.len()) {
        (0, _) => String::new(),
        (_, 0) => format!(
            "each was in flight at a kill, less than {} ms after it was taken",
            proof.in_flight_ms + 1
        ),
        (_, some) => format!("{some} of them twice from one life: no kill lies between"),
    };
    row("delivered again", proof.duplicates.to_string(), twice);
    let recovery = format!("from start to ready; the median is {} ms", proof.recovery_median_ms);
    let longest = format!("{} ms", proof.recovery_longest_ms);
    row("longest recovery", longest, recovery);
    let longest = format!("{} ms", proof.longest_delivery_ms);
    row("longest delivery", longest, "from the 202 to the receiver".to_owned());
    text.push('\n');
    for (what, ids) in [("lost", &proof.lost), ("delivered again", &proof.unexplained)] {
        for id in ids {
            text += &format!("{what}: {id}\n");
        }
    }
    text += if proof.holds() {
        "accepted = delivered + dead-lettered + pending: nothing was lost.\n"
    } else {
        "The promise does not hold: see the ids.\n"
    };
    text
}

pub(super) fn json(proof: &Proof) -> String {
    let mut text = serde_json::to_string_pretty(proof).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_names_what_was_lost_or_came_twice() {
        let mut proof = Proof { accepted: 3, delivered: 3, ..Proof::default() };
        assert!(human(&proof).contains("nothing was lost"));
        proof.lost.push("msg-1".to_owned());
        let text = human(&proof);
        assert!(!proof.holds() && text.contains("lost: msg-1\n"), "{text}");
        proof.lost.clear();
        proof.duplicates = 1;
        proof.unexplained.push("msg-2".to_owned());
        let text = human(&proof);
        assert!(!proof.holds() && text.contains("delivered again: msg-2\n"), "{text}");
    }
}
