//! What becomes of jobs that have ended, and how they are listed.

use super::*;
use crate::state::store::Range;
use std::ops::{Bound, ControlFlow};

/// Ends a job in this way.
fn ended(journal: &Jobs, end: TerminalState, now_ms: u64) -> Id {
    let id = accept(journal, "crm", Stage::Deliver, now_ms);
    claim_one(journal, Stage::Deliver, id, now_ms);
    let then = match end {
        TerminalState::Delivered => NextState::Delivered,
        TerminalState::Dead => NextState::Dead("gone"),
    };
    done(journal.record_attempt(id, &attempt(now_ms, None), then, now_ms)).unwrap();
    id
}

pub(super) fn until(mut met: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !met() {
        assert!(start.elapsed() < LONG, "it never came");
        std::thread::yield_now();
    }
}

/// How many rows a table has, but for the one that says how much waits.
pub(super) fn rows(journal: &Jobs, table: Table) -> usize {
    let all: Range<'_> = (Bound::Unbounded, Bound::Unbounded);
    let mut count = 0;
    let view = journal.store.view().unwrap();
    view.walk(table, all, false, |key, _| {
        count += usize::from(*key != record::UNFINISHED);
        ControlFlow::Continue(())
    })
    .unwrap();
    count
}

#[test]
fn what_has_ended_goes_when_its_time_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let bounds = Bounds { delivered_ms: 1_000, dead_ms: 5_000, ..BOUNDS };
    let journal = bounded(&folder, bounds);
    for _ in 0..BATCH_JOBS * 2 {
        ended(&journal, TerminalState::Delivered, NOW);
    }
    let later = ended(&journal, TerminalState::Delivered, NOW + 1);
    let dead = ended(&journal, TerminalState::Dead, NOW);
    let waits = accept(&journal, "crm", Stage::Deliver, NOW);
    journal.store.tick(NOW + 1_000);
    until(|| jobs(&journal) == [0, 1, 1, 1]);
    assert_eq!(state(&journal, later), JobState::Delivered);
    journal.store.tick(NOW + 4_999);
    until(|| jobs(&journal) == [0, 1, 0, 1]);
    // One that was taken up again has not ended.
    done(journal.retry(dead, NOW + 4_999)).unwrap();
    let last = ended_and_gone(&journal);
    assert_eq!(journal.details(last).unwrap(), None);
    assert_eq!(jobs(&journal), [0, 2, 0, 0]);
    assert_eq!(&*journal.body(dead, Stage::Deliver).unwrap(), b"what was said");
    assert_eq!(state(&journal, waits), JobState::Answered);
    // Nothing of the others is left: two heads, two bodies, one attempt.
    let left = [Table::Jobs, Table::Parts, Table::Ended].map(|table| rows(&journal, table));
    assert_eq!(left, [2, 3, 0]);
}

/// A job that has expired, gone: whatever was to go before it has been looked at.
fn ended_and_gone(journal: &Jobs) -> Id {
    let held = Job { claimed: true, ..job("crm", Stage::Deliver) };
    done(journal.accept(std::slice::from_ref(&held), NOW)).unwrap();
    done(journal.give_up(held.id, "gone", &[], NOW)).unwrap();
    journal.store.tick(NOW + 10_000);
    until(|| {
        let [_, _, delivered, dead] = jobs(journal);
        delivered + dead == 0
    });
    held.id
}

#[test]
fn where_too_many_are_kept_the_oldest_delivered_go_first_then_the_oldest_dead() {
    let folder = tempfile::tempdir().unwrap();
    let journal = bounded(&folder, Bounds { kept_jobs: 6, ..BOUNDS });
    let dead: Vec<_> = (0..5).map(|at| ended(&journal, TerminalState::Dead, NOW + at)).collect();
    let delivered: Vec<_> =
        (0..5).map(|at| ended(&journal, TerminalState::Delivered, NOW + at)).collect();
    journal.store.tick(NOW + 10);
    until(|| jobs(&journal) == [0, 0, 1, 5]);
    assert_eq!(state(&journal, delivered[4]), JobState::Delivered);
    drop(journal);
    let journal = bounded(&folder, Bounds { kept_bytes: 1_000, ..BOUNDS });
    journal.store.tick(NOW + 10);
    until(|| jobs(&journal) == [0, 0, 0, 3]);
    for (number, id) in dead.iter().enumerate() {
        assert_eq!(journal.details(*id).unwrap().is_some(), number >= 2);
    }
}

#[test]
fn lists_are_paged_newest_first_and_filtered() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(&folder);
    let all: Vec<_> = (0..25)
        .map(|number| {
            let id = match number % 5 {
                0 => ended(&journal, TerminalState::Dead, NOW),
                1 => ended(&journal, TerminalState::Delivered, NOW),
                _ => {
                    let other = Job {
                        bot: if number % 2 == 0 { "even" } else { "odd" },
                        claimed: true,
                        ..job("crm", Stage::Answer)
                    };
                    done(journal.accept(std::slice::from_ref(&other), NOW)).unwrap();
                    other.id
                }
            };
            (number, id)
        })
        .collect();
    let pages = |filter: Filter, limit: usize| {
        let (mut pages, mut cursor) = (Vec::new(), None);
        loop {
            let page = journal.list(&filter, cursor, limit).unwrap();
            assert!(page.items.len() <= limit);
            pages.push(page.items.iter().map(|found| found.id).collect::<Vec<_>>());
            cursor = page.next;
            if cursor.is_none() {
                return pages;
            }
        }
    };
    let expected = |fits: &dyn Fn(usize) -> bool| {
        let ids = all.iter().rev().filter(|(number, _)| fits(*number));
        ids.map(|(_, id)| *id).collect::<Vec<_>>()
    };
    let everything = pages(Filter::default(), 10);
    assert_eq!(everything.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 5]);
    assert_eq!(everything.concat(), expected(&|_| true));
    let state = |state| Filter { state: Some(state), bot: None };
    // The last page is known to be the last.
    assert_eq!(pages(state(JobState::Dead), 5), [expected(&|number| number % 5 == 0)]);
    assert_eq!(pages(state(JobState::Delivered), 2).len(), 3);
    assert_eq!(pages(state(JobState::Answered), 2), [vec![]]);
    let odd = Filter { state: Some(JobState::Accepted), bot: Some("odd".to_owned()) };
    let found = pages(odd, 100).concat();
    assert_eq!(found, expected(&|number| number % 5 > 1 && number % 2 == 1));
}
