//! The journal's life: every step, in order and out of it.

mod crash;
mod ended;
mod forget;
mod format;
mod order;
mod pending;
mod repeat;
mod share;
mod start;

use super::*;
use crate::state::store::Table;
use std::time::Duration;

const NOW: u64 = 1_800_000_000_000;
const LONG: Duration = Duration::from_secs(60);

fn open(folder: &tempfile::TempDir) -> Jobs {
    bounded(folder, BOUNDS)
}

fn bounded(folder: &tempfile::TempDir, bounds: Bounds) -> Jobs {
    Jobs::open(Store::open(folder.path()).unwrap(), bounds, NOW).unwrap()
}

/// Waits for a step.
fn done(step: Result<Step, JobsError>) -> Result<(), JobsError> {
    block_on(step?)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn job(receiver: &str, stage: Stage) -> Job<'_> {
    Job {
        id: Id::new(NOW),
        bot: "bt_support",
        subject: Subject::default(),
        dialect: "aerostack",
        receiver,
        stage,
        body: Arc::from(&b"what was said"[..]),
        claimed: false,
        event: false,
    }
}

fn accept(journal: &Jobs, receiver: &str, stage: Stage, now_ms: u64) -> Id {
    let job = job(receiver, stage);
    done(journal.accept(std::slice::from_ref(&job), now_ms)).unwrap();
    job.id
}

/// All jobs that are due, receiver by receiver.
fn claim_all(journal: &Jobs, stage: Stage, now_ms: u64) -> Vec<(String, Id)> {
    block_on(async {
        let mut all = Vec::new();
        while let Some(receiver) = journal.next_receiver(stage, now_ms).await {
            while let Some(claim) = journal.claim(stage, &receiver, now_ms).await {
                all.push((receiver.name.to_string(), claim.id));
            }
        }
        all
    })
}

fn claim_one(journal: &Jobs, stage: Stage, id: Id, now_ms: u64) {
    let ids = claim_all(journal, stage, now_ms);
    assert_eq!(ids.iter().map(|(_, id)| *id).collect::<Vec<_>>(), [id]);
}

fn attempt(at_ms: u64, status: Option<u16>) -> Attempt {
    Attempt {
        stage: Stage::Deliver,
        at_ms,
        took: Phases { resolve_us: 1, connect_us: 2, tls_us: 3, first_byte_us: 4, body_us: 5 },
        status,
        error: if status.is_none() { "refused" } else { "" }.to_owned(),
        response: b"hm".to_vec(),
    }
}

/// Jobs by where they stand.
fn jobs(journal: &Jobs) -> [u64; 4] {
    journal.counts().map(|(_, tally)| tally.jobs)
}

fn state(journal: &Jobs, id: Id) -> JobState {
    journal.details(id).unwrap().unwrap().head.state()
}

#[test]
fn a_job_is_accepted_answered_tried_delivered_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(&folder);
    let id = accept(&journal, "crm", Stage::Answer, NOW);
    assert_eq!(jobs(&journal), [1, 0, 0, 0]);
    assert_eq!(&*journal.body(id, Stage::Answer).unwrap(), b"what was said");
    claim_one(&journal, Stage::Answer, id, NOW);
    done(journal.record_answer(id, Arc::from(&b"an answer"[..]), NOW + 1)).unwrap();
    assert_eq!(jobs(&journal), [0, 1, 0, 0]);
    journal.body(id, Stage::Answer).unwrap_err();
    assert_eq!(&*journal.body(id, Stage::Deliver).unwrap(), b"an answer");
    assert_eq!(claim_all(&journal, Stage::Answer, NOW + 1), []);
    claim_one(&journal, Stage::Deliver, id, NOW + 1);
    let first = attempt(NOW + 2, None);
    let again = NextState::Again(NOW + 30_000);
    done(journal.record_attempt(id, &first, again, NOW + 3)).unwrap();
    assert_eq!(journal.next_ms(Stage::Deliver), Some(NOW + 30_000));
    assert_eq!(claim_all(&journal, Stage::Deliver, NOW + 29_999), []);
    claim_one(&journal, Stage::Deliver, id, NOW + 30_000);
    let second = attempt(NOW + 30_000, Some(200));
    done(journal.record_attempt(id, &second, NextState::Delivered, NOW + 30_100)).unwrap();
    assert_eq!(jobs(&journal), [0, 0, 1, 0]);
    let shown = journal.details(id).unwrap().unwrap();
    assert_eq!(shown.attempts, [first, second]);
    let head = shown.head;
    assert_eq!((head.state(), head.attempts, head.reason.as_str()), (JobState::Delivered, 2, ""));
    assert_eq!((head.accepted_ms, head.answered_ms, head.ended_ms), (NOW, NOW + 1, NOW + 30_100));
    assert_eq!(journal.details(Id::new(NOW)).unwrap(), None);
    drop(journal);
    let journal = open(&folder);
    assert_eq!(jobs(&journal), [0, 0, 1, 0]);
    assert_eq!(journal.details(id).unwrap().unwrap().head, head);
}

