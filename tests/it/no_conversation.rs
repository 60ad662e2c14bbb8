//! A message that belongs to no conversation has an id of its own: a backend that was told none would take all for one.

use crate::harness::{After, Backend, Botgate};
use serde_json::{Value, json};
use std::collections::HashSet;

/// What the caller is answered, and what the backend was asked, for a message to `path`.
fn exchange(botgate: &Botgate, ai: &Backend, path: &str, body: &Value) -> (Value, Value) {
    let body = body.to_string();
    let reply = botgate.caller().call(
        format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            .as_bytes(),
    );
    assert_eq!(reply.status, 200, "{}", reply.text());
    let asked = serde_json::from_slice(&ai.last().body).unwrap();
    (serde_json::from_str(&reply.text()).unwrap(), asked)
}

#[test]
fn a_message_without_a_conversation_has_a_unique_id_for_backend_and_caller() {
    let ai = Backend::start(|_, connection| {
        connection.answer("200 OK", "", b"{\"content\":\"hello\"}");
        After::Keep
    });
    let open = "upstream = \"ai\"\nverify = { preset = \"none\" }";
    let botgate = Botgate::start(&format!(
        "[server]\nhttp = [\"127.0.0.1:0\"]\n\
         [upstreams.ai]\nkind = \"custom\"\nurl = \"http://{}/chat\"\nheaders = {{ X-Conversation = \"{{conversation}}\" }}\n\
         [bots.nobody]\ndialect = \"fourthchat\"\nreply = {{ mode = \"sync\" }}\n{open}\n\
         [bots.forgetful]\ndialect = \"aibutler\"\nconversation = \"off\"\n{open}\n\
         [bots.platform]\ndialect = \"chatbot-platform\"\n{open}\n",
        ai.addr()
    ));
    let mut seen = HashSet::new();
    for (path, body, told, prefix) in [
        (
            "/api/webhooks/incoming",
            json!({ "connectionId": "nobody", "message": "Hello" }),
            "conversationId",
            "conv-",
        ),
        ("/webhook/custom", json!({ "user_id": "u", "message": "Hello" }), "session_id", "sess-"),
    ] {
        for _ in 0..2 {
            let (told_caller, asked) = exchange(&botgate, &ai, path, &body);
            let id = asked["conversation_id"].as_str().unwrap().to_owned();
            assert_eq!(told_caller[told], format!("{prefix}{id}"));
            assert_eq!(ai.last().header("x-conversation"), [&*id]);
            assert_eq!(asked["messages"].as_array().unwrap().len(), 1);
            assert!(seen.insert(id));
        }
    }
    // A platform that keeps its conversations itself says which one it is, or none.
    let body = json!({ "messages": [{ "role": "user", "content": "Hello" }] });
    let (_, asked) = exchange(&botgate, &ai, "/chat/platform", &body);
    assert_eq!(asked, body);
    assert_eq!(ai.last().header("x-conversation"), [""]);
}
