//! The breaker over a time that the test makes, and under many threads at once.

use super::{Breaker, BreakerState, FAILURE_THRESHOLD, Health, MAX_OPEN_FOR, OPEN_FOR, Permit};
use crate::clock;
use crate::net::address_policy::AddressRefused;
use crate::net::client::{Cause, Deadline, Sent, UpstreamError};
use http::StatusCode;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

const START: u64 = 1_000_000_000_000;

fn after(wait: Duration) -> u64 {
    START + clock::nanos(wait)
}

fn pass(breaker: &Breaker, now: u64) -> Permit<&Breaker> {
    Breaker::admit(breaker, now).expect("it lets a request through")
}

/// One that has just opened.
fn open() -> Breaker {
    let breaker = Breaker::default();
    for _ in 0..FAILURE_THRESHOLD {
        assert_eq!(breaker.state(), BreakerState::Closed);
        pass(&breaker, START).failed(START);
    }
    assert_eq!((breaker.state(), breaker.opened()), (BreakerState::Open, 1));
    breaker
}

#[test]
fn only_failures_in_a_row_open_it() {
    let breaker = Breaker::default();
    for _ in 0..10 {
        for _ in 1..FAILURE_THRESHOLD {
            pass(&breaker, START).failed(START);
            drop(pass(&breaker, START));
        }
        pass(&breaker, START).succeeded();
    }
    assert_eq!((breaker.state(), breaker.opened()), (BreakerState::Closed, 0));
}

#[test]
fn open_it_refuses_until_its_time_and_then_lets_one_probe_through() {
    let breaker = open();
    let early = after(OPEN_FOR) - 1_000_000;
    assert!(Breaker::admit(&breaker, early).is_none());
    assert_eq!(breaker.retry_in(early), Duration::from_millis(1));
    assert_eq!(breaker.state(), BreakerState::Open);
    let probe = pass(&breaker, after(OPEN_FOR));
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    assert!(Breaker::admit(&breaker, after(2 * OPEN_FOR)).is_none());
    probe.succeeded();
    assert_eq!(breaker.state(), BreakerState::Closed);
    // It begins anew: as many failures, and the first wait again.
    for _ in 0..FAILURE_THRESHOLD {
        pass(&breaker, START).failed(START);
    }
    assert_eq!(breaker.retry_in(START), OPEN_FOR);
    assert_eq!(breaker.opened(), 2);
}

#[test]
fn each_probe_that_fails_doubles_the_wait_to_its_bound() {
    let breaker = open();
    let mut now = START;
    let mut waits = Vec::new();
    for _ in 0..300 {
        let wait = breaker.retry_in(now);
        waits.push(wait);
        now += clock::nanos(wait);
        pass(&breaker, now).failed(now);
    }
    assert_eq!(waits[..5], [10, 20, 40, 60, 60].map(Duration::from_secs));
    assert_eq!(waits.last(), Some(&MAX_OPEN_FOR));
    assert_eq!(breaker.opened(), 1, "it never closed meanwhile");
}

#[test]
fn a_probe_that_tells_nothing_leaves_its_place_to_the_next() {
    let breaker = open();
    drop(pass(&breaker, after(OPEN_FOR)));
    assert_eq!(breaker.state(), BreakerState::Open);
    pass(&breaker, after(OPEN_FOR)).record(Health::Unknown, after(OPEN_FOR));
    pass(&breaker, after(OPEN_FOR)).record(Health::Success, after(OPEN_FOR));
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn what_was_sent_before_a_change_has_no_say_after_it() {
    let breaker = Breaker::default();
    let [late, later, last] = [START; 3].map(|now| pass(&breaker, now));
    for _ in 0..FAILURE_THRESHOLD {
        pass(&breaker, START).failed(START);
    }
    late.succeeded();
    later.failed(START + 1);
    assert_eq!(breaker.state(), BreakerState::Open);
    assert_eq!(breaker.retry_in(START), OPEN_FOR);
    let probe = pass(&breaker, after(OPEN_FOR));
    drop(last);
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    probe.succeeded();
}

#[test]
fn among_many_threads_one_opens_it_and_one_probes() {
    let breaker = Breaker::default();
    let (probes, threads) = (AtomicUsize::new(0), 8);
    let barrier = std::sync::Barrier::new(threads);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..1000 {
                    if let Some(pass) = Breaker::admit(&breaker, START) {
                        pass.failed(START);
                    }
                }
                barrier.wait();
                if let Some(probe) = Breaker::admit(&breaker, after(OPEN_FOR)) {
                    probes.fetch_add(1, Relaxed);
                    barrier.wait();
                    drop(probe);
                } else {
                    barrier.wait();
                }
            });
        }
    });
    assert_eq!((breaker.opened(), probes.into_inner()), (1, 1));
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[test]
fn what_counts_against_an_upstream() {
    for (status, health) in [
        (200, Health::Success),
        (302, Health::Success),
        (400, Health::Success),
        (401, Health::Success),
        (429, Health::Success),
        (500, Health::Failure),
        (503, Health::Failure),
        (529, Health::Failure),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!(Health::of_status(status), health, "{status}");
    }
    for (cause, health) in [
        (Cause::Busy, Health::Unknown),
        (Cause::AddressRefused(Box::new(AddressRefused::example())), Health::Unknown),
        (Cause::Deadline(Deadline::Remaining), Health::Unknown),
        (Cause::Deadline(Deadline::Connect), Health::Failure),
        (Cause::Deadline(Deadline::Total), Health::Failure),
        (Cause::Closed, Health::Failure),
        (Cause::Invalid(""), Health::Failure),
    ] {
        let sent = Sent::Unsent;
        let error = UpstreamError { cause, sent };
        assert_eq!(Health::of_error(&error), health, "{error}");
    }
}
