//! A delivery that comes again after a restart: the first 202 again and no second job, as long as its window is open.

use super::{Bot, by_id, config, jobs, jobs_until};
use crate::harness::{Backend, Botgate, Monitor, ai, caller::Reply, clock::Wall};
use rustix::process::Signal;
use serde_json::json;
use std::collections::BTreeMap;

const NOON: i64 = 1_795_262_400;
/// Each round ends with a kill.
const ROUNDS: usize = 6;
const BY: &str = "duplicates = { by = \"header:Idempotency-Key\", window = \"10m\" }";

/// A message to a bot that is known by this id wherever it is repeated.
fn delivery(bot: &str, id: &str, key: &str) -> Vec<u8> {
    let body = json!({"connectionId": bot, "message": id, "userId": id});
    let headers = format!("Authorization: Bearer {key}\r\nIdempotency-Key: {id}\r\n");
    ai::post("/api/webhooks/incoming", &headers, &body)
}

#[track_caller]
fn call(botgate: &Botgate, bot: &str, id: &str) -> Reply {
    let reply = botgate.caller().call(&delivery(bot, id, "key"));
    assert_eq!(reply.status, 202, "{reply:?}");
    reply
}

#[test]
fn after_a_restart_a_delivery_that_comes_again_is_no_second_job() {
    let receiver = Backend::ok();
    let open = Monitor::new(false);
    let gate = open.clone();
    let slow = Backend::start(move |seen, connection| {
        gate.wait("the first calls to be answered", |open| *open);
        ai::echoed(seen, connection)
    });
    let state = tempfile::tempdir().unwrap();
    let auto = format!("{BY}\nreply = {{ mode = \"auto\", within = \"1ms\" }}");
    let bots = [
        Bot { more: BY, ..Bot::of("later", &receiver) },
        Bot { more: &auto, ..Bot::of("auto", &receiver) },
    ];
    let text = config(&slow, state.path(), &bots);
    let wall = Wall::at(NOON);
    let start = || Botgate::start_with(&text, |_, command| wall.pin(command));
    let mut botgate = start();
    let first = ["later", "auto"].map(|bot| call(&botgate, bot, "a"));
    assert!(first.iter().all(|it| it.header("botgate-duplicate").is_none()));
    open.change(|open| *open = true);
    botgate.signal(Signal::KILL);
    botgate.exit();
    for _ in 0..2 {
        let botgate = start();
        for (bot, first) in ["later", "auto"].into_iter().zip(&first) {
            // From the disk, then from memory.
            for _ in 0..2 {
                let again = call(&botgate, bot, "a");
                assert_eq!(again.body, first.body);
                assert_eq!(again.header("botgate-duplicate"), Some("1"));
                assert_eq!(again.header("content-type"), first.header("content-type"));
            }
        }
        jobs_until(&botgate, "delivered", 2.0);
    }
    let botgate = start();
    let forged = botgate.caller().call(&delivery("later", "a", "wrong"));
    assert_eq!(forged.status, 401, "what is not proven is not looked up");
    let other = call(&botgate, "later", "b");
    assert_ne!(other.body, first[0].body);
    jobs_until(&botgate, "delivered", 3.0);
    wall.set(NOON + 601);
    drop(botgate);
    let botgate = start();
    let anew = call(&botgate, "later", "a");
    assert_eq!(anew.header("botgate-duplicate"), None, "its window is over");
    assert_ne!(anew.body, first[0].body);
    jobs_until(&botgate, "delivered", 4.0);
    assert_eq!(by_id(&receiver).len(), 4);
}

#[test]
fn whenever_it_is_killed_a_caller_that_repeats_gets_one_job_for_each_message() {
    let (ai, receiver) = (ai::echo(), Backend::ok());
    let state = tempfile::tempdir().unwrap();
    let bot = Bot { more: BY, ..Bot::of("bot", &receiver) };
    let text = config(&ai, state.path(), &[bot]);
    let mut told = BTreeMap::new();
    for round in 0..ROUNDS {
        let mut botgate = Botgate::start(&text);
        // What the round before was told or not.
        for nth in (0..round * 8).rev().take(8) {
            let id = format!("m{nth}");
            let body = call(&botgate, "bot", &id).body;
            if let Some(before) = told.insert(id, body.clone()) {
                assert_eq!(before, body);
            }
        }
        let mut callers: Vec<_> = (0..8).map(|_| botgate.caller()).collect();
        for (nth, caller) in callers.iter_mut().enumerate() {
            caller.send(&delivery("bot", &format!("m{}", round * 8 + nth), "key"));
        }
        // The more, the later the round is.
        for (nth, caller) in callers.iter_mut().enumerate().take(round) {
            let reply = caller.reply();
            assert_eq!(reply.status, 202);
            told.insert(format!("m{}", round * 8 + nth), reply.body);
        }
        botgate.signal(Signal::KILL);
        botgate.exit();
    }
    let botgate = Botgate::start(&text);
    let all = ROUNDS * 8;
    for nth in 0..all {
        let id = format!("m{nth}");
        let body = call(&botgate, "bot", &id).body;
        if let Some(before) = told.get(&id) {
            assert_eq!(*before, body, "{id}");
        }
    }
    jobs_until(&botgate, "delivered", all as f64);
    assert_eq!(jobs(&botgate, "delivered"), all as f64);
    assert_eq!(by_id(&receiver).len(), all, "one job for each message");
}

#[test]
fn a_caller_that_disconnects_before_the_202_and_repeats_gets_one_job() {
    const MESSAGES: usize = 100;
    let (ai, receiver) = (ai::echo(), Backend::ok());
    let state = tempfile::tempdir().unwrap();
    let bot = Bot { more: BY, ..Bot::of("bot", &receiver) };
    let botgate = Botgate::start(&config(&ai, state.path(), &[bot]));
    for nth in 0..MESSAGES {
        let message = delivery("bot", &format!("m{nth}"), "key");
        botgate.caller().send(&message);
        loop {
            let reply = botgate.caller().call(&message);
            match reply.status {
                // The first is in the making.
                409 => {}
                status => break assert_eq!(status, 202, "{reply:?}"),
            }
        }
    }
    jobs_until(&botgate, "delivered", MESSAGES as f64);
    let waiting = || jobs(&botgate, "accepted") + jobs(&botgate, "answered");
    botgate.metric_until("botgate_jobs{state=\"accepted\"}", |_| waiting() == 0.0);
    assert_eq!(jobs(&botgate, "delivered"), MESSAGES as f64);
}
