//! Every vector and every handshake through the real binary, at the second in which it was signed.

mod vector;

use crate::harness::{Backend, Botgate, HMAC, caller::Reply, clock::Wall, config, get, post, sign};
use std::collections::{BTreeMap, BTreeSet};
use vector::{Handshake, Vector};

/// Each bot admits ten requests: were a bad signature to cost one, the right ones would be refused after a flood.
const TEN: &str = "limit = { rate = \"1/h\", burst = 10 }\nduplicates = \"off\"";

/// A bot for one vector: its own path, the vector's address as `public_url`.
fn bot(id: &str, scheme: &str, secrets: &[String], token: Option<&str>, url: &str) -> String {
    let secrets = serde_json::to_string(secrets).unwrap();
    // Mailgun signs a token, not the body: a bot must say that it knows.
    let uncovered = if scheme == "mailgun" { ", body_unauthenticated = true" } else { "" };
    let token = token.map_or(String::new(), |token| format!(", verify_token = \"{token}\""));
    format!(
        "\n[bots.{id}]\ndialect = \"raw\"\npath = \"/{id}\"\nupstream = \"back\"\npublic_url = \"{url}\"\n{TEN}\n\
         verify = {{ preset = \"{scheme}\", secrets = {secrets}{token}{uncovered} }}\n"
    )
}

/// Starts a Botgate whose wall clock stands at `now`.
fn start(now: i64, backend: &Backend, bots: &str) -> Botgate {
    let text = config(backend.addr(), "", "", &format!("{HMAC}\n{TEN}\n{bots}"));
    let wall = Wall::at(now);
    Botgate::start_with(&text, |_, command| wall.pin(command))
}

