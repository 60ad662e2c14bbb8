//! What is counted of a bot: exact whatever the worker, by the hour, kept across restarts, and nobody's who has proven nothing.

use super::{House, TOKEN, ask, metric, read};
use crate::harness::{Backend, Botgate, Monitor, TIMEOUT, ai, clock::Wall};
use ring::hmac;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::{path::Path, time::Instant};

const MASTER: &str = "0123456789abcdef0123456789abcdef";
/// Noon of a day.
const NOON: i64 = 1_795_003_200;
const HOUR: i64 = 3600;

/// A bot of its own, and a template.
fn config(ai: &Backend, state: &Path, limit: u32) -> String {
    let price = "price = { input = 250, output = 1000 }\nretries = 0";
    let mut text = format!(
        "[server]\nhttp = [\"127.0.0.1:0\"]\nworkers = 2\n\n[admin]\nlisten = \"127.0.0.1:0\"\ntoken = \"admin word\"\n\n\
         [state]\npath = {:?}\n\n{}",
        state.join("store"),
        ai::upstream("ai", "custom", &format!("http://{}", ai.addr()), price)
    );
    for (bot, verify) in [
        ("shop", "preset = \"bearer\", secrets = [\"right\"]"),
        ("\"bt_*\"", &format!("preset = \"bearer\", secrets = [{{ derive = \"{MASTER}\" }}]")),
    ] {
        text += &format!(
            "[bots.{bot}]\ndialect = \"aerostack\"\nupstream = \"ai\"\nverify = {{ {verify} }}\n\
             limit = {{ rate = \"1/h\", burst = {limit} }}\nconversation = \"off\"\n\n"
        );
    }
    text
}

fn message(bot: &str, token: &str, text: &Value) -> Vec<u8> {
    ai::post(
        &format!("/api/bots/webhook/custom/{bot}"),
        &format!("Authorization: Bearer {token}\r\n"),
        &json!({"text": text, "user_id": "ann", "channel_id": "main"}),
    )
}

/// The secret of an id under the template.
fn derived(bot: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, MASTER.as_bytes());
    hex::encode(hmac::sign(&key, format!("botgate/v1/{bot}").as_bytes()))
}

#[track_caller]
fn figures(botgate: &Botgate, target: &str) -> Value {
    let target = format!("/api/bots/{target}");
    read(&ask(botgate, "GET", &target, TOKEN), 200)
}

/// Waits until a figure is as wished; the workers hand theirs over a little later.
#[track_caller]
fn until(botgate: &Botgate, bot: &str, pointer: &str, wanted: &Value) -> Value {
    let end = Instant::now() + TIMEOUT;
    loop {
        let found = figures(botgate, &format!("{bot}/analytics"));
        if found.pointer(pointer).unwrap_or(&Value::Null) == wanted {
            return found;
        }
        assert!(Instant::now() < end, "{pointer} is not {wanted}: {found}");
    }
}

#[test]
fn each_figure_is_exact_whatever_the_worker_and_the_next_life_goes_on_with_it() {
    let ai = ai::echo();
    let state = tempfile::tempdir().unwrap();
    let text = config(&ai, state.path(), 63);
    let botgate = Botgate::start(&text);
    let mut callers: Vec<_> = (0..8).map(|_| botgate.caller()).collect();
    let mut send = |count: usize, token: &str, text: Value, status: u16| {
        for nth in 0..count {
            let reply = callers[nth % 8].call(&message("shop", token, &text));
            assert_eq!(reply.status, status);
        }
    };
    send(60, "right", json!("hello"), 200);
    send(7, "wrong", json!("hello"), 401);
    send(3, "right", json!(1), 400);
    send(5, "right", json!("hello"), 429);
    let refused = json!({"invalid_request": 3, "rate_limit": 5, "unauthorized": 7});
    until(&botgate, "shop", "/requests/refused", &refused);
    let found = until(&botgate, "shop", "/requests/accepted", &json!(60));
    // The AI takes 3 tokens and gives 2: 2750 millionths of a cent.
    assert_eq!(found["tokens"], json!({"input": 180, "output": 120}));
    assert_eq!(found["cost_cents"], json!(0.165));
    let none = json!({"delivered": 0, "pending": 0, "dead": 0});
    assert_eq!(found["callbacks"], none);
    let [p50, p90, p99] = ["p50", "p90", "p99"].map(|p| found["latency_ms"][p].as_f64().unwrap());
    assert!(0.0 < p50 && p50 <= p90 && p90 <= p99, "{found}");
    let series = found["series"].as_array().unwrap();
    let sum: u64 = series.iter().map(|hour| hour["requests"]["accepted"].as_u64().unwrap()).sum();
    assert_eq!(sum, 60, "{found}");

    drop(botgate);
    let botgate = Botgate::start(&text);
    let kept = figures(&botgate, "shop/analytics");
    for part in ["requests", "tokens", "cost_cents", "latency_ms", "callbacks"] {
        assert_eq!(kept[part], found[part]);
    }
    let reply = botgate.caller().call(&message("shop", "right", &json!("hello")));
    assert_eq!(reply.status, 200);
    until(&botgate, "shop", "/requests/accepted", &json!(61));
    until(&botgate, "shop", "/tokens/input", &json!(183));
}

