//! One receiver does not fill the journal for all.

use super::*;

const SMALL: Bounds = Bounds { jobs: 90, ..BOUNDS };

fn letter(receiver: &str) -> Job<'_> {
    Job { event: true, ..job(receiver, Stage::Deliver) }
}

/// Fills the journal for a receiver until it is refused: how many were accepted, and the refusal.
fn fill(journal: &Jobs, receiver: &str) -> (u64, JobsError) {
    for count in 0.. {
        if let Err(error) = done(journal.accept(&[job(receiver, Stage::Deliver)], NOW)) {
            return (count, error);
        }
    }
    unreachable!()
}

#[test]
fn a_receiver_may_have_eight_times_what_is_free_and_the_others_find_room() {
    let folder = tempfile::tempdir().unwrap();
    let journal = bounded(&folder, SMALL);
    // Each takes eight ninths of what those before it have left.
    for (receiver, most) in [("gone", 80), ("slow", 9), ("third", 1)] {
        let (count, error) = fill(&journal, receiver);
        assert_eq!(count, most, "{receiver}: {error}");
    }
    let (_, error) = fill(&journal, "gone");
    assert!(matches!(error, JobsError::Full { .. }), "{error}");
    // As they are worked off, so there is room.
    for (receiver, id) in claim_all(&journal, Stage::Deliver, NOW) {
        if receiver == "slow" {
            done(journal.give_up(id, "", &[], NOW)).unwrap();
        }
    }
    let (count, error) = fill(&journal, "gone");
    assert_eq!(count, 0);
    let text = error.to_string();
    assert!(text.contains("gone") && text.contains("80 jobs"), "{text}");
    assert!(fill(&journal, "slow").0 > 0);
}

#[test]
fn bytes_are_shared_like_jobs() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = 900_000;
    let journal = bounded(&folder, Bounds { bytes, ..BOUNDS });
    let large = |receiver| Job { body: vec![0; 100_000].into(), ..job(receiver, Stage::Deliver) };
    for _ in 0..8 {
        done(journal.accept(&[large("gone")], NOW)).unwrap();
    }
    let error = done(journal.accept(&[job("gone", Stage::Answer)], NOW)).unwrap_err();
    assert!(matches!(error, JobsError::Share { jobs: 8, .. }), "{error}");
    accept(&journal, "crm", Stage::Answer, NOW);
}

#[test]
fn a_letter_to_a_receiver_without_room_is_dead_and_may_be_taken_up_again() {
    let folder = tempfile::tempdir().unwrap();
    let journal = bounded(&folder, SMALL);
    let (filled, _) = fill(&journal, "gone");
    let (lost, told) = (letter("gone"), letter("crm"));
    done(journal.accept(&[lost.clone(), told.clone()], NOW)).unwrap();
    assert_eq!(jobs(&journal), [0, filled + 1, 0, 1]);
    assert_eq!(state(&journal, told.id), JobState::Answered);
    let shown = journal.details(lost.id).unwrap().unwrap();
    assert_eq!((shown.head.reason.as_str(), shown.head.ended_ms), (CROWDED, NOW));
    assert_eq!(&*journal.body(lost.id, Stage::Deliver).unwrap(), b"what was said");
    let error = done(journal.retry(lost.id, NOW)).unwrap_err();
    assert!(matches!(error, JobsError::Share { .. }), "{error}");
    // So it is for what follows from a step, which itself is taken however full the journal is.
    let asked = accept(&journal, "ask", Stage::Answer, NOW);
    claim_one(&journal, Stage::Answer, asked, NOW);
    let both = [letter("gone"), letter("crm")];
    done(journal.fan_out(asked, &both, NOW)).unwrap();
    assert_eq!(jobs(&journal), [0, filled + 2, 1, 2]);
    let before = journal.counts();
    drop(journal);
    let journal = bounded(&folder, SMALL);
    assert_eq!(journal.counts(), before);
    for (_, id) in claim_all(&journal, Stage::Deliver, NOW) {
        done(journal.record_attempt(id, &attempt(NOW, Some(200)), NextState::Delivered, NOW))
            .unwrap();
    }
    done(journal.retry(lost.id, NOW)).unwrap();
    claim_one(&journal, Stage::Deliver, lost.id, NOW);
}