/// Sends one request of the given parts on a connection of its own.
fn call(botgate: &Botgate, request: &vector::Request, path: &str, id: &str) -> Reply {
    let mut text = format!(
        "{} {path}{} HTTP/1.1\r\nHost: {}\r\n",
        request.method, request.query, request.host
    )
    .into_bytes();
    for (name, value) in &request.headers {
        text.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    text.extend_from_slice(
        format!("X-Request-Id: {id}\r\nContent-Length: {}\r\n\r\n", request.body.len()).as_bytes(),
    );
    text.extend_from_slice(&request.body);
    botgate.caller().call(&text)
}

#[test]
fn every_vector_has_the_expected_verdict() {
    let vectors = vector::signatures();
    assert!(vectors.len() >= 97, "only {} vectors", vectors.len());
    let mut times: BTreeMap<i64, Vec<Vector>> = BTreeMap::new();
    for vector in vectors {
        times.entry(vector.now).or_default().push(vector);
    }
    let (mut faults, mut refusals) = (Vec::new(), BTreeSet::new());
    for (now, vectors) in times {
        let backend = Backend::ok();
        let bots: String = vectors
            .iter()
            .map(|vector| {
                bot(&vector.id, &vector.scheme, &vector.secrets, None, &vector.request.public_url)
            })
            .collect();
        let botgate = start(now, &backend, &bots);
        flood(&botgate, &backend);
        for vector in &vectors {
            match judge(vector, &botgate, &backend) {
                Ok(Some(refusal)) => refusals.extend([refusal]),
                Ok(None) => {}
                Err(fault) => faults.push(format!("{} ({}): {fault}", vector.id, vector.why)),
            }
        }
    }
    assert!(faults.is_empty(), "{} vectors are judged wrong:\n{}", faults.len(), faults.join("\n"));
    assert_eq!(refusals.len(), 1, "a refusal tells why: {refusals:#?}");
}

/// A thousand bad signatures from the address from which the right ones will come.
fn flood(botgate: &Botgate, backend: &Backend) {
    let wrong = sign(b"another body");
    let mut caller = botgate.caller();
    for _ in 0..1000 {
        let reply = caller.call(&post(&format!("X-Webhook-Signature: {wrong}\r\n"), b"hello"));
        assert_eq!(reply.status, 401);
    }
    assert_eq!(backend.count(), 0);
    let right = sign(b"hello");
    let reply = caller.call(&post(&format!("X-Webhook-Signature: {right}\r\n"), b"hello"));
    assert_eq!((reply.status, backend.count()), (200, 1), "{reply:?}");
}

/// Sends a vector and compares; gives back the body of a refusal.
fn judge(vector: &Vector, botgate: &Botgate, backend: &Backend) -> Result<Option<String>, String> {
    let before = backend.count();
    let reply = call(botgate, &vector.request, &format!("/{}", vector.id), &vector.id);
    let reached = backend.count() - before;
    if vector.accepted {
        if reply.status != 200 || reached != 1 {
            return Err(format!("refused with {}: {}", reply.status, botgate.access(&vector.id)));
        }
        let seen = backend.last();
        if seen.body != vector.request.body {
            return Err("the body is not the same at the backend".to_owned());
        }
        let query = seen.target().find('?').map_or("", |at| &seen.target()[at..]);
        if query != vector.request.query {
            return Err(format!("the query at the backend is {query:?}"));
        }
        return Ok(None);
    }
    if reply.status != 401 || reached != 0 {
        return Err(format!("answered {} and {reached} requests at the backend", reply.status));
    }
    let line = botgate.access(&vector.id);
    let word = line["signature"].as_str().unwrap_or_default();
    if word.is_empty() || reply.text().contains(word) {
        return Err(format!("the log must say why, the answer must not: {line} {}", reply.text()));
    }
    if reply.headers.iter().any(|(name, value)| name != "x-request-id" && value.contains(word)) {
        return Err(format!("a header says why: {:?}", reply.headers));
    }
    Ok(Some(reply.text()))
}

#[test]
fn every_handshake_is_answered_here() {
    let handshakes = vector::handshakes();
    assert_eq!(handshakes.len(), 5);
    let now = handshakes[0].now;
    assert!(handshakes.iter().all(|handshake| handshake.now == now), "one Botgate serves them all");
    let backend = Backend::ok();
    let bots: String = handshakes
        .iter()
        .map(|Handshake { id, scheme, secret, token, request, .. }| {
            bot(id, scheme, std::slice::from_ref(secret), token.as_deref(), &request.public_url)
        })
        .collect();
    let botgate = start(now, &backend, &bots);
    for handshake in &handshakes {
        let reply =
            call(&botgate, &handshake.request, &format!("/{}", handshake.id), &handshake.id);
        assert_eq!(reply.status, handshake.status, "{}: {reply:?}", handshake.id);
        if let Some(body) = &handshake.body {
            assert_eq!(&reply.text(), body, "{}", handshake.id);
        }
        if reply.status == 204 {
            assert_eq!(reply.body, b"", "{}", handshake.id);
        }
        if let Some(wanted) = &handshake.content_type {
            let got = reply.header("content-type").unwrap();
            assert_eq!(got.split(';').next(), Some(wanted.as_str()), "{}", handshake.id);
            assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{}", handshake.id);
        }
    }
    assert_eq!(backend.count(), 0, "a handshake is no message");
    for wrong in [
        "hub.mode=subscribe&hub.challenge=1&hub.verify_token=wrong",
        "hub.mode=subscribe&hub.challenge=1",
    ] {
        let reply = botgate.caller().call(&get(&format!("/meta-hub-challenge?{wrong}"), ""));
        assert_eq!(reply.status, 403);
    }
}

#[test]
fn every_secret_of_a_rotation_counts_and_the_old_one_is_seen() {
    let backend = Backend::ok();
    let verify = "verify = { preset = \"bearer\", secrets = [\"new\", { value = \"old\", not_after = \"2099-01-01T00:00:00Z\" }, \
                  { value = \"gone\", not_after = \"2020-01-01T00:00:00Z\" }] }";
    let botgate = Botgate::start(&config(backend.addr(), "", "", verify));
    let mut caller = botgate.caller();
    for (token, status) in [("new", 200), ("old", 200), ("gone", 401), ("", 401), ("New", 401)] {
        let reply = caller.call(&get("/hook", &format!("Authorization: Bearer {token}\r\n")));
        assert_eq!(reply.status, status, "{token:?}");
    }
    let used = "botgate_signature_secret_last_used_seconds{bot=\"hook\",secret=\"1\"}";
    assert!(botgate.metric(used) > 1.7e9, "{}", botgate.metrics());
}
