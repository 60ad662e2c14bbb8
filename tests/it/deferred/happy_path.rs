//! The way of a message whose answer comes later, when all goes well.

use super::{Bot, SECRET, accepted, config, jobs_until, sent, wait};
use crate::harness::{After, Backend, Botgate, Monitor, ai, peer};
use rustix::process::Signal;
use std::time::Duration;

#[test]
fn a_deferred_answer_has_the_ids_of_its_202_and_the_conversation_continues() {
    let (ai, receiver) = (ai::echo(), Backend::ok());
    let state = tempfile::tempdir().unwrap();
    let text = config(&ai, state.path(), &[Bot::of("support", &receiver)]);
    let botgate = Botgate::start(&text);
    let (conversation, id) = accepted(&botgate, "support", "one", "hi \u{2028} </script>");
    wait(&receiver, 1);
    let seen = receiver.last();
    assert_eq!(seen.target(), "/in");
    let body = sent(&seen);
    assert_eq!(body["connectionId"], "support");
    assert_eq!(body["userId"], "one");
    assert_eq!(body["conversationId"], *conversation);
    assert_eq!(body["message"]["id"], *id);
    assert_eq!(body["message"]["content"], "re: hi \u{2028} </script>");
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = format!("sha256={}", hex::encode(ring::hmac::sign(&key, &seen.body)));
    assert_eq!(seen.header("x-webhook-signature"), [signature]);
    assert_eq!(seen.header("webhook-id").len(), 1);
    jobs_until(&botgate, "delivered", 1.0);
    let name = "botgate_deliveries_total{outcome=\"delivered\"}";
    botgate.metric_until(name, |count| count == 1.0);
    assert_eq!(botgate.metric("botgate_jobs_oldest_seconds"), 0.0);

    let (same, _) = accepted(&botgate, "support", "one", "and now?");
    assert_eq!(same, conversation);
    wait(&receiver, 2);
    // Only now is its connection free for the next.
    jobs_until(&botgate, "delivered", 2.0);
    assert_eq!(ai::texts(&ai.last())[1], "re: hi \u{2028} </script>");
    assert_ne!(accepted(&botgate, "support", "two", "hi").0, conversation);
    wait(&receiver, 3);
    // The connection is used again.
    assert_eq!(receiver.last().connection, 0);
    drop(botgate);
    let botgate = Botgate::start(&text);
    let (same, _) = accepted(&botgate, "support", "one", "still there?");
    assert_eq!(same, conversation);
    wait(&receiver, 4);
    assert_eq!(ai::texts(&ai.last()).len(), 5);
}

#[test]
fn a_receiver_that_hangs_delays_no_other() {
    let open = Monitor::new(false);
    let gate = open.clone();
    let hangs = Backend::start(move |_, connection| {
        gate.wait("the gate of the receiver", |open| *open);
        connection.answer("200 OK", "", b"")
    });
    let (ai, receiver) = (ai::echo(), Backend::ok());
    let state = tempfile::tempdir().unwrap();
    let text = config(&ai, state.path(), &[Bot::of("slow", &hangs), Bot::of("quick", &receiver)]);
    let botgate = Botgate::start(&text);
    let mut caller = botgate.caller();
    for nth in 0..100 {
        let reply = caller.call(&super::message("slow", &format!("u{nth}"), "hi"));
        assert_eq!(reply.status, 202);
    }
    wait(&hangs, botgate::proxy::bot::receiver::MAX_CONNECTIONS);
    for nth in 1..=100 {
        accepted(&botgate, "quick", "one", "hi");
        wait(&receiver, nth);
    }
    assert_eq!(hangs.count(), botgate::proxy::bot::receiver::MAX_CONNECTIONS, "no more at once");
    open.change(|open| *open = true);
    jobs_until(&botgate, "delivered", 200.0);
}

