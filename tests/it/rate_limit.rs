//! Limits from outside: exactly the burst is admitted, the headers say what is left, and the unproven cost nothing.

use crate::harness::{BEARER, Backend, Botgate, Caller, HMAC, config, get, post, sign};
use std::thread;

const RIGHT: &str = "Authorization: Bearer right\r\n";

#[test]
fn exactly_the_burst_is_admitted_whoever_asks_at_once() {
    let backend = Backend::ok();
    let bot = format!("{BEARER}\nlimit = {{ rate = \"1/h\", burst = 50 }}");
    let botgate = Botgate::start(&config(backend.addr(), "", "", &bot));
    let addr = botgate.http();
    let callers = (0..4).map(|_| {
        thread::spawn(move || {
            let mut caller = Caller::connect(addr);
            (0..30).map(|_| caller.call(&get("/hook", RIGHT)).status).collect::<Vec<_>>()
        })
    });
    let callers: Vec<_> = callers.collect();
    let all: Vec<_> = callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect();
    assert_eq!(all.iter().filter(|&&status| status == 200).count(), 50);
    assert_eq!(all.iter().filter(|&&status| status == 429).count(), 70);
    assert_eq!(backend.count(), 50);
}

#[test]
fn the_headers_say_the_policy_what_is_left_and_when_to_come_back() {
    let backend = Backend::ok();
    let bot = format!("{BEARER}\nlimit = {{ rate = \"1/h\", burst = 2 }}");
    let botgate = Botgate::start(&config(backend.addr(), "", "", &bot));
    let mut caller = botgate.caller();
    for left in ["1", "0"] {
        let reply = caller.call(&get("/hook", RIGHT));
        assert_eq!(reply.status, 200);
        let limit = reply.header("ratelimit").unwrap();
        assert!(limit.contains(&format!(";r={left}")), "{limit}");
    }
    let reply = caller.call(&get("/hook", RIGHT));
    assert_eq!((reply.status, reply.code().as_str()), (429, "rate_limit"));
    let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((3_000..=3_600).contains(&wait), "one token an hour, in whole seconds: {wait}");
    let policy = reply.header("ratelimit-policy").unwrap();
    assert!(policy.contains(";q=") && policy.contains(";w="), "{policy}");
    assert!(reply.header("ratelimit").unwrap().contains(";r=0"));
    // No limit header on what is refused before the limit: it would tell strangers how busy the bot is.
    assert_eq!(caller.call(&get("/hook", "")).header("ratelimit"), None);
}

#[test]
fn a_flood_of_bad_signatures_costs_the_right_caller_nothing() {
    let backend = Backend::ok();
    let bot = format!("{HMAC}\nlimit = {{ rate = \"1/h\", burst = 3 }}\nduplicates = \"off\"");
    let botgate = Botgate::start(&config(backend.addr(), "", "", &bot));
    let mut caller = botgate.caller();
    let wrong = post(&format!("X-Webhook-Signature: {}\r\n", sign(b"another")), b"hello");
    let keys = botgate.metric("botgate_limit_keys");
    for _ in 0..500 {
        assert_eq!(caller.call(&wrong).status, 401);
    }
    assert_eq!(botgate.metric("botgate_limit_keys"), keys, "a refused caller makes no key");
    let right = post(&format!("X-Webhook-Signature: {}\r\n", sign(b"hello")), b"hello");
    for status in [200, 200, 200, 429] {
        assert_eq!(caller.call(&right).status, status);
    }
}

#[test]
fn each_key_has_a_bucket_of_its_own() {
    let backend = Backend::ok();
    let cases = [
        ("header:X-Team", "X-Team: a\r\n", "", "X-Team: b\r\n", ""),
        ("json:/team_id", "", "{\"team_id\":\"a\"}", "", "{\"team_id\":\"b\"}"),
    ];
    for (key, header_a, body_a, header_b, body_b) in cases {
        let bot = format!("{BEARER}\nlimit = {{ rate = \"1/h\", burst = 2, key = \"{key}\" }}");
        let botgate = Botgate::start(&config(backend.addr(), "", "", &bot));
        let mut caller = botgate.caller();
        let mut call = |header: &str, body: &str| {
            caller.call(&post(&format!("{RIGHT}{header}"), body.as_bytes())).status
        };
        assert_eq!(
            [call(header_a, body_a), call(header_a, body_a), call(header_a, body_a)],
            [200, 200, 429],
            "{key}"
        );
        assert_eq!(
            [call(header_b, body_b), call(header_b, body_b), call(header_b, body_b)],
            [200, 200, 429],
            "{key}"
        );
    }
}

#[test]
fn the_peer_is_the_rightmost_address_that_is_not_trusted() {
    let backend = Backend::ok();
    let bot = format!("{BEARER}\nlimit = {{ rate = \"1/h\", burst = 1, key = \"peer\" }}");
    let botgate =
        Botgate::start(&config(backend.addr(), "trusted_proxies = [\"127.0.0.0/8\"]", "", &bot));
    let mut caller = botgate.caller();
    let mut call = |from: &str| {
        caller.call(&get("/hook", &format!("{RIGHT}X-Forwarded-For: {from}\r\n"))).status
    };
    assert_eq!(call("203.0.113.1"), 200);
    assert_eq!(call("203.0.113.1"), 429);
    // What stands further left is the caller's own claim.
    assert_eq!(call("198.51.100.9, 203.0.113.1"), 429);
    assert_eq!(call("203.0.113.1, 127.0.0.9"), 429);
    assert_eq!(call("203.0.113.2"), 200);

    let strict = Botgate::start(&config(backend.addr(), "", "", &bot));
    let mut caller = strict.caller();
    let mut call = |from: &str| {
        caller.call(&get("/hook", &format!("{RIGHT}X-Forwarded-For: {from}\r\n"))).status
    };
    assert_eq!(
        [call("203.0.113.1"), call("203.0.113.2")],
        [200, 429],
        "nobody is trusted: the socket's address counts"
    );
}

#[test]
fn every_rule_must_admit_and_a_refusal_gives_back_what_the_others_took() {
    let backend = Backend::ok();
    let rules =
        "[{ rate = \"1/h\", burst = 4 }, { rate = \"1/h\", burst = 1, key = \"header:X-Team\" }]";
    let botgate =
        Botgate::start(&config(backend.addr(), "", "", &format!("{BEARER}\nlimit = {rules}")));
    let mut caller = botgate.caller();
    let mut call =
        |team: &str| caller.call(&get("/hook", &format!("{RIGHT}X-Team: {team}\r\n"))).status;
    assert_eq!(call("a"), 200);
    // Refused by the second rule: were the first to keep its token, the bot's four would be gone.
    assert_eq!([call("a"), call("a"), call("a"), call("a")], [429; 4]);
    assert_eq!([call("b"), call("c"), call("d"), call("e")], [200, 200, 200, 429]);
}

#[test]
fn the_servers_limit_is_for_bots_that_have_none() {
    let backend = Backend::ok();
    let own = format!(
        "{BEARER}\n[bots.own]\ndialect = \"raw\"\npath = \"/own\"\nupstream = \"back\"\n{BEARER}\nlimit = {{ rate = \"1/h\", burst = 2 }}"
    );
    let botgate =
        Botgate::start(&config(backend.addr(), "limit = { rate = \"1/h\", burst = 1 }", "", &own));
    let mut caller = botgate.caller();
    let mut call = |path: &str| caller.call(&get(path, RIGHT)).status;
    assert_eq!([call("/hook"), call("/hook")], [200, 429]);
    assert_eq!([call("/own"), call("/own"), call("/own")], [200, 200, 429]);
}
