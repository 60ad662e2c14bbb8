//! Nothing that was accepted gets lost, whenever the process is killed.

use super::*;
use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

const ROUNDS: usize = 8;

/// Accepts and works until it is killed, and says what it was told to be done.
fn work(folder: &Path) {
    let store = Store::open(folder).unwrap();
    let journal = Jobs::open(store, BOUNDS, NOW).unwrap();
    std::thread::scope(|scope| {
        for name in ["a", "b", "c"] {
            let journal = &journal;
            scope.spawn(move || {
                loop {
                    if jobs(journal)[0] >= 20 {
                        std::thread::yield_now();
                        continue;
                    }
                    let id = accept(journal, name, Stage::Answer, NOW);
                    println!("\naccepted {id}");
                }
            });
        }
        let mut number = 0;
        loop {
            for (_, id) in claim_all(&journal, Stage::Answer, NOW) {
                done(journal.record_answer(id, Arc::from(&b"an answer"[..]), NOW)).unwrap();
            }
            for (_, id) in claim_all(&journal, Stage::Deliver, NOW) {
                number += 1;
                let then = match number % 4 {
                    0 => NextState::Dead("gone"),
                    1 => NextState::Again(NOW + 30_000),
                    _ => NextState::Delivered,
                };
                done(journal.record_attempt(id, &attempt(NOW, None), then, NOW)).unwrap();
                if then == NextState::Delivered {
                    println!("\ndelivered {id}");
                }
            }
        }
    });
}

#[test]
fn no_kill_loses_what_was_accepted_or_forgets_what_was_delivered() {
    if let Some(folder) = std::env::var_os("BOTGATE_TEST_STORE") {
        work(folder.as_ref());
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut accepted, mut delivered) = (HashSet::new(), HashSet::new());
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture"])
            .arg("state::jobs::tests::crash::no_kill_loses_what_was_accepted_or_forgets_what_was_delivered")
            .env("BOTGATE_TEST_STORE", folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // At random, by when the last id was made.
        let last = 100 + 2 * usize::from(Id::new(NOW).0[15]) + round;
        let mut said = 0;
        for line in lines {
            let line = line.unwrap();
            let Some((word, id)) = line.split_once(' ') else {
                continue;
            };
            let Ok(id) = id.parse::<Id>() else {
                continue;
            };
            match word {
                "accepted" => accepted.insert(id),
                "delivered" => delivered.insert(id),
                _ => panic!("{line}"),
            };
            said += 1;
            if said == last {
                child.kill().unwrap();
            }
        }
        assert!(said >= last, "it ended by itself after {said}");
        child.wait().unwrap();
        let journal = open(&folder);
        for id in &accepted {
            assert!(journal.details(*id).unwrap().is_some(), "{id} is lost");
        }
        for id in &delivered {
            assert_eq!(state(&journal, *id), JobState::Delivered);
        }
        let (mut there, mut cursor) = ([0; 4], None);
        loop {
            let page = journal.list(&Filter::default(), cursor, MAX_PAGE).unwrap();
            for found in page.items {
                there[found.head.state() as usize] += 1;
                journal.body(found.id, found.head.stage).unwrap();
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        // All of them count at once, also those that are still to be picked up.
        assert_eq!(journal.unfinished().jobs, there[0] + there[1]);
        let start = std::time::Instant::now();
        while jobs(&journal) != there {
            assert!(start.elapsed() < LONG, "{:?} are not {there:?}", jobs(&journal));
            std::thread::yield_now();
        }
        let pending = Stage::Deliver;
        let taken = claim_all(&journal, Stage::Answer, NOW).len()
            + claim_all(&journal, pending, NOW + 30_000).len();
        assert_eq!(taken as u64, there[0] + there[1]);
    }
    assert!(delivered.len() > ROUNDS, "{}", delivered.len());
}
