//! In which order jobs come due, and who is told.

use super::*;

fn names(taken: &[(String, Id)]) -> Vec<&str> {
    taken.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn jobs_of_a_receiver_come_in_order_and_receivers_do_not_hide_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(&folder);
    let stage = Stage::Deliver;
    let slow: Vec<_> = (0..50).map(|_| accept(&journal, "slow", stage, NOW)).collect();
    let fast = accept(&journal, "fast", stage, NOW + 1);
    let receiver = block_on(journal.next_receiver(stage, NOW + 1)).unwrap();
    assert_eq!(&*receiver.name, "slow");
    let mut taken = Vec::new();
    for _ in 0..10 {
        taken.push(block_on(journal.claim(stage, &receiver, NOW + 1)).unwrap().id);
    }
    // It holds its own jobs alone; awake, it is not told again.
    let other = block_on(journal.next_receiver(stage, NOW + 1)).unwrap();
    assert_eq!(block_on(journal.claim(stage, &other, NOW + 1)).unwrap().id, fast);
    assert_eq!(block_on(journal.claim(stage, &other, NOW + 1)), None);
    accept(&journal, "slow", stage, NOW + 1);
    assert_eq!(block_on(journal.next_receiver(stage, NOW + 1)), None);
    while let Some(next) = block_on(journal.claim(stage, &receiver, NOW + 1)) {
        taken.push(next.id);
    }
    assert_eq!(taken[..50], slow);
    assert_eq!(taken.len(), 51);
    journal.release(taken[0], 5, NOW + 1).unwrap();
    journal.release(taken[1], 4, NOW + 1).unwrap();
    assert_eq!(journal.next_ms(stage), Some(NOW + 5));
    assert_eq!(claim_all(&journal, stage, NOW + 4), []);
    let ids: Vec<_> = claim_all(&journal, stage, NOW + 6);
    assert_eq!(ids.iter().map(|(_, id)| *id).collect::<Vec<_>>(), [taken[1], taken[0]]);
    // Both stages have queues of their own.
    accept(&journal, "slow", Stage::Answer, NOW);
    assert_eq!(claim_all(&journal, stage, NOW + 6), []);
    assert_eq!(names(&claim_all(&journal, Stage::Answer, NOW)), ["slow"]);
}

#[test]
fn whoever_holds_a_job_from_the_start_works_on_it_alone() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(&folder);
    let held = Job { claimed: true, ..job("crm", Stage::Answer) };
    done(journal.accept(std::slice::from_ref(&held), NOW)).unwrap();
    assert_eq!(claim_all(&journal, Stage::Answer, NOW), []);
    done(journal.record_answer(held.id, Arc::from(&b"done"[..]), NOW)).unwrap();
    claim_one(&journal, Stage::Deliver, held.id, NOW);
    drop(journal);
    // A crash lets go of it.
    claim_one(&open(&folder), Stage::Deliver, held.id, NOW);
}

#[test]
fn a_receiver_with_nothing_left_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(&folder);
    for number in 0..20 {
        let id = accept(&journal, &format!("receiver {number}"), Stage::Deliver, NOW);
        claim_one(&journal, Stage::Deliver, id, NOW);
        done(journal.give_up(id, "", &[], NOW)).unwrap();
    }
    assert_eq!(journal.memory.index().receivers(), 0);
}

#[tokio::test]
async fn a_worker_that_sleeps_is_woken_by_what_comes_before_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(&folder);
    let stage = Stage::Deliver;
    let changed = journal.changed(stage);
    journal.accept(&[job("a", stage)], NOW + 10).unwrap().await.unwrap();
    tokio::time::timeout(LONG, changed).await.unwrap();
    // Later than what is there: nobody need know.
    journal.accept(&[job("b", stage)], NOW + 20).unwrap().await.unwrap();
    let changed = journal.changed(stage);
    tokio::pin!(changed);
    assert!(futures_util::FutureExt::now_or_never(changed.as_mut()).is_none());
    journal.accept(&[job("c", stage)], NOW).unwrap().await.unwrap();
    tokio::time::timeout(LONG, changed).await.unwrap();
    assert_eq!(journal.next_ms(stage), Some(NOW));
}

#[test]
fn a_clock_that_jumps_makes_nothing_wait_longer_than_it_was_put_off() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(&folder);
    let stage = Stage::Deliver;
    let [first, second] = ["a", "b"].map(|name| accept(&journal, name, stage, NOW));
    assert_eq!(claim_all(&journal, stage, NOW).len(), 2);
    for (id, pause) in [(first, 600_000), (second, 30_000)] {
        let again = NextState::Again(NOW + pause);
        done(journal.record_attempt(id, &attempt(NOW, None), again, NOW)).unwrap();
    }
    // A day back.
    let back = NOW - 86_400_000;
    assert_eq!(claim_all(&journal, stage, back), []);
    let third = accept(&journal, "c", stage, back);
    assert_eq!(journal.next_ms(stage), Some(back));
    claim_one(&journal, stage, third, back);
    assert_eq!(journal.next_ms(stage), Some(back + 30_000));
    claim_one(&journal, stage, second, back + 30_000);
    assert_eq!(journal.next_ms(stage), Some(back + 600_000));
    // By so little that nothing need be looked at.
    assert_eq!(claim_all(&journal, stage, back + 29_500), []);
    // A day forward: all is due.
    claim_one(&journal, stage, first, NOW);
    drop(journal);
    // The same across a restart.
    let store = Store::open(folder.path()).unwrap();
    let journal = Jobs::open(store, BOUNDS, back).unwrap();
    claim_one(&journal, stage, third, back);
    claim_one(&journal, stage, second, back + 30_000);
    claim_one(&journal, stage, first, back + 600_000);
}

#[test]
fn ids_are_ordered_even_where_the_clock_goes_back() {
    let mut ids: Vec<_> = (0..1_000).map(|number| Id::new(NOW + number / 100)).collect();
    ids.extend((0..1_000).map(|number| Id::new(NOW - number)));
    assert!(ids.is_sorted());
    ids.dedup();
    assert_eq!(ids.len(), 2_000);
    assert_eq!(ids[0].to_string().parse::<Id>().unwrap(), ids[0]);
    "not an id".parse::<Id>().unwrap_err();
}

#[test]
fn a_job_that_is_passed_on_ends_with_what_follows_from_it_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(&folder);
    let id = accept(&journal, "crm", Stage::Answer, NOW);
    let both = ["one", "two"].map(|name| job(name, Stage::Deliver));
    let order = |step| matches!(done(step), Err(JobsError::Order { .. }));
    assert!(order(journal.fan_out(id, &both, NOW)), "nobody has it");
    claim_one(&journal, Stage::Answer, id, NOW);
    let twice = [both[0].clone(), both[0].clone()];
    assert!(order(journal.fan_out(id, &twice, NOW)));
    assert_eq!(jobs(&journal), [1, 0, 0, 0]);
    done(journal.fan_out(id, &both, NOW + 1)).unwrap();
    assert_eq!(jobs(&journal), [0, 2, 1, 0]);
    assert!(journal.body(id, Stage::Answer).is_err());
    let ids = |journal: &Jobs| {
        let all = claim_all(journal, Stage::Deliver, NOW + 1);
        all.into_iter().map(|(_, id)| id).collect::<std::collections::BTreeSet<_>>()
    };
    let told = both.iter().map(|job| job.id).collect();
    assert_eq!(ids(&journal), told);
    drop(journal);
    let journal = open(&folder);
    assert_eq!(jobs(&journal), [0, 2, 1, 0]);
    assert_eq!(ids(&journal), told);
}
