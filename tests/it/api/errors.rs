//! Who is not let in, and what makes no sense.

use super::description::{description, valid};
use super::{House, TOKEN, ask, read};
use crate::harness::{Botgate, Caller, get};
use serde_json::Value;

const ID: &str = "0197a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";

/// What may be asked: method and target.
fn all() -> Vec<(&'static str, String)> {
    vec![
        ("GET", "/api/openapi.json".to_owned()),
        ("GET", "/api/bots".to_owned()),
        ("GET", "/api/bots/memo/analytics".to_owned()),
        ("POST", "/api/bots/memo/activate".to_owned()),
        ("POST", "/api/bots/memo/deactivate".to_owned()),
        ("POST", "/api/bots/well/test".to_owned()),
        ("GET", "/api/deliveries".to_owned()),
        ("GET", format!("/api/deliveries/{ID}")),
        ("POST", format!("/api/deliveries/{ID}/retry")),
        ("POST", "/api/deliveries/retry?status=dead".to_owned()),
        ("DELETE", "/api/conversations?bot=memo&user=ann".to_owned()),
    ]
}

#[test]
fn without_the_token_nobody_is_let_in() {
    let house = House::new();
    let line = house.botgate.line("the probes' address", |line| line["listener"] == "probes");
    let probes = line["addr"].as_str().unwrap().parse().unwrap();
    for (method, target) in all() {
        for headers in ["", "Authorization: Bearer wrong\r\n", "Authorization: admin word\r\n"] {
            let reply = ask(&house.botgate, method, &target, headers);
            assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
            assert_eq!(read(&reply, 401)["code"], "unauthorized", "{method} {target}");
        }
        let request =
            format!("{method} {target} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n{TOKEN}\r\n");
        let other = Caller::connect(probes).call(request.as_bytes()).status;
        assert!([404, 405].contains(&other), "{method} {target} at the probes: {other}");
        let public = house.botgate.caller().call(request.as_bytes()).status;
        assert_eq!(public, 404, "{method} {target} in public");
    }
}

#[test]
fn without_a_token_in_the_configuration_the_api_is_closed() {
    let house = House::new();
    let text = house.text.replace("token = \"admin word\"\n", "");
    let state = tempfile::tempdir().unwrap();
    let text = text.replace("[state]\npath = ", &format!("[state]\npath = {:?} #", state.path()));
    let botgate = Botgate::start(&text);
    for (method, target) in all() {
        for headers in ["", TOKEN] {
            let error = read(&ask(&botgate, method, &target, headers), 403);
            assert_eq!(error["code"], "forbidden");
            let fix = "token = \"${env:BOTGATE_ADMIN_TOKEN}\"";
            assert!(error["error"].as_str().unwrap().contains(fix), "{error}");
        }
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        let reply = Caller::connect(botgate.admin()).call(&get(path, ""));
        assert_eq!(reply.status, 200, "{path}");
    }
}

