//! What becomes of a message when its receiver or its AI fails.

use super::{Bot, accepted, always, config, failing, jobs, jobs_until, sent, wait};
use crate::harness::{After, Backend, Botgate, TIMEOUT, ai, clock::Wall, sandbox};
use botgate::net::client::breaker;
use std::time::Instant;

const NOON: i64 = 1_795_262_400;

#[test]
fn a_delivery_is_tried_at_its_times_and_then_given_up() {
    let (ai, receiver, other) = (ai::echo(), always("500 No"), Backend::ok());
    let state = tempfile::tempdir().unwrap();
    let text = config(&ai, state.path(), &[Bot::of("broken", &receiver), Bot::of("well", &other)]);
    let wall = Wall::at(NOON);
    let botgate = Botgate::start_with(&text, |_, command| wall.pin(command));
    accepted(&botgate, "broken", "one", "hi");
    wait(&receiver, 1);
    let mut now = NOON;
    for (made, step) in [(1, 30), (2, 120), (3, 600)] {
        let name = "botgate_deliveries_total{outcome=\"failed\"}";
        botgate.metric_until(name, |failed| failed >= f64::from(made));
        // A tenth sooner at the most, and a second before that.
        wall.set(now + step * 9 / 10 - 1);
        accepted(&botgate, "well", "one", "is it time?");
        wait(&other, made as usize);
        assert_eq!(receiver.count(), made as usize, "too soon");
        now += step * 11 / 10;
        wall.set(now);
        wait(&receiver, made as usize + 1);
    }
    jobs_until(&botgate, "dead", 1.0);
    jobs_until(&botgate, "delivered", 3.0);
    assert_eq!(jobs(&botgate, "answered") + jobs(&botgate, "accepted"), 0.0);
    let seen = receiver.seen();
    assert_eq!(seen.len(), 4);
    for other in &seen[1..] {
        assert_eq!(other.header("webhook-id"), seen[0].header("webhook-id"));
        assert_eq!(other.body, seen[0].body);
        let time =
            |seen: &crate::harness::backend::Seen| seen.header("x-webhook-timestamp")[0].to_owned();
        assert_ne!(time(other), time(&seen[0]));
    }
}

#[test]
fn a_410_or_a_redirect_of_a_receiver_ends_the_delivery() {
    sandbox::run(|| {
        sandbox::network_with(&[]);
        let elsewhere = Backend::ok();
        let to = format!("Location: http://{}/\r\n", elsewhere.addr());
        let gone = always("410 Gone");
        let moved = Backend::start(move |_, connection| connection.answer("307 There", &to, b""));
        let ai = ai::echo();
        let state = tempfile::tempdir().unwrap();
        let text = config(
            &ai,
            state.path(),
            &[
                Bot::of("gone", &gone),
                Bot {
                    callback: "retries = [], allow = [\"127.0.0.0/8\"]",
                    ..Bot::of("moved", &moved)
                },
            ],
        );
        let botgate = Botgate::start(&text);
        accepted(&botgate, "gone", "one", "hi");
        accepted(&botgate, "moved", "one", "hi");
        jobs_until(&botgate, "dead", 2.0);
        assert_eq!((gone.count(), moved.count(), elsewhere.count()), (1, 1, 0));
        let name = "botgate_deliveries_total{outcome=\"dead\"}";
        botgate.metric_until(name, |count| count == 2.0);
    });
}

#[test]
fn a_receiver_on_this_machine_is_not_dialled_unless_it_is_listed() {
    sandbox::run(|| {
        sandbox::network_with(&[]);
        let (ai, receiver) = (ai::echo(), Backend::ok());
        let state = tempfile::tempdir().unwrap();
        let bot = Bot { callback: "retries = []", ..Bot::of("inside", &receiver) };
        let botgate = Botgate::start(&config(&ai, state.path(), &[bot]));
        accepted(&botgate, "inside", "one", "hi");
        jobs_until(&botgate, "dead", 1.0);
        let said = botgate.line("the refused address", |line| {
            line["message"]
                .as_str()
                .is_some_and(|text| text.contains("add allow = [\"127.0.0.1/32\"]"))
        });
        assert_eq!(said["level"], "WARN", "{said}");
        assert_eq!(receiver.witnessed().lock().opened, 0);
    });
}

#[test]
fn an_ai_that_fails_is_asked_again_until_time_is_up_and_then_something_else_is_said() {
    let (ai, receiver) = (failing("500 No"), Backend::ok());
    let state = tempfile::tempdir().unwrap();
    let bots = [
        Bot {
            more: "reply = { answer_within = \"1100ms\", failure_text = \"We are sorry.\" }",
            ..Bot::of("polite", &receiver)
        },
        Bot { more: "reply = { answer_within = \"1ms\" }", ..Bot::of("mute", &receiver) },
    ];
    let botgate = Botgate::start(&config(&ai, state.path(), &bots));
    let (conversation, id) = accepted(&botgate, "polite", "one", "hi");
    wait(&receiver, 1);
    let body = sent(&receiver.last());
    assert_eq!(body["conversationId"], *conversation);
    assert_eq!(body["message"]["id"], *id);
    assert_eq!(body["message"]["content"], "We are sorry.");
    assert!(ai.count() >= 2, "asked {} times", ai.count());
    let said = botgate.line("why nothing better was said", |line| {
        line["bot"] == "polite" && line["reason"] == "The AI failed"
    });
    assert_eq!(said["level"], "WARN", "{said}");
    accepted(&botgate, "mute", "one", "hi");
    jobs_until(&botgate, "dead", 1.0);
    assert_eq!(receiver.count(), 1);
}

