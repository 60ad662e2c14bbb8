//! What an earlier run has left is picked up while new jobs are accepted, and counts from the start.

use super::*;
use crate::state::store::Changes;
use std::collections::BTreeSet;

#[test]
fn a_job_that_waits_costs_memory_little() {
    const JOBS: u32 = 100_000;
    let ids: Vec<_> = (0..JOBS).map(|_| Id::new(NOW)).collect();
    let head = accept::head(&job("crm", Stage::Answer), NOW).unwrap();
    let mut index = Index::default();
    let used = allocation_counter::measure(|| {
        for id in &ids {
            index.insert(*id, &head, Place::Taken);
            index.enqueue(*id);
        }
    });
    let each = used.bytes_current / i64::from(JOBS);
    assert!((60..=95).contains(&each), "{each} bytes");
    assert_eq!(index.unfinished().jobs, u64::from(JOBS));
    for id in &ids {
        assert_eq!(index.take_first(NOW), Some(*id));
    }
}

impl Index {
    fn take_first(&mut self, now_ms: u64) -> Option<Id> {
        let stage = Stage::Answer;
        let number = match self.wake(stage, now_ms) {
            Some((number, _)) => number,
            None => 0,
        };
        self.take(stage, number, now_ms).map(|entry| entry.id)
    }
}

/// More jobs than are looked at before a journal serves: the last of them dead, the one before it put off by 30 s.
fn leave(folder: &tempfile::TempDir) -> Vec<Id> {
    let journal = open(folder);
    let waiting: Vec<_> = (0..BATCH_ROWS * 2).map(|_| job("crm", Stage::Deliver)).collect();
    done(journal.accept(&waiting, NOW)).unwrap();
    let ids: Vec<_> = waiting.iter().map(|job| job.id).collect();
    let all = claim_all(&journal, Stage::Deliver, NOW);
    assert_eq!(all.len(), ids.len());
    let again = NextState::Again(NOW + 30_000);
    let (put_off, dead) = (ids[ids.len() - 2], ids[ids.len() - 1]);
    done(journal.record_attempt(put_off, &attempt(NOW, None), again, NOW)).unwrap();
    done(journal.give_up(dead, "gone", &[], NOW)).unwrap();
    ids
}

/// Picks up by hand what [`Journal::open`] would on a thread of its own.
fn open_by_hand(folder: &tempfile::TempDir) -> (Jobs, Left) {
    let store = Store::open(folder.path()).unwrap();
    let memory = Arc::new(Memory::default());
    recovery::count(&store, &mut memory.index()).unwrap();
    let left = Left::new(&store, NOW).unwrap();
    let bounds = BOUNDS;
    let journal = Jobs { store, memory, bounds };
    (journal, left)
}

#[test]
fn a_journal_serves_before_all_is_picked_up_and_nothing_is_taken_twice_or_lost() {
    let folder = tempfile::tempdir().unwrap();
    let ids = leave(&folder);
    let (journal, mut left) = open_by_hand(&folder);
    assert!(left.pick_up(&journal.memory).unwrap());
    let (put_off, dead) = (ids[ids.len() - 2], ids[ids.len() - 1]);
    // What has not been picked up is on disk alone: none of its steps can be taken, and it is shown.
    let unknown = done(journal.give_up(put_off, "", &[], NOW)).unwrap_err();
    assert!(matches!(unknown, JobsError::Unknown(_)), "{unknown}");
    let order = done(journal.retry(put_off, NOW)).unwrap_err();
    assert!(matches!(order, JobsError::Order { .. }), "{order}");
    assert_eq!(state(&journal, put_off), JobState::Answered);
    // What comes meanwhile, and what is taken up again, is worked on once.
    let new = accept(&journal, "crm", Stage::Deliver, NOW);
    done(journal.retry(dead, NOW)).unwrap();
    let mut taken = claim_all(&journal, Stage::Deliver, NOW);
    assert_eq!(taken.len(), BATCH_ROWS + 2);
    for id in [new, dead] {
        done(journal.record_attempt(id, &attempt(NOW, None), NextState::Delivered, NOW)).unwrap();
    }
    while left.pick_up(&journal.memory).unwrap() {}
    assert_eq!(jobs(&journal), [0, ids.len() as u64 - 1, 2, 0]);
    taken.extend(claim_all(&journal, Stage::Deliver, NOW));
    let before = taken.len();
    taken.extend(claim_all(&journal, Stage::Deliver, NOW + 30_000));
    assert_eq!(taken.len(), before + 1, "one was put off");
    let found: BTreeSet<_> = taken.iter().map(|(_, id)| *id).collect();
    assert_eq!(found.len(), taken.len(), "none came twice");
    let all: BTreeSet<_> = ids.into_iter().chain([new]).collect();
    assert_eq!(found, all);
}

