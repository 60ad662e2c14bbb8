//! The pool under its cap: who gets which connection, who waits how long, and what is never used again.

mod guarded;

use super::{Pool, UpstreamConnection};
use crate::clock;
use crate::net::address_policy::AddressPolicy;
use crate::net::client::stream::Stream;
use crate::net::client::{Cause, Deadline, Deadlines, ERROR_WORDS, Target, Timeouts};
use crate::net::timers::Timers;
use crate::telemetry::metrics::Metrics;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A pool, the backend that it leads to, and the timers that stand still until a test moves them.
struct Fixture {
    pool: Rc<Pool>,
    timers: Rc<Timers>,
    listener: TcpListener,
    timeouts: Timeouts,
}

impl Fixture {
    async fn new(cap: usize) -> Self {
        Self::guarded(cap, "127.0.0.1", None).await
    }

    /// One whose pool is given `host` for its backend and this guard.
    async fn guarded(cap: usize, host: &str, guard: Option<AddressPolicy>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let long = Duration::from_secs(3600);
        let timeouts = Timeouts { connect: long, first_byte: long, idle: long, total: 2 * long };
        let target = Target {
            host: host.to_owned(),
            port: listener.local_addr().unwrap().port(),
            tls: None,
            address_policy: guard,
            max_connections: cap,
            timeouts,
        };
        let metrics = Metrics::new(1, &[], &ERROR_WORDS);
        let cells = metrics.upstream(&metrics.workers()[0], "back");
        Self { pool: Pool::new(target, 1, cells), timers: Rc::default(), listener, timeouts }
    }

    async fn checkout(&self) -> Result<UpstreamConnection, Cause> {
        let timer = self.timers.timer();
        let schedule = Deadlines::new(self.timeouts, None);
        self.pool.checkout(&timer, &schedule, None, None).await
    }

    /// A connection and the backend's end of it.
    async fn pair(&self) -> (UpstreamConnection, TcpStream) {
        let up = self.checkout().await.unwrap();
        (up, self.listener.accept().await.unwrap().0)
    }

    /// Sockets open, sockets opened so far, requests on one that was there already.
    fn counts(&self) -> (u64, u64, u64) {
        let cells = self.pool.cells();
        (cells.connections.get(), cells.opened.get(), cells.reused.get())
    }
}

async fn readable(up: &UpstreamConnection) {
    let Stream::Plain(stream) = &up.stream else {
        unreachable!("this house speaks no TLS");
    };
    stream.readable().await.unwrap();
}

/// What one poll of a future gives.
async fn once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

#[tokio::test]
async fn past_the_cap_they_wait_in_order_and_past_that_they_are_turned_away() {
    let house = Fixture::new(2).await;
    let (first, second) = (house.checkout().await.unwrap(), house.checkout().await.unwrap());
    let (mut third, mut fourth) = (Box::pin(house.checkout()), Box::pin(house.checkout()));
    assert!(once(third.as_mut()).await.is_pending());
    assert!(once(fourth.as_mut()).await.is_pending());
    assert!(matches!(house.checkout().await, Err(Cause::Busy)));
    house.pool.check_in(first);
    assert!(once(fourth.as_mut()).await.is_pending(), "not its turn yet");
    let third = third.await.unwrap();
    assert!(third.reused);
    assert_eq!(house.counts(), (2, 2, 1));
    // One that closes makes room for another.
    drop(second);
    let fourth = fourth.await.unwrap();
    assert!(!fourth.reused);
    assert_eq!(house.counts(), (2, 3, 1));
    drop((third, fourth));
    assert_eq!(house.counts(), (0, 3, 1));
}

#[tokio::test]
async fn who_comes_later_overtakes_nobody() {
    for close in [false, true] {
        let house = Fixture::new(1).await;
        let taken = house.checkout().await.unwrap();
        let mut early = Box::pin(house.checkout());
        assert!(once(early.as_mut()).await.is_pending());
        if close {
            drop(taken);
        } else {
            house.pool.check_in(taken);
        }
        // The early one is called but has not come yet.
        let mut late = Box::pin(house.checkout());
        assert!(once(late.as_mut()).await.is_pending());
        let early = early.await.unwrap();
        assert_eq!(early.reused, !close);
        house.pool.check_in(early);
        assert!(late.await.unwrap().reused);
    }
}