#[test]
fn a_dead_job_is_taken_up_again_where_it_stood() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(&folder);
    let asked = accept(&journal, "crm", Stage::Answer, NOW);
    claim_one(&journal, Stage::Answer, asked, NOW);
    done(journal.give_up(asked, "no AI", &[], NOW)).unwrap();
    let answered = accept(&journal, "crm", Stage::Deliver, NOW);
    claim_one(&journal, Stage::Deliver, answered, NOW);
    let gone = NextState::Dead("gone");
    done(journal.record_attempt(answered, &attempt(NOW, Some(410)), gone, NOW)).unwrap();
    assert_eq!(jobs(&journal), [0, 0, 0, 2]);
    assert_eq!(journal.details(answered).unwrap().unwrap().head.reason, "gone");
    done(journal.retry(asked, NOW + 5)).unwrap();
    done(journal.retry(answered, NOW + 5)).unwrap();
    assert_eq!(jobs(&journal), [1, 1, 0, 0]);
    done(journal.retry(answered, NOW + 5)).unwrap_err();
    drop(journal);
    let journal = open(&folder);
    assert_eq!(jobs(&journal), [1, 1, 0, 0]);
    claim_one(&journal, Stage::Answer, asked, NOW + 5);
    claim_one(&journal, Stage::Deliver, answered, NOW + 5);
    let shown = journal.details(answered).unwrap().unwrap();
    assert_eq!((shown.attempts.len(), shown.head.reason.as_str()), (1, ""));
    assert_eq!(&*journal.body(asked, Stage::Answer).unwrap(), b"what was said");
}

#[test]
fn a_step_out_of_order_is_an_error_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(&folder);
    let answer = || Arc::from(&b"an answer"[..]);
    let id = accept(&journal, "crm", Stage::Answer, NOW);
    let order = |step: Result<Step, JobsError>| {
        let error = done(step).unwrap_err();
        assert!(matches!(error, JobsError::Order { .. }), "{error}");
    };
    // Nobody has taken it.
    order(journal.record_answer(id, answer(), NOW));
    order(journal.give_up(id, "", &[], NOW));
    order(journal.retry(id, NOW));
    journal.release(id, 0, NOW).unwrap_err();
    let same = Job { id, ..job("crm", Stage::Answer) };
    order(journal.accept(&[job("crm", Stage::Answer), same.clone()], NOW));
    let new = Job { id: Id::new(NOW), ..same };
    order(journal.accept(&[new.clone(), new], NOW));
    assert_eq!(jobs(&journal), [1, 0, 0, 0]);
    claim_one(&journal, Stage::Answer, id, NOW);
    // It has no answer.
    order(journal.record_attempt(id, &attempt(NOW, Some(200)), NextState::Delivered, NOW));
    // While a step is on its way no other is taken.
    let step = journal.record_answer(id, answer(), NOW).unwrap();
    let second = journal.record_answer(id, answer(), NOW);
    done(Ok(step)).unwrap();
    order(second);
    claim_one(&journal, Stage::Deliver, id, NOW);
    order(journal.record_answer(id, answer(), NOW));
    done(journal.record_attempt(id, &attempt(NOW, Some(200)), NextState::Delivered, NOW)).unwrap();
    let error = done(journal.give_up(id, "", &[], NOW)).unwrap_err();
    assert!(matches!(error, JobsError::Unknown(_)), "{error}");
    order(journal.retry(id, NOW));
    let unknown = done(journal.retry(Id::new(NOW), NOW)).unwrap_err();
    assert!(matches!(unknown, JobsError::Unknown(_)), "{unknown}");
    assert_eq!(jobs(&journal), [0, 0, 1, 0]);
}