#[test]
fn a_stop_leaves_on_disk_what_it_does_not_wait_for() {
    let open = Monitor::new(false);
    let gate = open.clone();
    let hangs = Backend::start(move |_, connection| {
        if !*gate.lock() {
            connection.closed_within(Duration::from_secs(60));
            return After::Close;
        }
        connection.answer("200 OK", "", b"")
    });
    let ai = ai::echo();
    let state = tempfile::tempdir().unwrap();
    let text = config(&ai, state.path(), &[Bot::of("slow", &hangs)]);
    let text = text.replace("[server]", "[server]\ndrain = \"50ms\"");
    let mut botgate = Botgate::start(&text);
    let (_, id) = accepted(&botgate, "slow", "one", "hi");
    wait(&hangs, 1);
    botgate.signal(Signal::TERM);
    let status = botgate.exit();
    assert_eq!(status.code(), Some(0));
    open.change(|open| *open = true);
    let botgate = Botgate::start(&text);
    jobs_until(&botgate, "delivered", 1.0);
    let [first, second] = &hangs.seen()[..] else { panic!("{:?}", hangs.seen()) };
    assert_eq!(first.body, second.body);
    assert_eq!(first.header("webhook-id"), second.header("webhook-id"));
    assert_eq!(sent(second)["message"]["id"], *id);
    assert_eq!(ai.count(), 1, "its answer was on disk");
}

#[test]
fn a_repeated_message_gets_the_first_202_again() {
    let (ai, receiver) = (ai::echo(), Backend::ok());
    let state = tempfile::tempdir().unwrap();
    let bot = Bot {
        more: "duplicates = { by = \"json:/metadata/key\", window = \"10m\" }",
        ..Bot::of("bot", &receiver)
    };
    let botgate = Botgate::start(&config(&ai, state.path(), &[bot]));
    let body = serde_json::json!({
        "connectionId": "bot", "message": "hi", "userId": "one", "metadata": {"key": "k1"},
    });
    let head = "Authorization: Bearer key\r\n";
    let request = ai::post("/api/webhooks/incoming", head, &body);
    let [first, second] = [0; 2].map(|_| botgate.caller().call(&request));
    assert_eq!((first.status, second.status), (202, 202));
    assert_eq!(first.body, second.body);
    jobs_until(&botgate, "delivered", 1.0);
    assert_eq!(ai.count(), 1);
    let body = sent(&receiver.last());
    assert_eq!(body["metadata"]["key"], "k1");
}

#[test]
fn the_receiver_on_fourthchats_page_takes_what_is_sent() {
    let (ai, receiver) = (ai::echo(), Backend::ok());
    let state = tempfile::tempdir().unwrap();
    let text = config(&ai, state.path(), &[Bot::of("bot", &receiver)]);
    let botgate = Botgate::start(&text);
    let mut caller = botgate.caller();
    let texts = ["\u{1f600} </script>", "\u{2028}\u{2029}", "\u{1}\t\u{7f}\u{0}", "\"\\/"];
    for text in texts {
        let body = format!(
            "{{\"connectionId\":\"bot\",\"message\":{},\"metadata\":{{\"b\":1.0,\"2\":12345678901234567890,\"1\":1e300}}}}",
            serde_json::Value::from(text)
        );
        let request = format!(
            "POST /api/webhooks/incoming HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n\
             Authorization: Bearer key\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let reply = caller.call(request.as_bytes());
        assert_eq!(reply.status, 202, "{reply:?}");
    }
    wait(&receiver, texts.len());
    let lines: Vec<_> = receiver
        .seen()
        .iter()
        .map(|seen| {
            let request = seen.head.clone() + std::str::from_utf8(&seen.body).unwrap();
            let secrets = [SECRET];
            serde_json::json!({"scheme": "hmac", "secrets": secrets, "request": request})
                .to_string()
        })
        .collect();
    let file = state.path().join("requests");
    std::fs::write(&file, lines.join("\n")).unwrap();
    let counted = peer::values("receiver.mjs", &[file.to_str().unwrap()]).remove(0);
    for what in ["requests", "fourthchat", "same"] {
        assert_eq!(counted[what], texts.len(), "{counted}");
    }
}