#[test]
fn a_kill_costs_no_more_than_the_last_seconds() {
    let ai = ai::echo();
    let state = tempfile::tempdir().unwrap();
    let text = config(&ai, state.path(), 100);
    let mut botgate = Botgate::start(&text).expect_errors();
    for _ in 0..5 {
        let message = message("shop", "right", &json!("hello"));
        assert_eq!(botgate.caller().call(&message).status, 200);
    }
    until(&botgate, "shop", "/requests/accepted", &json!(5));
    // The bot's first record and its hour's, and nothing else waits.
    let end = Instant::now() + TIMEOUT;
    let saved = |botgate: &Botgate| {
        metric(botgate, "botgate_store_committed_total ") >= 2.0
            && metric(botgate, "botgate_store_queued ") == 0.0
    };
    while !saved(&botgate) {
        assert!(Instant::now() < end, "nothing is written");
    }
    botgate.signal(Signal::KILL);
    botgate.exit();
    let botgate = Botgate::start(&text);
    let kept = figures(&botgate, "shop/analytics");
    assert_eq!(kept["requests"]["accepted"], 5);
}

#[test]
fn each_hour_has_its_own_and_after_thirty_days_none() {
    let ai = ai::echo();
    let state = tempfile::tempdir().unwrap();
    let text = config(&ai, state.path(), 100);
    let wall = Wall::at(NOON + HOUR - 1);
    let start = || Botgate::start_with(&text, |_, command| wall.pin(command));
    let botgate = start();
    let send = |botgate: &Botgate, count: usize| {
        for _ in 0..count {
            let message = message("shop", "right", &json!("hello"));
            assert_eq!(botgate.caller().call(&message).status, 200);
        }
    };
    send(&botgate, 2);
    until(&botgate, "shop", "/requests/accepted", &json!(2));
    wall.set(NOON + HOUR);
    send(&botgate, 3);
    let found = until(&botgate, "shop", "/requests/accepted", &json!(5));
    assert_eq!(found["bot"], "shop");
    assert_eq!([&found["from"], &found["to"]], ["2026-11-17T14:00:00Z", "2026-11-18T14:00:00Z"]);
    let hours = |found: &Value| -> Vec<(String, u64)> {
        let series = found["series"].as_array().unwrap().iter();
        let hour = |hour: &Value| {
            let accepted = hour["requests"]["accepted"].as_u64().unwrap();
            (hour["at"].as_str().unwrap().to_owned(), accepted)
        };
        series.map(hour).collect()
    };
    let noon = ("2026-11-18T12:00:00Z".to_owned(), 2);
    let one = ("2026-11-18T13:00:00Z".to_owned(), 3);
    assert_eq!(hours(&found), [noon.clone(), one.clone()]);
    assert_eq!(found["series"][0]["tokens"]["input"], 6);
    assert_eq!(found["series"][0]["callbacks"], json!({"delivered": 0, "dead": 0}));

    drop(botgate);
    let botgate = start();
    for (query, expected) in [
        ("", vec![noon.clone(), one.clone()]),
        ("?to=2026-11-18T13:00:00Z", vec![noon.clone()]),
        ("?from=2026-11-18T13:00:00Z", vec![one.clone()]),
        ("?from=2026-11-18T12:00:00Z&to=2026-11-18T13:00:00Z", vec![noon.clone()]),
        ("?to=2026-11-18T12:00:00Z", vec![]),
        ("?from=2026-11-18T14:00:00%2B01:00", vec![one.clone()]),
    ] {
        let found = figures(&botgate, &format!("shop/analytics{query}"));
        assert_eq!(hours(&found), expected, "{query}");
    }

    // The last second in which the first hour is kept, and the next.
    let all = "shop/analytics?from=2026-11-18T12:00:00Z";
    wall.set(NOON + 721 * HOUR - 1);
    assert_eq!(hours(&figures(&botgate, all)), [noon, one.clone()]);
    wall.set(NOON + 721 * HOUR);
    let later = "shop/analytics?from=2026-11-18T13:00:00Z";
    assert_eq!(hours(&figures(&botgate, later)), [one]);
    // An hour after the last has expired the disk has none of it either.
    wall.set(NOON + 723 * HOUR);
    let end = Instant::now() + TIMEOUT;
    while metric(&botgate, "botgate_store_expired_total ") < 3.0 {
        assert!(Instant::now() < end, "nothing is deleted");
    }
    assert_eq!(hours(&figures(&botgate, "shop/analytics")), []);
}

