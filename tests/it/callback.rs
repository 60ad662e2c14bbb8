//! What receivers are sent: heads to the byte, signatures as the official libraries check them, bodies as JavaScript writes them.

mod bodies;

use crate::harness::peer;
use botgate::config;
use botgate::proxy::bot::receiver::{Attempt, Receiver};
use botgate::server::receivers;
use botgate::signature::UnixTime;
use bytes::Bytes;
use serde_json::{Value, json};
use std::path::Path;
use std::time::SystemTime;

/// Secrets of 24 and 32 bytes, as Standard Webhooks writes them.
const NEW: &str = "whsec_EBESExQVFhcYGRobHB0eHyAhIiMkJSYn";
const OLD: &str = "whsec_WmaUR6+TmBlR7+AGD6CWjuSvthsuPRCh3kx8dgSr/+4=";

/// The receivers of bots with these callbacks, each an aerostack bot, and then of whatever else is written.
fn resolved(callbacks: &[&str], more: &str) -> Vec<Receiver> {
    let mut text = "[upstreams.ai]\nkind = \"custom\"\nurl = \"http://127.0.0.1:1\"\n".to_owned();
    for (index, callback) in callbacks.iter().enumerate() {
        text += &format!(
            "[bots.b{index}]\ndialect = \"aerostack\"\nupstream = \"ai\"\nverify = {{ preset = \"none\" }}\n\
             reply = {{ mode = \"callback\" }}\ncallback = {{ url = \"http://127.0.0.1:9/in\", {callback} }}\n"
        );
    }
    let (settings, _) = config::parse(&(text + more), Path::new("botgate.toml"), &|_| None)
        .unwrap_or_else(|report| panic!("{}", report.human(false)));
    receivers(&settings).unwrap()
}

fn written(receiver: &Receiver, bot: &str, now: UnixTime, body: &Bytes) -> String {
    let attempt = Attempt { bot, id: "0193a0b1", now, body };
    let mut out = Vec::new();
    receiver.write(&attempt, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_request_is_written_to_the_byte() {
    let butler = |callback: &str, secret: &str, name: &str| {
        format!(
            "[bots.\"{name}\"]\ndialect = \"aibutler\"\npath = \"/{{bot}}/{}\"\nupstream = \"ai\"\n\
             verify = {{ secrets = [{secret}] }}\ncallback = {{ url = \"http://127.0.0.1:9\", {callback} }}\n",
            name.trim_end_matches('*')
        )
    };
    let master = "{ derive = \"a-master-of-at-least-32-bytes-here\" }";
    let more = [
        butler("timeout = \"1s\"", "\"the-vaults-secret\", \"old\"", "one"),
        butler("auth = \"basic\"", "\"the-vaults-secret\"", "two"),
        butler("auth = { basic = \"p\" }", "\"s\"", "three"),
        butler("auth = \"none\"", "\"s\"", "four"),
        butler("allow = []", master, "five*"),
    ]
    .concat();
    let callbacks = [
        "sign = { secret = \"secret\" }",
        "sign = { secrets = [\"secret\", \" older\\n\"] }",
        "sign = { scheme = \"none\" }, headers = { \"X-Custom-Header\" = \" v \", User-Agent = \"Acme\" }",
        "auth = { bearer = \"t\" }",
        "auth = { basic = \"user:pass:word\" }",
    ];
    let body = Bytes::from_static(b"{\"a\":1}");
    let now = UnixTime::from_millis(1_705_314_600_999);
    let receivers = resolved(&callbacks, &more);
    let names: Vec<_> = receivers.iter().map(|receiver| &*receiver.name).collect();
    assert_eq!(names[..2], ["bots.b0.callback", "bots.b1.callback"]);
    assert_eq!(names[9], "bots.five*.callback");
    let agent = concat!("user-agent: botgate/", env!("CARGO_PKG_VERSION"));
    let own = "X-Custom-Header: v";
    let hmac = "x-webhook-signature: sha256=HMAC(secret)";
    let rotated = "x-webhook-signature: sha256=HMAC(secret),sha256=HMAC(older)";
    let fields: [&[&str]; 10] = [
        &[agent, "ID", hmac],
        &[agent, "ID", rotated],
        &["User-Agent: Acme", own, "ID"],
        &[agent, "authorization: Bearer t", "ID"],
        &[agent, "authorization: Basic dXNlcjpwYXNzOndvcmQ=", "ID"],
        &[agent, "ID", "authorization: Bearer the-vaults-secret"],
        &[agent, "ID", "authorization: Basic YWlidXRsZXI6dGhlLXZhdWx0cy1zZWNyZXQ="],
        &[agent, "authorization: Basic YWlidXRsZXI6cA==", "ID"],
        &[agent, "ID"],
        &[agent, "ID", "authorization: Bearer DERIVED"],
    ];
    for (receiver, fields) in receivers.iter().zip(fields) {
        let path = if receiver.name.starts_with("bots.b") { "/in" } else { "/" };
        let head = format!(
            "POST {path} HTTP/1.1\nhost: 127.0.0.1:9\ncontent-type: application/json\n{}\ncontent-length: 7\n\n",
            fields.join("\n")
        );
        let hmac = |key: &str| {
            let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key.as_bytes());
            hex::encode(ring::hmac::sign(&key, &body))
        };
        let derived = {
            let key = b"a-master-of-at-least-32-bytes-here";
            let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key);
            hex::encode(ring::hmac::sign(&key, b"botgate/v1/five_1"))
        };
        let head = head
            .replace("ID", "webhook-id: 0193a0b1\nx-webhook-timestamp: 2024-01-15T10:30:00Z")
            .replace("HMAC(secret)", &hmac("secret"))
            .replace("HMAC(older)", &hmac("older"))
            .replace("DERIVED", &derived)
            .replace('\n', "\r\n");
        let found = written(receiver, "five_1", now, &body);
        assert_eq!(found, format!("{head}{{\"a\":1}}"), "{}", receiver.name);
        assert!(!format!("{receiver:?}").contains("vaults"), "{receiver:?}");
    }
}