#[test]
fn what_stops_a_flood_asks_for_no_room() {
    let folder = tempfile::tempdir().unwrap();
    let journal = bounded(&folder, Bounds { jobs: 1, ..BOUNDS });
    accept(&journal, "a", Stage::Answer, NOW);
    let one = || [job("b", Stage::Deliver)];
    let error = done(journal.accept(&one(), NOW)).unwrap_err();
    assert!(matches!(error, JobsError::Full { .. }), "{error}");
    let along = AcceptOptions { ignore_limits: true, ..AcceptOptions::default() };
    done(journal.accept_with(&one(), along, NOW)).unwrap();
    assert_eq!(journal.unfinished().jobs, 2);
}

#[test]
fn it_is_bounded_and_what_the_disk_refuses_has_not_happened() {
    let folder = tempfile::tempdir().unwrap();
    let journal = bounded(&folder, Bounds { jobs: 3, ..BOUNDS });
    let two = || [job("a", Stage::Answer), job("b", Stage::Deliver)];
    done(journal.accept(&two(), NOW)).unwrap();
    let error = done(journal.accept(&two(), NOW)).unwrap_err();
    assert!(matches!(error, JobsError::Full { jobs: 2, .. }), "{error}");
    let third = accept(&journal, "a", Stage::Answer, NOW);
    let taken = claim_all(&journal, Stage::Answer, NOW);
    assert_eq!(taken.len(), 2);
    done(journal.give_up(third, "", &[], NOW)).unwrap();
    accept(&journal, "a", Stage::Answer, NOW);
    let error = done(journal.retry(third, NOW)).unwrap_err();
    assert!(matches!(error, JobsError::Full { .. }), "{error}");
    let large = Job { body: vec![0; MAX_JOB + 1].into(), ..job("a", Stage::Answer) };
    let error = done(journal.accept(&[large], NOW)).unwrap_err();
    assert!(matches!(error, JobsError::TooLarge { .. }), "{error}");
    let before = journal.counts();
    assert!(journal.store.close(LONG));
    let refused = |step: Result<Step, JobsError>| {
        let error = done(step).unwrap_err();
        let known = [JobsError::Unwritten(Unwritten::Closing), StoreError::Closed.into()];
        assert!(known.iter().any(|known| known.to_string() == error.to_string()), "{error}");
    };
    let held = taken.iter().find(|(_, id)| *id != third).unwrap().1;
    // It is still the caller's, who may try again.
    for _ in 0..2 {
        refused(journal.give_up(held, "", &[], NOW));
    }
    assert_eq!(journal.counts(), before);
    drop(journal);
    let journal = bounded(&folder, Bounds { bytes: 800, ..BOUNDS });
    assert_eq!(journal.counts(), before);
    let error = done(journal.accept(&two(), NOW)).unwrap_err();
    assert!(matches!(error, JobsError::Full { .. }), "{error}");
    assert!(journal.store.close(LONG));
    let journal = Jobs { bounds: BOUNDS, ..journal };
    refused(journal.accept(&two(), NOW));
    assert_eq!(journal.counts(), before);
}
