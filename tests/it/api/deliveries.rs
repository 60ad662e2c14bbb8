//! Lists, one delivery whole, and dead ones that are taken up again.

use super::{House, read};
use crate::harness::{Backend, Monitor, TIMEOUT, ai};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

#[test]
fn lists_are_filtered_and_paged_and_contain_no_message_texts() {
    let house = House::new();
    for nth in 0..5 {
        house.message("well", &format!("hush {nth}"));
    }
    house.until("delivered", 5.0);
    house.message("gone", "hush");
    house.until("dead", 1.0);
    let counts = [
        ("", 6),
        ("?status=delivered", 5),
        ("?status=dead", 1),
        ("?status=accepted", 0),
        ("?bot=well", 5),
        ("?bot=gone&status=delivered", 0),
        ("?bot=nobody", 0),
        // A filter that is left empty is none.
        ("?status=&bot=&cursor=&limit=", 6),
    ];
    for (query, count) in counts {
        assert_eq!(house.list(query).len(), count, "{query}");
    }
    let all = house.list("");
    assert_eq!(all[0]["bot"], "gone", "the newest is the first");
    assert_eq!(all[0]["status"], "dead");
    assert_eq!(all[0]["receiver"], "bots.gone.callback");
    assert!(all[0]["reason"].as_str().unwrap().contains("410"));
    assert_eq!(all[1]["reason"], Value::Null);
    let times: Vec<_> = all.iter().map(|item| item["accepted_at"].as_str()).collect();
    assert!(times.is_sorted_by(|newer, older| newer >= older), "{times:?}");
    let page = house.ask("GET", "/api/deliveries");
    assert!(!String::from_utf8_lossy(&page.body).contains("hush"));

    let (mut ids, mut query) = (BTreeSet::new(), "?limit=2".to_owned());
    let mut pages = 0;
    loop {
        let page = house.get(&format!("/api/deliveries{query}"));
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        for item in items {
            assert!(ids.insert(item["id"].to_string()), "twice: {item}");
        }
        pages += 1;
        match page["next"].as_str() {
            Some(next) => query = format!("?limit=2&cursor={next}"),
            None => break,
        }
    }
    assert_eq!((ids.len(), pages), (6, 3));
}

#[test]
fn one_is_shown_with_its_attempts_and_what_is_delivered_only_where_that_is_asked_for() {
    let house = House::new();
    house.message("gone", "hush");
    house.until("dead", 1.0);
    let id = house.only("gone");
    let shown = house.get(&format!("/api/deliveries/{id}"));
    assert_eq!(shown["status"], "dead");
    assert_eq!(shown["attempts"], 1);
    let tried = &shown["tries"][0];
    assert_eq!((&tried["to"], &tried["status"]), (&"deliver".into(), &410.into()));
    assert_eq!(tried["response"], "what a receiver says");
    assert!(tried["took_us"]["total"].as_u64().unwrap() > 0, "{tried}");
    assert!(tried["took_us"]["first_byte"].as_u64().unwrap() > 0, "{tried}");
    let order = ["accepted_at", "answered_at", "ended_at"].map(|key| shown[key].as_str().unwrap());
    assert!(order.is_sorted(), "{order:?}");
    assert!(order.iter().all(|at| at.len() == 24 && at.ends_with('Z')), "{order:?}");
    assert_eq!(shown.get("body"), None);
    assert!(!shown.to_string().contains("hush"));

    let shown = house.get(&format!("/api/deliveries/{id}?body=1"));
    let seen = house.gone.seen();
    assert_eq!(shown["body"].as_str().unwrap().as_bytes(), seen[0].body);
    assert!(shown["body"].as_str().unwrap().contains("re: hush"));
    assert_eq!(seen[0].header("webhook-id"), [id.as_str()]);
}

#[test]
fn an_attempt_to_have_a_message_answered_has_its_time() {
    const SLOW: Duration = Duration::from_millis(50);
    let ai = Backend::start(|_, connection| {
        connection.closed_within(SLOW);
        connection.answer("400 No", "", b"")
    });
    let house = House::with("410 Gone", ai);
    house.message("well", "hush");
    house.until("dead", 1.0);
    let shown = house.get(&format!("/api/deliveries/{}", house.only("well")));
    let tried = &shown["tries"][0];
    assert_eq!(tried["to"], "answer");
    let took = tried["took_us"].as_object().unwrap();
    for (phase, us) in took {
        let us = u128::from(us.as_u64().unwrap());
        match phase.as_str() {
            "total" => assert!(us >= SLOW.as_micros(), "{tried}"),
            _ => assert_eq!(us, 0, "{phase}: {tried}"),
        }
    }
}