#[test]
fn an_ai_that_recovers_has_its_answer_delivered() {
    let ai = Backend::start(|seen, connection| match (seen.connection, seen.nth) {
        (0, 0) => connection.answer("429 Slow", "Retry-After: 1\r\n", b""),
        _ => ai::echoed(seen, connection),
    });
    let receiver = Backend::ok();
    let state = tempfile::tempdir().unwrap();
    let botgate = Botgate::start(&config(&ai, state.path(), &[Bot::of("bot", &receiver)]));
    accepted(&botgate, "bot", "one", "hi");
    wait(&receiver, 1);
    assert_eq!(sent(&receiver.last())["message"]["content"], "re: hi");
    assert_eq!(ai.count(), 2);
    jobs_until(&botgate, "delivered", 1.0);
}

#[test]
fn what_is_left_for_a_bot_that_is_gone_is_dead_and_says_so() {
    // It breaks off, which counts among the upstream's errors as ever.
    let ai = Backend::start(|_, _| After::Close);
    let receiver = Backend::ok();
    let state = tempfile::tempdir().unwrap();
    let text = config(&ai, state.path(), &[Bot::of("bot", &receiver)]);
    let botgate = Botgate::start(&text);
    accepted(&botgate, "bot", "one", "hi");
    let name = "botgate_upstream_errors_total{upstream=\"ai\",word=\"broken\"}";
    botgate.metric_until(name, |count| count >= 1.0);
    drop(botgate);
    let text = config(&ai, state.path(), &[Bot::of("another", &receiver)]);
    let botgate = Botgate::start(&text);
    jobs_until(&botgate, "dead", 1.0);
    assert_eq!(receiver.count(), 0);
}

#[test]
fn a_breaker_puts_an_attempt_off_and_never_for_good() {
    /// Failures in a row that open it, and for how long at least.
    const FAILURES: usize = breaker::FAILURE_THRESHOLD as usize;
    let (ai, receiver, other) = (ai::echo(), always("500 No"), Backend::ok());
    let state = tempfile::tempdir().unwrap();
    let down = Bot {
        callback: "retries = [\"1h\"], allow = [\"127.0.0.0/8\"]",
        ..Bot::of("down", &receiver)
    };
    let bots = [down, Bot::of("well", &other)];
    let wall = Wall::at(NOON);
    let text = config(&ai, state.path(), &bots);
    let botgate = Botgate::start_with(&text, |_, command| wall.pin(command));
    let start = Instant::now();
    for made in 1..=FAILURES {
        accepted(&botgate, "down", "one", "hi");
        wait(&receiver, made);
    }
    let name = "botgate_deliveries_total{outcome=\"failed\"}";
    botgate.metric_until(name, |failed| failed >= FAILURES as f64);
    accepted(&botgate, "down", "one", "put off");
    jobs_until(&botgate, "answered", FAILURES as f64 + 1.0);
    accepted(&botgate, "well", "one", "hi");
    wait(&other, 1);
    // By then a probe may be due where all of this took long.
    let is_open = || start.elapsed() < breaker::OPEN_FOR;
    let tried = receiver.count();
    assert!(tried == FAILURES || !is_open(), "{tried}");
    wall.set(NOON + 61);
    wait(&receiver, FAILURES + 1);
    let body = sent(&receiver.last());
    assert_eq!(body["message"]["content"], "re: put off");
}

#[test]
fn a_receivers_status_counts_whatever_happens_to_its_body() {
    let endless = Backend::start(|_, connection| {
        connection.begin("");
        while connection.chunk(&[b'x'; 1024]) {}
        After::Close
    });
    let stops = Backend::start(|_, connection| {
        connection.begin("");
        connection.closed_within(TIMEOUT);
        After::Close
    });
    let silent = Backend::start(|_, connection| {
        connection.closed_within(TIMEOUT);
        After::Close
    });
    let ai = ai::echo();
    let state = tempfile::tempdir().unwrap();
    let bots = [("endless", &endless), ("stops", &stops), ("silent", &silent)];
    let bots = bots.map(|(id, receiver)| Bot {
        callback: "timeout = \"2s\", retries = [], allow = [\"127.0.0.0/8\"]",
        ..Bot::of(id, receiver)
    });
    let botgate = Botgate::start(&config(&ai, state.path(), &bots));
    for bot in bots {
        accepted(&botgate, bot.id, "one", "hi");
    }
    jobs_until(&botgate, "delivered", 2.0);
    jobs_until(&botgate, "dead", 1.0);
    for receiver in [&endless, &stops, &silent] {
        assert_eq!(receiver.count(), 1);
        let gone = |it: &crate::harness::backend::Witnessed| it.closed == 1;
        receiver.witnessed().wait("the end of its connection", gone);
    }
    let name = "botgate_upstream_errors_total{upstream=\"bots.silent.callback\",word=\"total\"}";
    botgate.metric_until(name, |count| count == 1.0);
}