#[tokio::test]
async fn who_leaves_passes_the_turn_on() {
    for called in [false, true] {
        for close in [false, true] {
            let house = Fixture::new(2).await;
            let taken = house.checkout().await.unwrap();
            let _other = house.checkout().await.unwrap();
            let (mut leaves, mut stays) = (Box::pin(house.checkout()), Box::pin(house.checkout()));
            assert!(once(leaves.as_mut()).await.is_pending());
            assert!(once(stays.as_mut()).await.is_pending());
            let mut leaves = Some(leaves);
            if !called {
                leaves = None;
            }
            if close {
                drop(taken);
            } else {
                house.pool.check_in(taken);
            }
            drop(leaves);
            assert_eq!(stays.await.unwrap().reused, !close, "called: {called}, close: {close}");
        }
    }
}

#[tokio::test]
async fn the_last_turn_of_all_leaves_no_seat_taken() {
    let house = Fixture::new(1).await;
    let taken = house.checkout().await.unwrap();
    let mut only = Box::pin(house.checkout());
    assert!(once(only.as_mut()).await.is_pending());
    drop(taken);
    drop(only);
    assert_eq!(house.counts().0, 0);
    drop(house.checkout().await.unwrap());
}

#[tokio::test]
async fn no_wait_is_without_a_deadline() {
    let mut house = Fixture::new(1).await;
    let _taken = house.checkout().await.unwrap();
    {
        let mut waiting = pin!(house.checkout());
        assert!(once(waiting.as_mut()).await.is_pending());
        house.timers.sweep(clock::now());
        assert!(once(waiting.as_mut()).await.is_pending());
        house.timers.sweep(u64::MAX);
        assert!(matches!(waiting.await, Err(Cause::Busy)));
    }
    house.timeouts.total = Duration::ZERO;
    let mut waiting = pin!(house.checkout());
    assert!(once(waiting.as_mut()).await.is_pending());
    house.timers.sweep(clock::now());
    let end = waiting.await;
    assert!(matches!(end, Err(Cause::Deadline(Deadline::Total))));
}

#[tokio::test]
async fn what_is_closed_or_has_spoken_unasked_is_not_used_again() {
    for word in [&b""[..], b"HTTP/1.1 408 Request Timeout\r\n\r\n"] {
        let house = Fixture::new(1).await;
        let (up, mut theirs) = house.pair().await;
        theirs.write_all(word).await.unwrap();
        if word.is_empty() {
            drop(theirs);
        }
        readable(&up).await;
        house.pool.check_in(up);
        let fresh = house.checkout().await.unwrap();
        assert!(!fresh.reused);
        assert_eq!(house.counts(), (1, 2, 0));
    }
}

#[tokio::test]
async fn who_is_handed_a_dead_connection_dials_in_its_place() {
    let house = Fixture::new(1).await;
    let (up, theirs) = house.pair().await;
    let mut waiting = Box::pin(house.checkout());
    assert!(once(waiting.as_mut()).await.is_pending());
    drop(theirs);
    readable(&up).await;
    house.pool.check_in(up);
    assert!(!waiting.await.unwrap().reused);
    assert_eq!(house.counts(), (0, 2, 0));
}

#[tokio::test]
async fn a_dial_that_fails_gives_its_seat_back() {
    let mut house = Fixture::new(1).await;
    // Nobody listens there any more.
    house.listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for _ in 0..2 {
        assert!(matches!(house.checkout().await, Err(Cause::Connect(_))));
        assert_eq!(house.counts(), (0, 0, 0));
    }
}

#[tokio::test]
async fn an_idle_one_is_closed_by_the_sweep_or_with_its_pool() {
    for sweep in [false, true] {
        let house = Fixture::new(2).await;
        let (up, mut theirs) = house.pair().await;
        house.pool.check_in(up);
        house.pool.sweep(clock::now());
        assert_eq!(house.counts().0, 1, "idle, and not for long");
        let cells = house.pool.permits.clone();
        if sweep {
            house.pool.sweep(u64::MAX);
        } else {
            drop(house);
        }
        assert_eq!(theirs.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(cells.cells().connections.get(), 0);
    }
}
