//! Bots that answer at once where that is soon enough: each message is answered once, here or there.

use super::{Bot, accepted, by_id, config, jobs, jobs_until, message, wait};
use crate::harness::{Backend, Botgate, Caller, Monitor, TIMEOUT, ai};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

fn auto<'a>(id: &'a str, receiver: &'a Backend, more: &'a str) -> Bot<'a> {
    Bot { more, ..Bot::of(id, receiver) }
}

#[test]
fn around_its_deadline_each_message_is_answered_once_and_the_ai_asked_once() {
    const MESSAGES: usize = 1_000;
    // Most of them just before the deadline of 100 ms, on it and just behind it; a few at once, and a few much too late.
    let ai = Backend::start(|seen, connection| {
        let said = ai::texts(seen).pop().unwrap();
        let nth: u64 = said.trim_start_matches('m').parse().unwrap();
        let late = match nth % 10 {
            0 => 0,
            9 => 300,
            _ => 80 + nth % 41,
        };
        if late > 0 {
            connection.closed_within(Duration::from_millis(late));
        }
        ai::echoed(seen, connection)
    });
    let receiver = Backend::ok();
    let state = tempfile::tempdir().unwrap();
    let more = "reply = { mode = \"auto\", within = \"100ms\" }";
    let botgate = Botgate::start(&config(&ai, state.path(), &[auto("bot", &receiver, more)]));
    let (next, at_once) = (AtomicUsize::new(0), Mutex::new(BTreeSet::new()));
    let later = Mutex::new(BTreeSet::new());
    // True: it was answered at once.
    let call = |caller: &mut Caller, nth: usize| {
        let text = format!("m{nth}");
        let reply = caller.call(&message("bot", &text, &text));
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        if reply.status == 200 {
            assert_eq!(body["message"]["content"], format!("re: {text}"));
            let id = body["message"]["id"].as_str().unwrap().to_owned();
            return at_once.lock().unwrap().insert(id);
        }
        assert_eq!(reply.status, 202, "{reply:?}");
        let id = body["messageId"].as_str().unwrap().to_owned();
        later.lock().unwrap().insert(id);
        false
    };
    // A busy machine may be late with all of those that come together. One alone is in time, sooner or later.
    let mut caller = botgate.caller();
    let alone = (MESSAGES..).step_by(10).position(|nth| call(&mut caller, nth)).unwrap() + 1;
    let all = MESSAGES + alone;
    thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                let mut caller = botgate.caller();
                loop {
                    let nth = next.fetch_add(1, Relaxed);
                    if nth >= MESSAGES {
                        return;
                    }
                    call(&mut caller, nth);
                }
            });
        }
    });
    let (at_once, later) = (at_once.into_inner().unwrap(), later.into_inner().unwrap());
    assert!(!at_once.is_empty() && !later.is_empty(), "{}", later.len());
    assert_eq!(at_once.len() + later.len(), all);
    assert!(at_once.is_disjoint(&later));
    jobs_until(&botgate, "delivered", later.len() as f64);
    let delivered = by_id(&receiver);
    assert!(delivered.values().all(|texts| texts.len() == 1));
    assert!(delivered.keys().eq(later.iter()), "each once, here or there");
    assert_eq!(ai.count(), all);
    for state in ["accepted", "answered", "dead"] {
        assert_eq!(jobs(&botgate, state), 0.0, "{state}");
    }
}

#[test]
fn a_conversation_goes_on_from_an_answer_at_once_to_one_that_comes_later() {
    let slow = Monitor::new(false);
    let gate = slow.clone();
    let ai = Backend::start(move |seen, connection| {
        if ai::texts(seen).last().unwrap() == "slow" {
            gate.wait("the gate of the AI", |open| *open);
        }
        ai::echoed(seen, connection)
    });
    let receiver = Backend::ok();
    let state = tempfile::tempdir().unwrap();
    let quick = "reply = { mode = \"auto\", within = \"10ms\" }";
    let patient = "reply = { mode = \"auto\", within = \"20s\" }";
    let bots = [auto("quick", &receiver, quick), auto("patient", &receiver, patient)];
    let botgate = Botgate::start(&config(&ai, state.path(), &bots));
    let reply = botgate.caller().call(&message("patient", "one", "hi"));
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(jobs(&botgate, "accepted"), 0.0, "nothing is stored for it");
    let (conversation, id) = accepted(&botgate, "quick", "one", "slow");
    assert_eq!(jobs(&botgate, "accepted"), 1.0);
    slow.change(|open| *open = true);
    wait(&receiver, 1);
    let body = super::sent(&receiver.last());
    assert_eq!(body["conversationId"], *conversation);
    assert_eq!(body["message"]["id"], *id);
    jobs_until(&botgate, "delivered", 1.0);
    assert_eq!(ai.count(), 2);
}

#[test]
fn a_caller_that_leaves_in_time_is_answered_nowhere() {
    let closed = Monitor::new(None);
    let seen_closed = closed.clone();
    let ai = Backend::start(move |seen, connection| {
        let left = connection.closed_within(TIMEOUT);
        seen_closed.change(|closed| *closed = Some(left));
        ai::echoed(seen, connection)
    });
    let receiver = Backend::ok();
    let state = tempfile::tempdir().unwrap();
    let more = "reply = { mode = \"auto\", within = \"600s\" }";
    let botgate = Botgate::start(&config(&ai, state.path(), &[auto("bot", &receiver, more)]));
    let mut caller = botgate.caller();
    caller.send(&message("bot", "one", "hi"));
    ai.witnessed().wait("the question", |it| it.seen.len() == 1);
    drop(caller);
    let ended = closed.find("the end of the exchange", |closed| *closed);
    assert!(ended, "the AI goes on");
    for state in ["accepted", "answered", "delivered", "dead"] {
        assert_eq!(jobs(&botgate, state), 0.0, "{state}");
    }
}

#[test]
fn an_ai_that_fails_after_the_202_is_asked_again() {
    let tell = Monitor::new(false);
    let gate = tell.clone();
    let ai = Backend::start(move |seen, connection| {
        if *gate.lock() {
            return ai::echoed(seen, connection);
        }
        gate.wait("the gate of the AI", |told| *told);
        connection.answer("500 No", "", b"")
    });
    let receiver = Backend::ok();
    let state = tempfile::tempdir().unwrap();
    let more = "reply = { mode = \"auto\", within = \"10ms\" }";
    let botgate = Botgate::start(&config(&ai, state.path(), &[auto("bot", &receiver, more)]));
    let (_, id) = accepted(&botgate, "bot", "one", "hi");
    tell.change(|told| *told = true);
    wait(&receiver, 1);
    assert_eq!(by_id(&receiver), [(id, vec!["re: hi".to_owned()])].into());
    assert_eq!(ai.count(), 2);
}