#[test]
fn a_dead_delivery_is_retried_under_its_id() {
    let house = House::new();
    house.message("gone", "hello");
    house.until("dead", 1.0);
    let id = house.only("gone");
    house.back.change(|back| *back = true);
    let shown = read(&house.ask("POST", &format!("/api/deliveries/{id}/retry")), 200);
    assert_eq!(shown["id"], id.as_str());
    assert_ne!(shown["status"], "dead");
    house.until("delivered", 1.0);
    let shown = house.get(&format!("/api/deliveries/{id}"));
    assert_eq!((&shown["attempts"], &shown["reason"]), (&2.into(), &Value::Null));
    let statuses: Vec<_> =
        shown["tries"].as_array().unwrap().iter().map(|it| &it["status"]).collect();
    assert_eq!(statuses, [410, 200]);
    let seen = house.gone.seen();
    assert_eq!(seen[0].header("webhook-id"), seen[1].header("webhook-id"));
    assert_eq!(seen[0].body, seen[1].body);
    let again = house.ask("POST", &format!("/api/deliveries/{id}/retry"));
    let error = read(&again, 409);
    assert_eq!(error["code"], "conflict");
    assert!(error["error"].as_str().unwrap().contains("not dead"), "{error}");
}

#[test]
fn a_delivery_without_attempts_left_gets_one_more_for_each_retry() {
    let house = House::with("500 No", ai::echo());
    house.message("gone", "hello");
    house.until("dead", 1.0);
    let id = house.only("gone");
    let target = format!("/api/deliveries/{id}/retry");
    for attempts in [2, 3] {
        read(&house.ask("POST", &target), 200);
        house.until("dead", 1.0);
        let shown = house.get(&format!("/api/deliveries/{id}"));
        assert_eq!(shown["attempts"], attempts);
        assert_eq!(house.gone.count(), attempts);
    }
    house.back.change(|back| *back = true);
    read(&house.ask("POST", &target), 200);
    house.until("delivered", 1.0);
}

#[test]
fn a_message_that_no_ai_answered_is_answered_when_it_is_retried() {
    let well = Monitor::new(false);
    let is_well = well.clone();
    let ai = Backend::start(move |seen, connection| {
        if *is_well.lock() {
            return ai::echoed(seen, connection);
        }
        connection.answer("400 Bad Request", "", b"{}")
    });
    let house = House::with("410 Gone", ai);
    house.message("well", "hello");
    house.until("dead", 1.0);
    let id = house.only("well");
    let shown = house.get(&format!("/api/deliveries/{id}?body=1"));
    assert_eq!(shown["tries"][0]["to"], "answer");
    assert_eq!(shown["answered_at"], Value::Null);
    assert_eq!(shown.get("body"), Some(&Value::Null), "there is no answer yet");
    well.change(|well| *well = true);
    read(&house.ask("POST", &format!("/api/deliveries/{id}/retry")), 200);
    house.until("delivered", 1.0);
    let shown = house.get(&format!("/api/deliveries/{id}?body=1"));
    assert!(shown["body"].as_str().unwrap().contains("re: hello"));
}

#[test]
fn all_dead_deliveries_are_retried_a_hundred_at_a_time() {
    let house = House::new();
    for nth in 0..130 {
        house.message("gone", &format!("m{nth}"));
    }
    house.message("well", "hello");
    house.until("dead", 130.0);
    house.back.change(|back| *back = true);
    let none = read(&house.ask("POST", "/api/deliveries/retry?status=dead&bot=well"), 200);
    assert_eq!((&none["retried"], &none["next"]), (&0.into(), &Value::Null));
    let first = read(&house.ask("POST", "/api/deliveries/retry?status=dead&bot=gone"), 200);
    assert_eq!(first["retried"], 100);
    let cursor = first["next"].as_str().unwrap();
    let target = format!("/api/deliveries/retry?status=dead&bot=gone&cursor={cursor}");
    let second = read(&house.ask("POST", &target), 200);
    assert_eq!((&second["retried"], &second["next"]), (&30.into(), &Value::Null));
    house.until("delivered", 131.0);
    assert_eq!(house.list("?status=dead").len(), 0);
    assert_eq!(house.gone.count(), 260);
}

#[test]
fn bots_are_listed_and_after_a_reload_anew() {
    let house = House::new();
    let bots = house.get("/api/bots");
    let memo = &bots["items"].as_array().unwrap().iter().find(|bot| bot["id"] == "memo").unwrap();
    assert_eq!(memo["name"], "Memo");
    assert_eq!(memo["dialect"], "aerostack");
    assert_eq!(memo["path"], "/api/bots/webhook/custom/memo");
    assert_eq!(memo["upstreams"][0], "ai");
    let more = "[bots.\"tenant_*\"]\ndialect = \"aerostack\"\nupstream = \"ai\"\nverify = { secrets = [{ derive = \"a master of thirty-two characters\" }] }\n";
    std::fs::write(house.botgate.file(), format!("{}{more}", house.text)).unwrap();
    house.botgate.signal(rustix::process::Signal::HUP);
    let end = Instant::now() + TIMEOUT;
    let listed = || {
        let bots = house.get("/api/bots");
        let mut items = bots["items"].as_array().unwrap().iter();
        items.any(|bot| bot["id"] == "tenant_*")
    };
    while !listed() {
        assert!(Instant::now() < end, "the new bot is not listed");
    }
}
