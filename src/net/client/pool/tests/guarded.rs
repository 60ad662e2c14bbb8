//! A pool whose host somebody else has named: nothing is dialled but what was checked, and not for ever.

use super::Fixture;
use crate::net::address_policy::AddressPolicy;
use crate::net::client::breaker::Health;
use crate::net::client::{Cause, Sent, UpstreamError};
use std::net::SocketAddr;

fn allow(networks: &[&str]) -> Option<AddressPolicy> {
    let networks = networks.iter().map(|text| text.parse().unwrap());
    Some(AddressPolicy::new(networks.collect()))
}

/// True if a caller has reached the backend.
async fn is_reached(house: &Fixture) -> bool {
    // A connect that succeeded stands in the backlog by now; the runtime may still have to be told.
    tokio::select! {
        biased;
        accepted = house.listener.accept() => accepted.is_ok(),
        () = tokio::task::yield_now() => false,
    }
}

#[tokio::test]
async fn what_is_not_listed_is_not_dialled_however_it_is_written() {
    for host in [
        "127.0.0.1",
        "localhost",
        "127.1",
        "0177.0.0.1",
        "0x7f.1",
        "2130706433",
        "::ffff:127.0.0.1",
        "0.0.0.0",
        "::",
    ] {
        let house = Fixture::guarded(1, host, allow(&["10.0.0.0/8"])).await;
        let cause = house.checkout().await.unwrap_err();
        assert_eq!(cause.word(), "address_refused", "{host}: {cause}");
        assert!(cause.to_string().contains("add allow = ["), "{cause}");
        assert!(!is_reached(&house).await, "{host}");
        assert_eq!(house.counts(), (0, 0, 0), "its seat is free again");
        let sent = Sent::Unsent;
        let error = UpstreamError { cause, sent };
        assert_eq!(Health::of_error(&error), Health::Unknown);
    }
}

#[tokio::test]
async fn what_is_listed_is_dialled() {
    for host in ["127.0.0.1", "127.1", "::ffff:127.0.0.1"] {
        let house = Fixture::guarded(1, host, allow(&["127.0.0.1/32"])).await;
        let (up, _theirs) = house.pair().await;
        house.pool.check_in(up);
        assert!(house.checkout().await.unwrap().reused, "{host}");
    }
}

#[tokio::test]
async fn one_bad_address_refuses_the_dial_and_no_other_is_tried() {
    let house = Fixture::guarded(1, "host.example", allow(&["127.0.0.1/32"])).await;
    let good = house.listener.local_addr().unwrap();
    let bad = SocketAddr::from(([127, 0, 0, 2], good.port()));
    for answer in [[good, bad], [bad, good]] {
        let refused = house.pool.connect_to(&answer, None, None).await.unwrap_err();
        assert!(matches!(refused, Cause::AddressRefused(_)), "{refused}");
        assert!(!is_reached(&house).await, "{answer:?}");
    }
    // What is reached is what was checked: the name leads nowhere.
    house.pool.connect_to(&[good], None, None).await.unwrap();
    assert!(is_reached(&house).await);
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_the_second_time_is_refused_then() {
    let house = Fixture::guarded(2, "host.example", allow(&["127.0.0.1/32"])).await;
    let good = house.listener.local_addr().unwrap();
    house.pool.connect_to(&[good], None, None).await.unwrap();
    assert!(is_reached(&house).await);
    let other = SocketAddr::from(([127, 0, 0, 2], good.port()));
    let second = house.pool.connect_to(&[other], None, None).await;
    assert!(matches!(second, Err(Cause::AddressRefused(_))), "{second:?}");
}

#[tokio::test]
async fn a_checked_connection_is_used_again_for_a_minute() {
    for (guard, kept) in [(allow(&["127.0.0.1/32"]), false), (None, true)] {
        for waiting in [false, true] {
            let house = Fixture::guarded(1, "127.0.0.1", guard.clone()).await;
            let (mut up, _theirs) = house.pair().await;
            up.dialled -= 59_000_000_000;
            house.pool.check_in(up);
            let mut up = house.checkout().await.unwrap();
            assert!(up.reused, "within the minute");
            up.dialled -= 2_000_000_000;
            let next = if waiting {
                let mut next = Box::pin(house.checkout());
                assert!(super::once(next.as_mut()).await.is_pending());
                house.pool.check_in(up);
                next.await
            } else {
                house.pool.check_in(up);
                house.checkout().await
            };
            assert_eq!(next.unwrap().reused, kept, "waiting: {waiting}");
        }
    }
}
