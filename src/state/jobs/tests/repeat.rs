//! What was said to a delivery that became a job: there as long as the job, and no longer.

use super::ended::{rows, until};
use super::*;

/// Accepts a job with what is said to whoever repeats its delivery, and ends it.
fn told(journal: &Jobs, key: [u8; 32], said: &str, now_ms: u64) {
    let held = Job { claimed: true, ..job("crm", Stage::Deliver) };
    let mut along = AcceptOptions::default();
    let said = said.as_bytes().to_vec();
    along.record_response(held.id, &RecordedResponse { key, response: said });
    done(journal.accept_with(std::slice::from_ref(&held), along, NOW)).unwrap();
    done(journal.give_up(held.id, "gone", &[], now_ms)).unwrap();
}

fn said(journal: &Jobs, key: [u8; 32]) -> Option<String> {
    let said = block_on(journal.recorded_response(&key)).unwrap();
    said.map(|said| String::from_utf8(said).unwrap())
}

#[test]
fn what_was_said_is_there_after_a_restart_and_goes_with_its_job() {
    let folder = tempfile::tempdir().unwrap();
    let bounds = Bounds { dead_ms: 1_000, ..BOUNDS };
    let journal = bounded(&folder, bounds);
    assert_eq!(said(&journal, [1; 32]), None);
    told(&journal, [1; 32], "one", NOW);
    told(&journal, [2; 32], "two", NOW);
    // The delivery comes again when its window is over: the job that goes first takes nothing of the other's along.
    told(&journal, [2; 32], "two again", NOW + 2);
    drop(journal);
    let journal = bounded(&folder, bounds);
    assert_eq!(said(&journal, [1; 32]).as_deref(), Some("one"));
    assert_eq!(said(&journal, [2; 32]).as_deref(), Some("two again"));
    journal.store.tick(NOW + 1_001);
    until(|| jobs(&journal) == [0, 0, 0, 1]);
    assert_eq!(said(&journal, [1; 32]), None);
    assert_eq!(said(&journal, [2; 32]).as_deref(), Some("two again"));
    journal.store.tick(NOW + 5_000);
    until(|| jobs(&journal) == [0, 0, 0, 0]);
    assert_eq!(said(&journal, [2; 32]), None);
    assert_eq!(rows(&journal, Table::Repeats), 0);
}
