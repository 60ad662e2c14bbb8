//! How many jobs of each bot have not ended, through every step and a restart.

use super::*;

#[test]
fn a_bot_has_as_many_pending_as_have_not_ended() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(&folder);
    let pending = |journal: &Jobs| ["a", "b", "c"].map(|bot| journal.pending(bot));
    // What is accepted together is of two bots and one receiver.
    let of = |bot| Job { bot, ..job("subscribers[0]", Stage::Deliver) };
    let jobs = ["a", "b", "a"].map(of);
    done(journal.accept(&jobs, NOW)).unwrap();
    assert_eq!(pending(&journal), [2, 1, 0]);
    // What is refused is of nobody: the first of these is there already.
    let again = [of("c"), jobs[0].clone()];
    assert!(matches!(journal.accept(&again, NOW), Err(JobsError::Order { .. })));
    assert_eq!(pending(&journal), [2, 1, 0]);

    claim_all(&journal, Stage::Deliver, NOW);
    let step = |then| {
        let attempt = attempt(NOW, None);
        done(journal.record_attempt(jobs[0].id, &attempt, then, NOW)).unwrap();
    };
    step(NextState::Again(NOW));
    assert_eq!(pending(&journal), [2, 1, 0]);
    claim_one(&journal, Stage::Deliver, jobs[0].id, NOW);
    step(NextState::Dead("gone"));
    assert_eq!(pending(&journal), [1, 1, 0]);
    done(journal.retry(jobs[0].id, NOW)).unwrap();
    assert_eq!(pending(&journal), [2, 1, 0]);
    let delivered = attempt(NOW, Some(200));
    let last = journal.record_attempt(jobs[1].id, &delivered, NextState::Delivered, NOW);
    done(last).unwrap();
    assert_eq!(pending(&journal), [2, 0, 0]);
    drop(journal);
    assert_eq!(pending(&open(&folder)), [2, 0, 0]);
}
