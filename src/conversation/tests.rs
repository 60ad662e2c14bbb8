//! Turns come in order, are remembered whole or not at all, and are forgotten in time.

use super::*;
use crate::message::{Part, Role};
use std::sync::Arc;
use std::task::{Context, Waker};

const POLICY: Policy = Policy {
    ttl: Duration::from_secs(10),
    window: 4,
};

fn ready(all: &Arc<Conversations>, key: Key, now_ms: u64) -> Held {
    match all.enter(key, POLICY, now_ms) {
        Enter::Ready(held) => held,
        other => panic!("{other:?}"),
    }
}

fn waiting(all: &Arc<Conversations>, key: Key) -> Wait {
    match all.enter(key, POLICY, 0) {
        Enter::Waiting(wait) => wait,
        other => panic!("{other:?}"),
    }
}

fn say(held: Held, text: &str, now_ms: u64) {
    let past = |role| Past::text(role, text.to_owned());
    held.append(past(Role::User), past(Role::Assistant), now_ms);
}

fn texts(held: &Held) -> Vec<String> {
    let turns = held.history().iter().map(|past| past.turn());
    turns
        .map(|turn| match &*turn.parts {
            [Part::Text(text)] => text.clone().into_owned(),
            parts => panic!("{parts:?}"),
        })
        .collect()
}

#[test]
fn a_window_holds_the_last_messages_and_begins_with_a_users() {
    let all = Conversations::new();
    let key = key("b", "u", None);
    for text in ["1", "2", "3"] {
        say(ready(&all, key, 0), text, 0);
    }
    let held = ready(&all, key, 0);
    assert_eq!(texts(&held), ["2", "2", "3", "3"]);
    drop(held);
    let odd = Policy {
        window: 3,
        ..POLICY
    };
    let Enter::Ready(held) = all.enter(key, odd, 0) else {
        panic!("it is free")
    };
    assert_eq!(texts(&held), ["3", "3"]);
    drop(held);
    say(ready(&all, key, 0), &"x".repeat(LARGEST / 2), 0);
    assert_eq!(texts(&ready(&all, key, 0)).len(), 2, "64 KiB in all");
}

#[test]
fn it_lives_as_long_as_the_ttl_after_its_last_message() {
    let all = Conversations::new();
    let key = key("b", "u", Some("c"));
    let held = ready(&all, key, 0);
    let id = held.id().to_owned();
    say(held, "1", 5_000);
    let held = ready(&all, key, 14_999);
    assert_eq!((held.id(), texts(&held).len()), (&*id, 2));
    drop(held);
    let held = ready(&all, key, 15_000);
    assert_ne!(held.id(), id);
    assert!(held.history().is_empty());
    assert_eq!(held.id().len(), 32);
}

#[test]
fn a_turn_that_fails_leaves_no_trace() {
    let all = Conversations::new();
    let key = key("b", "u", None);
    drop(ready(&all, key, 0));
    assert!(ready(&all, key, 0).history().is_empty());
}

#[test]
fn those_who_wait_come_in_order_and_the_seventeenth_does_not() {
    let all = Conversations::new();
    let key = key("b", "u", None);
    let first = ready(&all, key, 0);
    let mut line: Vec<Wait> = (0..MOST_WAITING).map(|_| waiting(&all, key)).collect();
    assert!(matches!(all.enter(key, POLICY, 0), Enter::Full));
    let cx = Context::from_waker(Waker::noop());
    assert!(line[0].poll(&cx).is_pending());
    say(first, "1", 0);
    assert!(line[1].poll(&cx).is_pending());
    let Poll::Ready(second) = line[0].poll(&cx) else {
        panic!("its turn")
    };
    assert_eq!(texts(&second), ["1", "1"]);
    // One leaves from the middle, one after it was called.
    drop(line.remove(2));
    drop(second);
    drop(line.remove(1));
    let Poll::Ready(third) = line[1].poll(&cx) else {
        panic!("its turn")
    };
    drop(line);
    drop(third);
    drop(ready(&all, key, 0));
}

#[test]
fn threads_together_lose_and_double_nothing() {
    let all = Conversations::new();
    let key = key("b", "u", None);
    let wide = Policy {
        window: 10_000,
        ..POLICY
    };
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let all = &all;
            scope.spawn(move || {
                for count in 0..100 {
                    let held = match all.enter(key, wide, 0) {
                        Enter::Ready(held) => held,
                        Enter::Waiting(mut wait) => {
                            let cx = Context::from_waker(Waker::noop());
                            loop {
                                if let Poll::Ready(held) = wait.poll(&cx) {
                                    break held;
                                }
                                std::thread::yield_now();
                            }
                        }
                        Enter::Full => panic!("eight are fewer than sixteen"),
                    };
                    say(held, &format!("{thread}-{count}"), 0);
                }
            });
        }
    });
    let Enter::Ready(held) = all.enter(key, wide, 0) else {
        panic!("it is free")
    };
    let all = texts(&held);
    assert_eq!(all.len(), 1600);
    for thread in 0..8 {
        let own = all
            .iter()
            .step_by(2)
            .filter(|text| text.starts_with(&format!("{thread}-")));
        let expected: Vec<String> = (0..100).map(|count| format!("{thread}-{count}")).collect();
        assert!(own.eq(&expected), "in order, none lost, none doubled");
    }
}

#[test]
fn what_has_expired_is_swept_and_counted_off() {
    let all = Conversations::new();
    for user in 0..500 {
        say(ready(&all, key("b", &user.to_string(), None), 0), "text", 0);
    }
    assert_eq!(all.counts().0, 500);
    for _ in 0..100 {
        all.sweep(9_999);
    }
    assert_eq!(all.counts().0, 500);
    for _ in 0..100 {
        all.sweep(10_000);
    }
    assert_eq!(all.counts(), (0, 0));
}