#[test]
fn an_attempt_has_its_own_time_and_the_deliverys_id() {
    let callbacks = [format!("sign = {{ scheme = \"standard-webhooks\", secret = \"{NEW}\" }}")];
    let callbacks: Vec<_> = callbacks.iter().map(String::as_str).collect();
    let receivers = resolved(&callbacks, "");
    let body = Bytes::from_static(b"{}");
    let [first, second] = [1_740_830_400, 1_740_830_430]
        .map(|seconds| written(&receivers[0], "b0", UnixTime::from_seconds(seconds), &body));
    for (text, time) in [(&first, "1740830400"), (&second, "1740830430")] {
        assert!(text.contains("\r\nwebhook-id: 0193a0b1\r\n"), "{text}");
        assert!(text.contains(&format!("\r\nwebhook-timestamp: {time}\r\n")), "{text}");
        assert!(!text.contains("x-webhook"), "{text}");
    }
    let signature = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("webhook-signature: v1,"));
        line.map(str::to_owned).unwrap()
    };
    assert_ne!(signature(&first), signature(&second));
}

/// Two vectors that the `standardwebhooks` package 1.1.0 gave; the second has the new secret and the old one.
#[test]
fn standard_webhooks_are_signed_as_their_own_library_signs_them() {
    let cases = [
        (
            format!("secret = \"{NEW}\""),
            ("msg_relay_0001", 1_740_830_400),
            r#"{"type":"message.created","timestamp":"2025-03-01T12:00:00Z","data":{"bot":"b_1","text":"hello"}}"#,
            "v1,qKOxGjxNTsIvm64NVNak752IZszIzf0FYJzzvEFKElY=",
        ),
        (
            "secrets = [\"whsec_rjVDCW3anwE3el/IIlRCIxjCpZgW4bsuosipw0hBKqdLgDu3eC21O/jeHMOttAHm9jzCRieYtd1Lxi10ZYsImQ==\", \"nZ/UTeDT+HFsnwgXTKWgAydqU7lAkFoScS69xnxxFpE=\"]".to_owned(),
            ("msg_relay_0003", 1_740_830_520),
            r#"{"type":"reply.ready","timestamp":"2025-03-01T12:02:00Z","data":{}}"#,
            "v1,9C+Vua9cx1TjWOmIiJwJ6fLdMu1cqh6JiKUCbrkHGCw= v1,5cRMsGm0vEdm23hLaQW9UPJLfbJ4HXgxiTOFRHwkfJU=",
        ),
    ];
    for (secrets, (id, seconds), body, signature) in cases {
        let callback = format!("sign = {{ scheme = \"standard-webhooks\", {secrets} }}");
        let attempt = Attempt {
            bot: "b0",
            id,
            now: UnixTime::from_seconds(seconds),
            body: &Bytes::from_static(body.as_bytes()),
        };
        let mut out = Vec::new();
        resolved(&[&callback], "")[0].write(&attempt, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let signed = format!("\r\nwebhook-signature: {signature}\r\n");
        assert!(text.contains(&signed), "{text}");
    }
}

/// Requests of every dialect with hostile texts, by every way of signing: one JSON value a line.
fn requests() -> String {
    let rotation =
        format!("sign = {{ scheme = \"standard-webhooks\", secrets = [\"{NEW}\", \"{OLD}\"] }}");
    let one = format!("sign = {{ scheme = \"standard-webhooks\", secret = \"{NEW}\" }}");
    let ways: [(&str, &[&str], &str); 4] = [
        ("standard", &[NEW], &one),
        ("standard", &[NEW, OLD], &rotation),
        ("hmac", &["whsec_not base64 ü"], "sign = { secret = \"whsec_not base64 ü\" }"),
        ("hmac", &["new", "old"], "sign = { secrets = [\"new\", \"old\"] }"),
    ];
    let receivers = resolved(&ways.map(|(_, _, callback)| callback), "");
    let now = UnixTime::from(SystemTime::now());
    let mut lines = String::new();
    for (body, about) in bodies::all() {
        let body = Bytes::from(body);
        for ((scheme, secrets, _), receiver) in ways.iter().zip(&receivers) {
            let request = written(receiver, "b", now, &body);
            let line =
                json!({ "scheme": scheme, "secrets": secrets, "about": about, "request": request });
            lines.push_str(&format!("{line}\n"));
        }
    }
    lines
}

/// What a peer counted: requests, and how often each of its checks passed.
#[track_caller]
fn counted(program: &str) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("requests.jsonl");
    std::fs::write(&file, requests()).unwrap();
    let [counted] = &peer::values(program, &[file.to_str().unwrap()])[..] else {
        panic!("not one line");
    };
    counted.clone()
}

#[test]
fn the_official_libraries_for_python_verify_what_is_sent() {
    let counted = counted("receiver.py");
    let requests = counted["requests"].as_u64().unwrap();
    assert!(requests >= 2000, "{counted}");
    // Two ways of the four are Standard Webhooks', with three secrets in all.
    let checks = requests / 4 * 3;
    assert_eq!(counted["standardwebhooks"], checks, "{counted}");
    assert_eq!(counted["svix"], checks, "{counted}");
    assert_eq!(counted["refused"], checks * 3, "{counted}");
}

#[test]
fn javascript_receivers_verify_what_is_sent() {
    let counted = counted("receiver.mjs");
    let requests = counted["requests"].as_u64().unwrap();
    assert!(requests >= 2000, "{counted}");
    let checks = requests / 4 * 3;
    assert_eq!(counted["standardwebhooks"], checks, "{counted}");
    assert_eq!(counted["svix"], checks, "{counted}");
    assert_eq!(counted["refused"], checks * 3, "{counted}");
    // FourthChat's own receiver signs what it has parsed and written again.
    assert_eq!(counted["fourthchat"], checks, "{counted}");
    assert_eq!(counted["same"], requests, "{counted}");
}
