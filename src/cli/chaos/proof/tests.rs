//! A loss, a lie and a needless repetition are found out.

use super::*;
use crate::state::jobs::{Id, Job, NextState, Step, Subject};

const NOW: u64 = 1_800_000_000_000;

/// Leaves a job about this message in a journal, and it ends there.
fn leave(journal: &Jobs, number: u32, end: JobState) {
    let question = Envelope {
        format: crate::codec::dialect::Format::Json,
        conversation: [b'c'; 32],
        message_id: "m".to_owned(),
        body: body(number),
    };
    let (stage, body) = match end {
        JobState::Accepted => (Stage::Answer, question.write()),
        _ => (Stage::Deliver, body(number).into()),
    };
    let job = Job {
        id: Id::new(NOW),
        bot: "bot",
        subject: Subject::default(),
        dialect: "fourthchat",
        receiver: "bot",
        stage,
        body,
        claimed: true,
        event: false,
    };
    done(journal.accept(std::slice::from_ref(&job), NOW));
    let attempt = crate::state::jobs::Attempt {
        stage,
        at_ms: NOW,
        took: crate::state::jobs::Phases::default(),
        status: None,
        error: String::new(),
        response: Vec::new(),
    };
    match end {
        JobState::Accepted | JobState::Answered => {}
        JobState::Delivered => {
            done(journal.record_attempt(job.id, &attempt, NextState::Delivered, NOW))
        }
        JobState::Dead => done(journal.give_up(job.id, "gone", &[], NOW)),
    }
}

fn body(number: u32) -> Vec<u8> {
    format!(r#"{{"metadata":{{"n":{number}}}}}"#).into_bytes()
}

fn done(step: Result<Step, JobsError>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(step.unwrap()).unwrap();
}

#[test]
fn each_message_is_where_its_receiver_and_the_disk_say() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let journal = Jobs::open(store, BOUNDS, NOW).unwrap();
    let observations = Observations::default();
    let promise = |number: u32| observations.accept(number, format!("msg-{number}"));
    // Delivered as promised; delivered though nobody was told.
    leave(&journal, 0, JobState::Delivered);
    promise(0);
    observations.receive(0, 0);
    leave(&journal, 1, JobState::Delivered);
    observations.receive(1, 0);
    // Delivered, says the disk alone.
    leave(&journal, 2, JobState::Delivered);
    promise(2);
    for (number, state) in [(3, JobState::Dead), (4, JobState::Accepted), (5, JobState::Answered)] {
        leave(&journal, number, state);
        promise(number);
    }
    // Promised, and nowhere.
    promise(6);
    // With its receiver, whatever the disk says.
    promise(7);
    observations.receive(7, 0);
    drop(journal);
    let proof = verify(&observations, folder.path()).unwrap();
    assert_eq!(proof.lost, ["msg-2", "msg-6"]);
    assert!(!proof.holds());
    assert_eq!((proof.accepted, proof.untold), (8, 1));
    assert_eq!((proof.delivered, proof.dead, proof.pending), (3, 1, 2));
}

#[test]
fn what_comes_twice_from_one_life_has_no_excuse() {
    let folder = tempfile::tempdir().unwrap();
    let observations = Observations::default();
    for (number, lives) in [(0, [0, 1]), (1, [1, 1]), (2, [1, 2])] {
        observations.accept(number, format!("msg-{number}"));
        for life in lives {
            observations.receive(number, life);
        }
    }
    // The second life was never ended.
    observations.kill();
    let proof = verify(&observations, folder.path()).unwrap();
    assert_eq!(proof.duplicates, 3);
    assert_eq!(proof.unexplained.len(), 2, "{proof:?}");
    assert!(!proof.unexplained.contains(&"msg-0".to_owned()));
    assert!(proof.lost.is_empty() && !proof.holds());
}

#[test]
fn the_median_and_the_longest_recovery_are_told() {
    let mut proof = Proof::default();
    proof.recoveries([30, 10, 20].map(Duration::from_millis).to_vec());
    let told = (proof.recovery_median_ms, proof.recovery_longest_ms);
    assert_eq!(told, (20, 30));
}
