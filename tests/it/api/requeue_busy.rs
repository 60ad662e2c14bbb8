//! Messages that nobody could answer in time are taken up again together, more than the AI can be asked at once.

use super::{TOKEN, ask, config, metric, read};
use crate::harness::{Backend, Botgate, Monitor, TIMEOUT, ai, clock::Wall};
use serde_json::json;
use std::time::Instant;

const NOON: i64 = 1_795_262_400;
const MESSAGES: usize = 6;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Fails,
    Thinks,
    Answers,
}

#[test]
fn a_retry_after_the_deadline_waits_for_a_busy_ai_too() {
    let mood = Monitor::new(Mood::Fails);
    let theirs = mood.clone();
    let ai = Backend::start(move |seen, connection| {
        if *theirs.lock() == Mood::Fails {
            return connection.answer("429 Slow", "", b"");
        }
        theirs.wait("the AI's time", |mood| *mood == Mood::Answers);
        ai::echoed(seen, connection)
    });
    let receiver = Backend::ok();
    let state = tempfile::tempdir().unwrap();
    // One connection for each who may ask.
    let text = config(&ai, &receiver, &receiver, state.path())
        .replace(
            "[upstreams.ai]",
            "[upstreams.ai]\nmax_connections = 3\ntimeout = { connect = \"100ms\" }",
        )
        .replace("[bots.well]", "[bots.well]\nreply = { answer_within = \"1m\" }");
    let wall = Wall::at(NOON);
    let botgate = Botgate::start_with(&text, |_, command| wall.pin(command));
    let until = |series: &str, count: f64| {
        let end = Instant::now() + TIMEOUT;
        while metric(&botgate, series) < count {
            assert!(Instant::now() < end, "{series}");
        }
    };
    for nth in 0..MESSAGES {
        let user = format!("user{nth}");
        let body = json!({"connectionId": "well", "message": "hi", "userId": user});
        let request = ai::post("/api/webhooks/incoming", "Authorization: Bearer key\r\n", &body);
        assert_eq!(botgate.caller().call(&request).status, 202);
    }
    wall.set(NOON + 120);
    until("botgate_jobs{state=\"dead\"}", MESSAGES as f64);
    mood.change(|mood| *mood = Mood::Thinks);
    let retried = ask(&botgate, "POST", "/api/deliveries/retry?status=dead", TOKEN);
    assert_eq!(read(&retried, 200)["retried"], MESSAGES);
    until("botgate_upstream_errors_total{upstream=\"ai\",word=\"queue\"}", 1.0);
    mood.change(|mood| *mood = Mood::Answers);
    until("botgate_jobs{state=\"delivered\"}", MESSAGES as f64);
}
