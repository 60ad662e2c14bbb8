//! Somebody asks to be forgotten.

use super::House;
use crate::harness::{Botgate, ai};
use serde_json::{Value, json};

/// How many messages an AI was sent along with the last one.
fn before(house: &House) -> usize {
    ai::texts(&house.ai.last()).len() - 1
}

fn say(house: &House, user: &str, channel: &str) {
    let body = json!({"text": "hello", "user_id": user, "channel_id": channel});
    let request = ai::post("/api/bots/webhook/custom/memo", "", &body);
    ai::said(&house.botgate.caller().call(&request));
}

#[test]
fn a_deleted_user_is_gone_everywhere_and_for_good() {
    let mut house = House::new();
    for (user, channel) in [("ann", "a"), ("ann", "a"), ("ann", "b"), ("bob", "a")] {
        say(&house, user, channel);
    }
    say(&house, "ann", "a");
    assert_eq!(before(&house), 4, "it remembers");
    let forgot = |house: &House, query: &str| -> Value {
        super::read(&house.ask("DELETE", &format!("/api/conversations{query}")), 200)
    };
    let none = json!({"conversations": 0, "deliveries": 0, "messages": 0, "more": false});
    assert_eq!(forgot(&house, "?bot=other&user=ann"), none);
    assert_eq!(forgot(&house, "?bot=memo&user=an"), none);
    let both = json!({"conversations": 2, "deliveries": 0, "messages": 0, "more": false});
    assert_eq!(forgot(&house, "?bot=memo&user=ann"), both);
    // What was said 200 to is on disk: a kill takes nothing of it back.
    house.botgate.signal(rustix::process::Signal::KILL);
    house.botgate.exit();
    let text = house.text.clone();
    house.botgate = Botgate::start(&text);
    for (user, channel, expected) in [("ann", "a", 0), ("ann", "b", 0), ("bob", "a", 2)] {
        say(&house, user, channel);
        assert_eq!(before(&house), expected, "{user} in {channel}");
    }
    assert_eq!(forgot(&house, "?bot=memo&user=ann"), both, "what came later, too");
}

#[test]
fn deliveries_and_reports_of_who_asks_are_forgotten_too() {
    let house = House::new();
    let forgot = |bot: &str, user: &str| -> Value {
        let target = format!("/api/conversations?bot={bot}&user={user}");
        super::read(&house.ask("DELETE", &target), 200)
    };
    house.message("well", "my secret");
    house.message("gone", "my secret");
    for user in ["ann", "bob"] {
        let body = json!({
            "botId": "reporter", "messageType": "message", "content": "my secret", "data": {"userId": user},
        });
        let report = ai::post("/api/webhook/incoming", "", &body);
        assert_eq!(house.botgate.caller().call(&report).status, 200);
    }
    house.until("delivered", 3.0);
    house.until("dead", 1.0);
    assert_eq!(forgot("well", "bob")["deliveries"], 0);
    let all = json!({"conversations": 1, "deliveries": 1, "messages": 0, "more": false});
    for bot in ["well", "gone"] {
        let id = house.only(bot);
        assert_eq!(forgot(bot, "ann"), all, "{bot}");
        let shown = house.ask("GET", &format!("/api/deliveries/{id}"));
        assert_eq!(shown.status, 404);
    }
    let told = json!({"conversations": 0, "deliveries": 1, "messages": 1, "more": false});
    assert_eq!(forgot("reporter", "ann"), told);
    let left = house.get("/api/messages");
    let left = left["items"].as_array().unwrap();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0]["data"]["userId"], "bob");
    assert_eq!(house.list("").len(), 1);
}
