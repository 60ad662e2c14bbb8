//! Where the time of an attempt went, by a receiver over TLS that takes its time.

use super::{TOKEN, ask, config, read};
use crate::harness::{Backend, Botgate, Monitor, TIMEOUT, ai, tls};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// How late the receiver begins each handshake, and each answer.
const LATE: Duration = Duration::from_millis(60);
const LATE_US: u64 = 60_000;

fn late() {
    Monitor::new(()).find_within(LATE, |()| None::<()>);
}

/// A receiver over TLS; without a session it never begins a handshake. Its threads end with the test's process.
fn receiver(session: Option<Arc<ServerConfig>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut silent = Vec::new();
        for socket in listener.incoming().flatten() {
            match session.clone() {
                Some(session) => drop(thread::spawn(move || serve(session, socket))),
                None => silent.push(socket),
            }
        }
    });
    port
}

/// Answers each request on a connection until it ends.
fn serve(session: Arc<ServerConfig>, socket: TcpStream) {
    late();
    let session = ServerConnection::new(session).unwrap();
    let mut reader = BufReader::new(StreamOwned::new(session, socket));
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            match reader.read_line(&mut line) {
                Ok(read) if read > 0 => {}
                _ => return,
            }
            if let Some(told) = line.strip_prefix("content-length: ") {
                length = told.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        reader.read_exact(&mut vec![0; length]).unwrap();
        late();
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        if reader.get_mut().write_all(answer).is_err() {
            return;
        }
    }
}

fn send(botgate: &Botgate, bot: &str) {
    let body = json!({"connectionId": bot, "message": "hi", "userId": "ann"});
    let headers = "Authorization: Bearer key\r\n";
    let request = ai::post("/api/webhooks/incoming", headers, &body);
    assert_eq!(botgate.caller().call(&request).status, 202);
}

/// The one attempt of a bot's newest delivery, once that has ended, and how it has ended.
#[track_caller]
fn tried(botgate: &Botgate, bot: &str) -> (Value, Value) {
    let get = |target: &str| read(&ask(botgate, "GET", target, TOKEN), 200);
    let end = Instant::now() + TIMEOUT;
    loop {
        let list = get(&format!("/api/deliveries?bot={bot}&limit=1"));
        let newest = &list["items"][0];
        if newest["ended_at"].is_string() {
            let id = newest["id"].as_str().unwrap();
            let mut shown = get(&format!("/api/deliveries/{id}"));
            assert_eq!(shown["attempts"], 1, "{shown}");
            return (shown["tries"][0].take(), shown["status"].take());
        }
        assert!(Instant::now() < end, "{list}");
    }
}

#[test]
fn each_phase_has_its_time_and_a_kept_connection_has_none_to_open() {
    let ours = tls::authority("Ours");
    let session = tls::server(&ours, "localhost", 2120);
    let (well, mute) = (receiver(Some(session)), receiver(None));
    let (ai, [one, other]) = (ai::echo(), [(); 2].map(|()| Backend::ok()));
    let state = tempfile::tempdir().unwrap();
    let at = |receiver: &Backend| format!("url = \"http://{}/in\"", receiver.addr());
    let by = |port: u16| format!("url = \"https://localhost:{port}/in\", ca = \"ca.pem\"");
    let text = config(&ai, &one, &other, state.path())
        .replace("\"127.0.0.0/8\"", "\"127.0.0.0/8\", \"::1/128\"")
        .replace(&at(&one), &by(well))
        .replace(&at(&other), &format!("{}, timeout = \"2s\"", by(mute)));
    let botgate = Botgate::start_with(&text, |dir, _| {
        std::fs::write(dir.join("ca.pem"), ours.pem()).unwrap();
    });
    let micros = |tried: &Value, phase: &str| tried["took_us"][phase].as_u64().unwrap();

    send(&botgate, "well");
    let (fresh, status) = tried(&botgate, "well");
    assert_eq!((&status, &fresh["status"]), (&"delivered".into(), &200.into()));
    assert!(micros(&fresh, "resolve") > 0, "{fresh}");
    assert!(micros(&fresh, "connect") > 0, "{fresh}");
    assert!(micros(&fresh, "tls") >= LATE_US, "{fresh}");
    assert!(micros(&fresh, "first_byte") >= LATE_US, "{fresh}");

    send(&botgate, "well");
    let (kept, _) = tried(&botgate, "well");
    for phase in ["resolve", "connect", "tls"] {
        assert_eq!(micros(&kept, phase), 0, "{phase}: {kept}");
    }
    assert!(micros(&kept, "first_byte") >= LATE_US, "{kept}");

    send(&botgate, "gone");
    let (cut, status) = tried(&botgate, "gone");
    assert_eq!((&status, &cut["status"]), (&"dead".into(), &Value::Null));
    // The phase that the deadline fell into has the time until then, and none after it was come to.
    assert!(micros(&cut, "tls") >= 1_000_000, "{cut}");
    for phase in ["first_byte", "body"] {
        assert_eq!(micros(&cut, phase), 0, "{phase}: {cut}");
    }
}
