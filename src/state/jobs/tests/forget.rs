//! Who asks to be forgotten is: jobs that have ended go, and nobody else's.

use super::ended::rows;
use super::*;

/// Leaves a job of a user, ended so or not at all.
fn leave(journal: &Jobs, user: Option<&str>, end: Option<TerminalState>) -> Id {
    let held = Job {
        claimed: true,
        subject: Subject::of("bt_support", user),
        ..job("crm", Stage::Deliver)
    };
    let mut along = AcceptOptions::default();
    let (key, said) = (*held.id.bytes(), b"said".to_vec());
    let key = [key, key].concat().try_into().unwrap();
    along.record_response(held.id, &RecordedResponse { key, response: said });
    done(journal.accept_with(std::slice::from_ref(&held), along, NOW)).unwrap();
    let then = match end {
        None => return held.id,
        Some(TerminalState::Delivered) => NextState::Delivered,
        Some(TerminalState::Dead) => NextState::Dead("gone"),
    };
    done(journal.record_attempt(held.id, &attempt(NOW, Some(410)), then, NOW)).unwrap();
    held.id
}

fn forget(journal: &Jobs, user: Option<&str>) -> (usize, bool) {
    let subject = Subject::of("bt_support", user);
    let going = journal.forget(subject, AcceptOptions::default()).unwrap();
    let counts = (going.jobs, going.more);
    done(Ok(going.step)).unwrap();
    counts
}

#[test]
fn all_that_has_ended_of_a_user_goes_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(&folder);
    for end in [Some(TerminalState::Delivered), Some(TerminalState::Dead), None] {
        for user in [Some("ann"), Some("an"), None] {
            leave(&journal, user, end);
        }
    }
    let taken_up = leave(&journal, Some("ann"), Some(TerminalState::Dead));
    done(journal.retry(taken_up, NOW)).unwrap();
    assert_eq!(jobs(&journal), [0, 4, 3, 3]);
    assert_eq!(forget(&journal, Some("bob")), (0, false));
    assert_eq!(forget(&journal, None), (0, false), "nobody is no user");
    assert_eq!(forget(&journal, Some("ann")), (2, false));
    assert_eq!(forget(&journal, Some("ann")), (0, false));
    assert_eq!(jobs(&journal), [0, 4, 2, 2]);
    assert_eq!(state(&journal, taken_up), JobState::Answered);
    // Heads, bodies and attempts, ends, and what was said to whoever repeats them.
    let tables = [Table::Jobs, Table::Parts, Table::Ended, Table::Repeats];
    let left = tables.map(|table| rows(&journal, table));
    assert_eq!(left, [8, 13, 4, 16]);
    drop(journal);
    let journal = open(&folder);
    assert_eq!(jobs(&journal), [0, 4, 2, 2]);
}

#[test]
fn many_go_a_part_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(&folder);
    for _ in 0..=MAX_FORGOTTEN {
        leave(&journal, Some("ann"), Some(TerminalState::Delivered));
    }
    assert_eq!(forget(&journal, Some("ann")), (MAX_FORGOTTEN, true));
    assert_eq!(forget(&journal, Some("ann")), (1, false));
    assert_eq!(jobs(&journal), [0; 4]);
}

#[test]
fn users_of_two_bots_are_two() {
    let all = [("bot", "ann"), ("botann", ""), ("bo", "tann"), ("bot", "an")];
    let all = all.map(|(bot, user)| Subject::of(bot, Some(user)).0);
    let distinct: std::collections::BTreeSet<_> = all.into_iter().collect();
    assert_eq!(distinct.len(), all.len());
    assert_eq!(Subject::of("bot", None), Subject::default());
}