#[test]
fn invalid_requests_are_refused_with_the_fix() {
    let house = House::new();
    let long = format!("/api/deliveries?bot={}", "b".repeat(5000));
    let cases = [
        ("GET", "/api/deliveries?state=dead", 400, "status, bot, cursor, limit"),
        ("GET", "/api/deliveries?status=gone", 400, "accepted, answered, delivered, dead"),
        ("GET", "/api/deliveries?status=dead&status=dead", 400, "stands twice"),
        ("GET", "/api/deliveries?cursor=12", 400, "\"next\""),
        ("GET", "/api/deliveries?limit=0", 400, "from 1 to 100"),
        ("GET", "/api/deliveries?limit=101", 400, "from 1 to 100"),
        ("GET", "/api/deliveries?limit=-1", 400, "from 1 to 100"),
        ("GET", &long, 400, "4096"),
        ("GET", "/api/deliveries/12", 404, "no UUID"),
        ("GET", &format!("/api/deliveries/{ID}"), 404, ID),
        ("GET", &format!("/api/deliveries/{ID}?body=yes"), 400, "1 or 0"),
        ("GET", "/api/bots?x", 400, "none is known here"),
        ("GET", "/api/bots/nobody/analytics", 404, "/api/bots"),
        ("GET", "/api/bots/memo/analytics?at=1", 400, "from, to"),
        ("GET", "/api/bots/memo/analytics?from=1795003200", 400, "2026-01-15T10:00:00Z"),
        ("GET", "/api/bots/memo/analytics?to=2026-01-15T10:30:00Z", 400, "whole hour"),
        (
            "GET",
            "/api/bots/memo/analytics?from=2026-01-15T10:00:00Z&to=2026-01-15T10:00:00Z",
            400,
            "before to",
        ),
        (
            "GET",
            "/api/bots/memo/analytics?from=2026-01-15T10:00:00Z&to=2026-02-14T12:00:00Z",
            400,
            "722 hours",
        ),
        ("POST", "/api/bots/memo/analytics", 405, "GET, HEAD"),
        ("POST", "/api/bots/nobody/activate", 404, "GET /api/bots"),
        ("POST", "/api/bots/nobody/deactivate", 404, "GET /api/bots"),
        ("POST", "/api/bots/memo*/deactivate", 404, "GET /api/bots"),
        ("POST", "/api/bots/me%6do/deactivate", 404, "GET /api/bots"),
        ("POST", "/api/bots/nobody/test", 404, "GET /api/bots"),
        ("POST", "/api/bots/memo/activate?x=1", 400, "none is known"),
        ("GET", "/api/bots/memo/activate", 405, "POST"),
        ("DELETE", "/api/bots/memo/deactivate", 405, "POST"),
        ("GET", "/api/bots/memo/test", 405, "POST"),
        ("POST", "/api/bots/memo", 404, "openapi.json"),
        ("POST", &format!("/api/deliveries/{ID}/retry"), 404, ID),
        ("POST", "/api/deliveries/retry", 400, "status=dead"),
        ("POST", "/api/deliveries/retry?status=delivered", 400, "status=dead"),
        ("DELETE", "/api/conversations", 400, "bot"),
        ("DELETE", "/api/conversations?bot=memo", 400, "user"),
        ("DELETE", "/api/conversations?bot=memo&user=", 400, "user"),
        ("DELETE", "/api/deliveries", 405, "GET, HEAD"),
        ("POST", &format!("/api/deliveries/{ID}"), 405, "GET, HEAD"),
        ("GET", "/api/deliveries/retry", 405, "POST"),
        ("GET", &format!("/api/deliveries/{ID}/retry"), 405, "POST"),
        ("GET", "/api/conversations?bot=memo&user=ann", 405, "DELETE"),
        ("GET", "/api/", 404, "openapi.json"),
        ("GET", "/api/nothing", 404, "openapi.json"),
        ("GET", &format!("/api/deliveries/{ID}/retry/x"), 404, "openapi.json"),
    ];
    for (method, target, status, fix) in cases {
        let reply = house.ask(method, target);
        if status == 405 {
            assert_eq!(reply.header("allow"), Some(fix), "{method} {target}");
        }
        let error = read(&reply, status);
        let code = match status {
            400 => "invalid_request",
            404 => "not_found",
            _ => "method_not_allowed",
        };
        assert_eq!(error["code"], code, "{method} {target}");
        let text = error["error"].as_str().unwrap();
        assert!(text.contains(fix), "{method} {target}: {text}");
        assert_ne!(error["error"], Value::Null);
    }
}

#[test]
fn what_is_always_refused_is_not_described_as_right() {
    let house = House::new();
    let description = description();
    let cases = [
        ("/api/conversations", "delete", "bot", "", "/api/conversations?user=a&bot="),
        ("/api/conversations", "delete", "user", "", "/api/conversations?bot=memo&user="),
        (
            "/api/bots/{id}/analytics",
            "get",
            "from",
            "2026-01-15T10:30:00Z",
            "/api/bots/memo/analytics?from=2026-01-15T10:30:00Z",
        ),
        (
            "/api/bots/{id}/analytics",
            "get",
            "to",
            "2026-01-15T10:00:01Z",
            "/api/bots/memo/analytics?to=2026-01-15T10:00:01Z",
        ),
        ("/api/bots/{id}/test", "post", "id", "memo_*", "/api/bots/memo_*/test"),
    ];
    for (path, method, name, value, target) in cases {
        let status = house.ask(&method.to_uppercase(), target).status;
        assert!((400..500).contains(&status), "{target}: {status}");
        let all = description["paths"][path][method]["parameters"].as_array().unwrap();
        let of = all.iter().find(|parameter| parameter["name"] == name).unwrap();
        assert!(!valid(&description, &of["schema"], &value.into()), "{path} {name}");
    }
}
