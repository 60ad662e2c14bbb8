//! What bots have reported is listed on the admin side, newest first and page by page; a subscriber is tried out from there.

use super::{BOT, acknowledged, config, event, request, wait};
use crate::harness::{Backend, Botgate, Caller, TIMEOUT, caller::Reply};
use serde_json::{Value, json};
use std::time::Instant;

const TOKEN: &str = "Authorization: Bearer admin word\r\n";

/// The same configuration with a token for the admin side.
pub(super) fn guarded(text: &str) -> String {
    text.replace("[admin]\n", "[admin]\ntoken = \"admin word\"\n")
}

fn ask(botgate: &Botgate, method: &str, target: &str, headers: &str) -> Reply {
    let request =
        format!("{method} {target} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n{headers}\r\n");
    Caller::connect(botgate.admin()).call(request.as_bytes())
}

#[track_caller]
fn get(botgate: &Botgate, target: &str) -> Value {
    let reply = ask(botgate, "GET", target, TOKEN);
    assert_eq!(reply.status, 200, "{target}: {reply:?}");
    serde_json::from_slice(&reply.body).unwrap()
}

/// Waits until nothing is to be delivered any more.
#[track_caller]
pub(super) fn settled(botgate: &Botgate) {
    let end = Instant::now() + TIMEOUT;
    for stands in ["accepted", "answered"] {
        let target = format!("/api/deliveries?status={stands}");
        while get(botgate, &target)["items"] != json!([]) {
            assert!(Instant::now() < end, "{stands}");
        }
    }
}

/// All messages, page by page.
#[track_caller]
pub(super) fn all(botgate: &Botgate, filter: &str) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let mut page = get(botgate, &format!("/api/messages?limit=7{filter}{cursor}"));
        let found: Vec<Value> = serde_json::from_value(page["items"].take()).unwrap();
        assert!(found.len() <= 7);
        items.extend(found);
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

#[test]
fn reports_are_listed_newest_first_page_by_page_and_survive_a_restart() {
    let state = tempfile::tempdir().unwrap();
    let text = guarded(&config(state.path(), "", &[]));
    let botgate = Botgate::start(&text);
    assert_eq!(all(&botgate, "").len(), 0);
    for nth in 0..20 {
        let bot = if nth % 4 == 0 { "other" } else { BOT };
        acknowledged(&botgate, bot, "event", &nth.to_string());
    }
    let dated = json!({
        "botId": BOT, "messageType": "message", "content": "\u{2028} </script>",
        "timestamp": "2020-01-01T00:00:00+01:00", "data": {"b": 1.0, "1": "x"},
    });
    assert_eq!(botgate.caller().call(&request(&dated)).status, 200);
    drop(botgate);
    let botgate = Botgate::start(&text);
    let items = all(&botgate, "");
    let contents: Vec<_> = items.iter().skip(1).map(|item| item["content"].clone()).collect();
    let newest: Vec<_> = (0..20).rev().map(|nth| json!(nth.to_string())).collect();
    assert_eq!(contents, newest);
    let mut last = items[0].clone();
    let id = last["id"].take();
    assert!(id.as_str().is_some_and(|id| id.len() == 36));
    let shown = json!({
        "id": null, "botId": BOT, "messageType": "message", "content": "\u{2028} </script>",
        "timestamp": "2019-12-31T23:00:00Z", "data": {"1": "x", "b": 1},
    });
    assert_eq!(last, shown);
    assert!(items[1]["timestamp"].as_str().unwrap().starts_with("20"));
    let others = all(&botgate, "&bot=other");
    assert_eq!(others.len(), 5);
    assert!(others.iter().all(|item| item["botId"] == "other"));
    assert_eq!(all(&botgate, "&bot=nobody").len(), 0);
    for (target, headers, status) in [
        ("/api/messages", "", 401),
        ("/api/messages?limit=101", TOKEN, 400),
        ("/api/messages?cursor=x", TOKEN, 400),
        ("/api/messages?status=dead", TOKEN, 400),
    ] {
        assert_eq!(ask(&botgate, "GET", target, headers).status, status, "{target}");
    }
    let deleted = ask(&botgate, "DELETE", "/api/messages", TOKEN);
    assert_eq!(deleted.status, 405);
}

#[test]
fn a_subscriber_is_tried_out() {
    let (one, two) = (Backend::ok(), Backend::ok());
    let state = tempfile::tempdir().unwrap();
    let picky = "name = \"picky\"\nevents = [\"bot.error\"]\nbots = [\"other\"]";
    let text = guarded(&config(state.path(), "", &[(&one, ""), (&two, picky)]));
    let botgate = Botgate::start(&text);
    for (nth, which) in ["1", "picky"].into_iter().enumerate() {
        let target = format!("/api/subscribers/{which}/test");
        assert_eq!(ask(&botgate, "POST", &target, TOKEN).status, 200);
        wait(&two, nth + 1);
    }
    let reply = ask(&botgate, "POST", "/api/subscribers/1/test", TOKEN);
    assert_eq!(reply.status, 200, "{reply:?}");
    let reply: Value = serde_json::from_slice(&reply.body).unwrap();
    wait(&two, 3);
    let sent = event(&two.last(), "secret 1");
    assert_eq!(sent["id"], reply["delivery"]);
    assert_eq!(sent["type"], "message.received");
    assert_eq!(sent["data"]["agentId"], "botgate-test");
    settled(&botgate);
    assert_eq!(one.count(), 0);
    let delivery = reply["delivery"].as_str().unwrap();
    let shown = get(&botgate, &format!("/api/deliveries/{delivery}"));
    assert_eq!(shown["status"], "delivered");
    assert_eq!(shown["receiver"], "subscribers.picky");
    for (nth, headers, status) in
        [("2", TOKEN, 404), ("subscribers.picky", TOKEN, 404), ("0", "", 401)]
    {
        let target = format!("/api/subscribers/{nth}/test");
        assert_eq!(ask(&botgate, "POST", &target, headers).status, status, "{nth}");
    }
    assert_eq!(all(&botgate, "").len(), 0, "no bot has reported that");
}
