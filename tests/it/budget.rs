//! A bot's cap: never passed however many call at once, given back for what failed, kept across a restart.

use crate::harness::{Backend, Botgate, Monitor, ai, caller::Reply, clock::Wall, machine};
use std::{path::Path, sync::mpsc, thread};

/// How many calls the cap allows.
const ALLOWED: usize = 100;
const CALLS: usize = 1000;

/// A bot whose every call costs 10 cents: ten tokens of answer, of which one costs a cent.
fn config(ai: &Backend, state: &Path, cap: &str) -> String {
    let upstream = ai::upstream(
        "ai",
        "openai",
        &format!("http://{}", ai.addr()),
        "max_tokens = 10\nprice = { input = 0, output = 1000000 }\nretries = 0",
    );
    format!(
        "[server]\nhttp = [\"127.0.0.1:0\"]\nworkers = 2\n\n[admin]\nlisten = \"127.0.0.1:0\"\n\n\
         [state]\npath = {:?}\n\n{upstream}[bots.rich]\ndialect = \"aerostack\"\nupstream = \"ai\"\n\
         verify = {{ preset = \"none\" }}\nlimit = {{ rate = \"1000000/s\", burst = 1000000 }}\n\
         conversation = \"off\"\nbudget = {{ cap = \"{cap}\", per = \"total\" }}\n",
        state.join("store")
    )
}

/// Sends all calls at once. `let_go` is called once everything is refused that will not reach the AI.
fn storm(botgate: &Botgate, reaching: usize, let_go: impl FnOnce()) -> Vec<Reply> {
    let (sender, replies) = mpsc::channel();
    let callers: Vec<_> = (0..CALLS)
        .map(|nth| {
            let (mut caller, sender) = (botgate.caller(), sender.clone());
            let calling = move || {
                let message = ai::message("rich", &format!("user-{nth}"), "hello");
                let _ = sender.send(caller.call(&message));
            };
            thread::Builder::new().stack_size(256 * 1024).spawn(calling).unwrap()
        })
        .collect();
    let mut all: Vec<_> = replies.iter().take(CALLS - reaching).collect();
    for refused in &all {
        assert_eq!((refused.status, refused.code().as_str()), (402, "budget_exceeded"));
    }
    let_go();
    all.extend(replies.iter().take(reaching));
    for caller in callers {
        caller.join().unwrap();
    }
    all
}

fn count(replies: &[Reply], status: u16) -> usize {
    replies.iter().filter(|reply| reply.status == status).count()
}

#[test]
fn a_thousand_calls_at_once_never_spend_more_than_the_cap() {
    let _machine = machine::exclusive();
    let open = Monitor::new(false);
    let gate = open.clone();
    // Every second one of those that come first fails, by no fault of the AI's: its breaker stays closed.
    let ai = Backend::start(move |seen, connection| {
        gate.wait("the gate of the AI", |open| *open);
        if seen.connection < ALLOWED && seen.connection % 2 == 0 && seen.nth == 0 {
            return connection.answer("422 No", "", b"{\"error\":{\"message\":\"no\"}}");
        }
        ai::reply(connection, &ai::answer("openai", "hi", 5, 10))
    });
    let state = tempfile::tempdir().unwrap();
    let text = config(&ai, state.path(), "10.00 USD");
    let botgate = Botgate::start(&text);

    let replies = storm(&botgate, ALLOWED, || {
        ai.witnessed()
            .wait("as many as the cap allows", |witnessed| witnessed.seen.len() == ALLOWED);
        open.change(|open| *open = true);
    });
    assert_eq!(count(&replies, 200), ALLOWED / 2);
    assert_eq!(count(&replies, 502), ALLOWED / 2);

    // What failed was given back: half the cap is left, and the AI is asked no more often than that.
    open.change(|open| *open = false);
    let replies = storm(&botgate, ALLOWED / 2, || {
        ai.witnessed().wait("as many as were given back", |witnessed| {
            witnessed.seen.len() == ALLOWED + ALLOWED / 2
        });
        open.change(|open| *open = true);
    });
    assert_eq!(count(&replies, 200), ALLOWED / 2);
    assert_eq!(ai.count(), ALLOWED + ALLOWED / 2);

    // What was spent stays spent.
    drop(botgate);
    let botgate = Botgate::start(&text);
    let reply = botgate.caller().call(&ai::message("rich", "late", "hello"));
    assert_eq!((reply.status, reply.code().as_str()), (402, "budget_exceeded"));
    drop(botgate);
    let botgate = Botgate::start(&config(&ai, state.path(), "10.10 USD"));
    for status in [200, 402] {
        let reply = botgate.caller().call(&ai::message("rich", "late", "hello"));
        assert_eq!(reply.status, status, "a raised cap allows one more");
    }
}

#[test]
fn a_cap_per_day_begins_anew_at_midnight_utc() {
    // The last second of a day, and the first of the next.
    const LAST: i64 = 1_795_046_399;
    const DAY: i64 = 86_400;
    let ai =
        Backend::start(|_, connection| ai::reply(connection, &ai::answer("openai", "hi", 5, 10)));
    let state = tempfile::tempdir().unwrap();
    let text = config(&ai, state.path(), "0.10 USD").replace("per = \"total\"", "per = \"day\"");
    let wall = Wall::at(LAST - 60);
    let start = || Botgate::start_with(&text, |_, command| wall.pin(command));
    let mut botgate = start();
    // In one life, and from one to the next.
    for (now, restart, statuses) in [
        (LAST - 60, false, [200, 402]),
        (LAST, false, [402, 402]),
        (LAST, true, [402, 402]),
        (LAST + 1, false, [200, 402]),
        (LAST + DAY, true, [402, 402]),
        (LAST + DAY + 1, true, [200, 402]),
    ] {
        wall.set(now);
        if restart {
            drop(botgate);
            botgate = start();
        }
        for status in statuses {
            let reply = botgate.caller().call(&ai::message("rich", "one", "hello"));
            assert_eq!(reply.status, status, "at {now}, restart: {restart}");
        }
    }
}

#[test]
fn an_answer_says_what_it_cost() {
    let ai =
        Backend::start(|_, connection| ai::reply(connection, &ai::answer("openai", "hi", 485, 42)));
    let state = tempfile::tempdir().unwrap();
    let text = config(&ai, state.path(), "1000.00 USD").replace(
        "price = { input = 0, output = 1000000 }",
        "price = { input = 250, output = 1000 }",
    );
    let botgate = Botgate::start(&text);
    let reply = botgate.caller().call(&ai::message("rich", "one", "hello"));
    let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(body["tokens"], serde_json::json!({"input": 485, "output": 42}));
    assert_eq!(body["cost_cents"], 0.163_25);
    let asked = ai::asked(&ai.last());
    assert_eq!(asked["max_completion_tokens"], 10);
    assert_eq!(ai.last().target(), "/v1/chat/completions");
    assert_eq!(ai.last().header("authorization"), ["Bearer sk-test"]);
}
