//! The idempotency store as a whole.

use super::*;
use http::{HeaderMap, StatusCode};

const WINDOW: Duration = Duration::from_secs(600);
const WINDOW_NS: u64 = 600_000_000_000;

fn delivery(n: u64) -> Key {
    key("bot", n.to_string(), None)
}

fn fresh(ledger: &Arc<IdempotencyStore>, n: u64, now: u64) -> Guard {
    match ledger.begin(delivery(n), WINDOW, now) {
        Lookup::Fresh(guard) => guard,
        other @ (Lookup::InFlight | Lookup::Done(_)) => panic!("{n} at {now}: {other:?}"),
    }
}

fn answer(body: &[u8]) -> Stored {
    Stored::new(StatusCode::OK, &HeaderMap::new(), Some(body))
}

fn answered(ledger: &Arc<IdempotencyStore>, n: u64, now: u64) -> bool {
    matches!(ledger.begin(delivery(n), WINDOW, now), Lookup::Done(_))
}

#[test]
fn a_delivery_is_free_then_in_flight_then_done_then_free_again() {
    let ledger = IdempotencyStore::new();
    let guard = fresh(&ledger, 1, 0);
    assert!(matches!(ledger.begin(delivery(1), WINDOW, 0), Lookup::InFlight));
    drop(guard);
    fresh(&ledger, 1, 5).done(answer(b"hello"), 10);
    let Lookup::Done(stored) = ledger.begin(delivery(1), WINDOW, 10 + WINDOW_NS - 1) else {
        panic!("the window is still open")
    };
    assert_eq!(stored.body.as_deref(), Some(&b"hello"[..]));
    // Expiry is exact without a sweep, and a second life ends like the first.
    drop(fresh(&ledger, 1, 10 + WINDOW_NS));
    let counts = ledger.counts();
    assert_eq!((counts.held, counts.bytes), (0, 0));
    assert_eq!((counts.fresh, counts.in_flight, counts.repeated), (3, 1, 1));
}

#[test]
fn keys_tell_bots_ids_and_bodies_apart_and_not_frames() {
    let frames = |parts: &[&'static str]| {
        parts.iter().map(|part| Bytes::from_static(part.as_bytes())).collect::<Vec<_>>()
    };
    let all = [
        key("a", "1", None),
        key("a1", "", None),
        key("", "a1", None),
        key("a", "1", Some(&[])),
        key("a", "1", Some(&frames(&["yes"]))),
        key("a", "2", Some(&frames(&["yes"]))),
    ];
    for (index, one) in all.iter().enumerate() {
        assert!(all[index + 1..].iter().all(|other| other != one), "{index}");
    }
    assert_eq!(
        key("a", "1", Some(&frames(&["yes"]))),
        key("a", "1", Some(&frames(&["y", "", "es"])))
    );
}

#[test]
fn past_the_cap_the_first_answer_goes_and_what_is_in_flight_stays() {
    let ledger = IdempotencyStore::bounded(1, 3, usize::MAX);
    let held = fresh(&ledger, 0, 0);
    fresh(&ledger, 1, 0).done(answer(b""), 0);
    fresh(&ledger, 2, 0).done(answer(b""), 0);
    fresh(&ledger, 3, 0).done(answer(b""), 0);
    assert!(answered(&ledger, 2, 0) && answered(&ledger, 3, 0));
    let second = fresh(&ledger, 1, 0);
    assert!(answered(&ledger, 3, 0), "2 was answered before 3");
    assert!(matches!(ledger.begin(delivery(0), WINDOW, 0), Lookup::InFlight));
    let third = fresh(&ledger, 2, 0);
    // All three places are in flight: a newcomer passes, twice, and leaves no trace.
    fresh(&ledger, 9, 0).done(answer(b""), 0);
    drop(fresh(&ledger, 9, 0));
    let counts = ledger.counts();
    assert_eq!((counts.held, counts.untracked, counts.evicted), (3, 2, 3));
    drop((held, second, third));
    assert_eq!(ledger.counts().held, 0);
}

#[test]
fn bytes_are_bounded_and_all_come_back() {
    let ledger = IdempotencyStore::bounded(1, usize::MAX, 10_000);
    for n in 0..100 {
        fresh(&ledger, n, n).done(answer(&[b'x'; 1_000]), n);
        assert!(ledger.counts().bytes <= 10_000);
    }
    assert!(answered(&ledger, 99, 100), "the youngest is kept");
    assert!(!answered(&ledger, 0, 100));
    for _ in 0..2 {
        ledger.sweep(100 + WINDOW_NS);
    }
    assert_eq!(ledger.counts().bytes, 0);
}

#[test]
fn sweeps_go_round_a_few_at_a_time_whatever_the_windows() {
    let ledger = IdempotencyStore::bounded(1, usize::MAX, usize::MAX);
    for n in 0..200 {
        let window = if n % 2 == 0 { WINDOW } else { 2 * WINDOW };
        let Lookup::Fresh(guard) = ledger.begin(delivery(n), window, 0) else {
            panic!("{n} is new")
        };
        guard.done(answer(b""), 0);
    }
    let after = |sweeps: usize, now| {
        (0..sweeps).for_each(|_| ledger.sweep(now));
        ledger.counts().held
    };
    assert_eq!(after(4, WINDOW_NS - 1), 200);
    assert_eq!(after(1, WINDOW_NS), 200 - BATCH_ENTRIES as u64 / 2);
    assert_eq!(after(4, WINDOW_NS), 100);
    assert_eq!(after(4, 2 * WINDOW_NS), 0);
}

#[test]
fn of_many_threads_one_answers() {
    let ledger = IdempotencyStore::new();
    let fresh: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut fresh = 0;
                    for n in 0..5_000 {
                        if let Lookup::Fresh(guard) = ledger.begin(delivery(n), WINDOW, 0) {
                            guard.done(answer(b"ok"), 0);
                            fresh += 1;
                        }
                    }
                    fresh
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(fresh, 5_000);
    assert_eq!(ledger.counts().held, 5_000);
}
