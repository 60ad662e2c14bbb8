//! A test of where a bot's answers go: what the receiver gets, and what is said where there is none.

use super::{House, post, settled};
use crate::api::{TOKEN, ask, read};
use crate::harness::{Backend, Botgate, ai, backend::Seen};
use ring::hmac;
use serde_json::{Value, json};
use std::sync::Arc;

/// Sends a test and returns what the receiver got of it, which is told by the delivery's id.
#[track_caller]
fn tried(botgate: &Botgate, receiver: &Backend, bot: &str) -> (Value, Arc<Seen>) {
    let answer = post(botgate, bot, "test", 200);
    assert_eq!(answer.as_object().unwrap().len(), 1, "{answer}");
    let id = answer["delivery"].as_str().unwrap().to_owned();
    settled(botgate);
    let seen = receiver.last();
    assert_eq!(seen.header("webhook-id"), [&*id]);
    let shown = ask(botgate, "GET", &format!("/api/deliveries/{id}"), TOKEN);
    let shown = read(&shown, 200);
    assert_eq!(shown["status"], "delivered", "{shown}");
    assert_eq!(shown["bot"], bot);
    (shown, seen)
}

/// That this is the payload of the seed, of now, about this bot.
#[track_caller]
fn is_payload(seen: &Seen, bot: &str, name: &str) {
    let body: Value = serde_json::from_slice(&seen.body).unwrap();
    let at = body["timestamp"].as_str().unwrap();
    let at: jiff::Timestamp = at.parse().unwrap();
    let late = jiff::Timestamp::now().duration_since(at).as_secs();
    assert!((0..60).contains(&late), "{body}");
    let expected = format!(
        r#"{{"test":true,"message":"This is a test webhook from your chatbot!","timestamp":"{at}","connectionId":"{bot}","connectionName":{}}}"#,
        json!(name)
    );
    assert_eq!(String::from_utf8_lossy(&seen.body), expected);
}

#[test]
fn a_receiver_gets_the_payload_of_the_seed_signed_as_any_answer() {
    let house = House::new();
    for (bot, name, receiver) in [
        ("desk", "Front desk", "bots.desk.callback"),
        ("bt_7", "bt_7", "bots.bt_*.callback"),
        ("de_2", "de_2", "bots.de*.callback"),
    ] {
        let (shown, seen) = tried(&house.botgate, &house.receiver, bot);
        is_payload(&seen, bot, name);
        assert_eq!(shown["receiver"], receiver);
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"s");
        let signature = format!("sha256={}", hex::encode(hmac::sign(&key, &seen.body)));
        assert_eq!(seen.header("x-webhook-signature"), [signature]);
    }
    // It costs no AI anything, and a bot that is off can be tried before it is on again.
    assert_eq!(house.ai.count(), 0);
    house.post("desk", "deactivate");
    tried(&house.botgate, &house.receiver, "desk");
}

#[test]
fn a_test_without_a_callback_says_what_to_do() {
    let house = House::new();
    for (bot, status, fix) in [
        ("open", 409, "botgate test open"),
        ("one", 409, "callback"),
        ("bt_*", 400, "whole id"),
        ("nobody", 404, "GET /api/bots"),
    ] {
        let refused = post(&house.botgate, bot, "test", status);
        let sentence = refused["error"].as_str().unwrap();
        assert!(sentence.contains(fix), "{bot}: {refused}");
    }
    settled(&house.botgate);
    assert_eq!(house.receiver.count() + house.subscriber.count(), 0);
}

#[test]
fn the_callback_of_a_bot_that_never_uses_it_is_tried_all_the_same() {
    let (ai, receiver) = (ai::echo(), Backend::ok());
    let state = tempfile::tempdir().unwrap();
    let botgate = Botgate::start(&format!(
        "[server]\nhttp = [\"127.0.0.1:0\"]\n[admin]\nlisten = \"127.0.0.1:0\"\ntoken = \"admin word\"\n\
         [state]\npath = {:?}\n{}[bots.now]\ndialect = \"aerostack\"\nupstream = \"ai\"\nverify = {{ secrets = [\"key\"] }}\n\
         reply = {{ mode = \"sync\" }}\ncallback = {{ url = \"http://{}/in\", sign = {{ scheme = \"none\" }}, allow = [\"127.0.0.0/8\"] }}\n",
        state.path().join("store"),
        ai::upstream("ai", "custom", &format!("http://{}", ai.addr()), ""),
        receiver.addr()
    ));
    let (_, seen) = tried(&botgate, &receiver, "now");
    is_payload(&seen, "now", "now");
}