#[test]
fn a_flood_of_unproven_ids_makes_no_figures() {
    let ai = ai::echo();
    let state = tempfile::tempdir().unwrap();
    let botgate = Botgate::start(&config(&ai, state.path(), 2));
    let mut caller = botgate.caller();
    let mut send = |bot: &str, token: &str, status: u16| {
        let reply = caller.call(&message(bot, token, &json!("hello")));
        assert_eq!(reply.status, status, "{bot}");
    };
    for nth in 0..100 {
        send(&format!("bt_{nth}"), "wrong", 401);
    }
    for status in [200, 200, 429] {
        send("bt_7", &derived("bt_7"), status);
    }
    let template = until(&botgate, "bt_*", "/requests/refused/unauthorized", &json!(100));
    assert_eq!(template["requests"]["accepted"], 0, "of no id's");
    let proven = json!({"accepted": 2, "refused": {"rate_limit": 1}});
    until(&botgate, "bt_7", "/requests", &proven);
    let nothing = json!({"accepted": 0, "refused": {}});
    for bot in ["bt_0", "bt_99", "bt_never"] {
        let found = figures(&botgate, &format!("{bot}/analytics"));
        assert_eq!(found["requests"], nothing, "{bot}");
        assert_eq!(found["series"], json!([]), "{bot}");
        let none = json!({"p50": null, "p90": null, "p99": null});
        assert_eq!(found["latency_ms"], none);
    }
    for bot in ["nobody", "bt_%20", "%2A", "shop2", "bt_a.b"] {
        let target = format!("/api/bots/{bot}/analytics");
        let error = read(&ask(&botgate, "GET", &target, TOKEN), 404);
        assert!(error["error"].as_str().unwrap().contains("/api/bots"));
    }
}

#[test]
fn what_comes_later_is_accepted_answered_and_delivered_or_dead() {
    let open = Monitor::new(false);
    let gate = open.clone();
    let ai = Backend::start(move |seen, connection| {
        gate.wait("the gate of the AI", |open| *open);
        ai::echoed(seen, connection)
    });
    let house = House::with("410 Gone", ai);
    for _ in 0..3 {
        house.message("well", "hello");
    }
    house.message("gone", "hello");
    let held = json!({"delivered": 0, "pending": 3, "dead": 0});
    let found = until(&house.botgate, "well", "/requests/accepted", &json!(3));
    assert_eq!(found["callbacks"], held, "{found}");
    assert_eq!(found["latency_ms"]["p50"], Value::Null, "no answer yet");
    open.change(|open| *open = true);
    let ended = json!({"delivered": 3, "pending": 0, "dead": 0});
    let found = until(&house.botgate, "well", "/callbacks", &ended);
    assert_eq!(found["tokens"], json!({"input": 9, "output": 6}));
    assert!(found["latency_ms"]["p99"].is_f64(), "{found}");
    assert_eq!(found["series"][0]["callbacks"]["pending"], Value::Null);
    let dead = json!({"delivered": 0, "pending": 0, "dead": 1});
    until(&house.botgate, "gone", "/callbacks", &dead);
    // Taken up again it is both.
    *house.back.lock() = true;
    let retry = format!("/api/deliveries/{}/retry", house.only("gone"));
    read(&house.ask("POST", &retry), 200);
    let both = json!({"delivered": 1, "pending": 0, "dead": 1});
    until(&house.botgate, "gone", "/callbacks", &both);
    // What a bot reports is acknowledged at once, and its event is delivered.
    house.report();
    let told = json!({"delivered": 1, "pending": 0, "dead": 0});
    until(&house.botgate, "reporter", "/callbacks", &told);
    let accepted = json!({"accepted": 1, "refused": {}});
    let found = until(&house.botgate, "reporter", "/requests", &accepted);
    assert!(found["latency_ms"]["p50"].is_f64(), "{found}");
}