#[test]
fn what_is_still_to_be_picked_up_counts_to_the_last_job() {
    let folder = tempfile::tempdir().unwrap();
    let ids = leave(&folder);
    let (journal, mut left) = open_by_hand(&folder);
    let all = journal.unfinished();
    // One is dead, and one was tried before.
    assert_eq!(all.jobs, ids.len() as u64 - 1);
    assert_eq!(jobs(&journal), [all.jobs, 0, 0, 1]);
    let full = Jobs { bounds: Bounds { jobs: all.jobs, ..BOUNDS }, ..journal };
    let error = done(full.accept(&[job("crm", Stage::Answer)], NOW)).unwrap_err();
    assert!(matches!(error, JobsError::Full { .. }), "{error}");
    while left.pick_up(&full.memory).unwrap() {
        assert_eq!(full.unfinished(), all);
    }
    assert_eq!(full.unfinished(), all);
    assert_eq!(jobs(&full), [0, all.jobs, 0, 1]);
}

#[test]
fn a_count_that_an_earlier_version_noted_too_late_is_put_right() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(&folder);
    accept(&journal, "crm", Stage::Deliver, NOW);
    let all = journal.unfinished();
    let mut changes = Changes::default();
    changes.remove(Table::Ended, &record::UNFINISHED);
    commit(&journal.store, changes);
    drop(journal);
    drop(open(&folder));
    let (journal, _) = open_by_hand(&folder);
    assert_eq!(journal.unfinished(), all);
}

/// Writes rows past the journal.
fn commit(store: &Store, changes: Changes) {
    let (tell, told) = std::sync::mpsc::channel();
    let tell = move |written| tell.send(written).unwrap();
    store.commit(changes, Box::new(tell));
    told.recv_timeout(LONG).unwrap().unwrap();
}

#[test]
fn how_much_waits_is_noted_though_there_is_always_something_to_delete() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open_by_hand(&folder);
    let [_, gone] = [(); 2].map(|()| accept(&journal, "crm", Stage::Deliver, NOW));
    assert_eq!(claim_all(&journal, Stage::Deliver, NOW).len(), 2);
    done(journal.give_up(gone, "gone", &[], NOW)).unwrap();
    let crowded = Bounds { kept_jobs: 0, ..BOUNDS };
    let view = journal.store.view().unwrap();
    let (changes, deleted) = retention::portion(&journal.memory, &crowded, &view, NOW).unwrap();
    drop(view);
    let (tell, told) = std::sync::mpsc::channel();
    let tell = move |written| {
        deleted(written);
        tell.send(()).unwrap();
    };
    journal.store.commit(changes, Box::new(tell));
    told.recv_timeout(LONG).unwrap();
    assert_eq!(jobs(&journal), [0, 1, 0, 0]);
    let waiting = journal.unfinished();
    drop(journal);
    let (journal, _) = open_by_hand(&folder);
    assert_eq!(journal.unfinished(), waiting);
}

#[test]
fn many_jobs_are_picked_up_by_a_thread_that_tells_the_workers() {
    let folder = tempfile::tempdir().unwrap();
    let ids = leave(&folder);
    let journal = open(&folder);
    let mut taken = BTreeSet::new();
    let start = std::time::Instant::now();
    while taken.len() < ids.len() - 2 {
        assert!(start.elapsed() < LONG, "{} came", taken.len());
        let all = claim_all(&journal, Stage::Deliver, NOW);
        taken.extend(all.into_iter().map(|(_, id)| id));
        std::thread::yield_now();
    }
    assert!(taken.into_iter().eq(ids[..ids.len() - 2].iter().copied()));
}

#[test]
fn what_cannot_be_read_holds_up_nobody_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let ids = leave(&folder);
    let store = Store::open(folder.path()).unwrap();
    let mut changes = Changes::default();
    let unread = [(ids[BATCH_ROWS + 3], &[9][..]), (ids[BATCH_ROWS + 7], &[])];
    for (id, row) in unread {
        changes.put(Table::Jobs, &id.0, row.into());
    }
    commit(&store, changes);
    drop(store);
    let journal = open(&folder);
    let start = std::time::Instant::now();
    // One more is dead.
    while jobs(&journal) != [0, ids.len() as u64 - 3, 0, 1] {
        assert!(start.elapsed() < LONG, "{:?}", jobs(&journal));
        std::thread::yield_now();
    }
    let mut came = claim_all(&journal, Stage::Deliver, NOW + 30_000);
    came.retain(|(_, id)| unread.iter().any(|(unread, _)| id == unread));
    assert_eq!(came, []);
}

#[test]
fn the_oldest_job_is_told_to_within_four_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(&folder);
    assert_eq!(journal.oldest_ms(), None);
    let made = |at_ms: u64| {
        let job = Job { id: Id::new(at_ms), ..job("crm", Stage::Deliver) };
        done(journal.accept(std::slice::from_ref(&job), at_ms)).unwrap();
        job.id
    };
    let told = |at_ms: u64| {
        let oldest = journal.oldest_ms().unwrap();
        assert!((at_ms - 4_096..=at_ms).contains(&oldest), "{oldest}");
    };
    // Times that no other test has used, for ids are never made earlier than one before.
    let late = NOW + 1_000_000;
    let [first, second] = [late, late + 60_000].map(|at_ms| (made(at_ms), at_ms));
    told(first.0.made_ms());
    assert_eq!(claim_all(&journal, Stage::Deliver, second.1).len(), 2);
    done(journal.give_up(first.0, "", &[], second.1)).unwrap();
    told(second.0.made_ms());
    done(journal.give_up(second.0, "", &[], second.1)).unwrap();
    assert_eq!(journal.oldest_ms(), None);
}
