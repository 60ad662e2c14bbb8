//! AIs of the three kinds in a few lines each, and the messages that bots are sent.

use super::{After, Backend, backend::Connection, backend::Seen};
use serde_json::{Value, json};

/// An answer of that kind of AI: its text, and the tokens that it took and gave.
pub(crate) fn answer(kind: &str, text: &str, input: u64, output: u64) -> Vec<u8> {
    let value = match kind {
        "custom" => json!({
            "content": text,
            "usage": {"input_tokens": input, "output_tokens": output},
        }),
        "openai" => json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1_795_230_743, "model": "m",
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": null},
                "logprobs": null,
                "finish_reason": "stop",
            }],
            "usage": {"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output},
        }),
        "anthropic" => json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": "m",
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn", "stop_sequence": null,
            "usage": {"input_tokens": input, "output_tokens": output},
        }),
        _ => panic!("what is {kind}?"),
    };
    value.to_string().into_bytes()
}

/// The table of an upstream; `more` are further lines.
pub(crate) fn upstream(name: &str, kind: &str, url: &str, more: &str) -> String {
    let model = match kind {
        "custom" => "",
        _ => "model = \"m\"\nkey = \"sk-test\"",
    };
    format!("[upstreams.{name}]\nkind = \"{kind}\"\nurl = \"{url}\"\n{model}\n{more}\n\n")
}

/// What the AI was asked, as JSON.
#[track_caller]
pub(crate) fn asked(seen: &Seen) -> Value {
    serde_json::from_slice(&seen.body)
        .unwrap_or_else(|_| panic!("not JSON: {}", String::from_utf8_lossy(&seen.body)))
}

/// The texts of the messages that an AI was asked with, oldest first.
pub(crate) fn texts(seen: &Seen) -> Vec<String> {
    let asked = asked(seen);
    let messages = asked["messages"].as_array().expect("no messages");
    messages.iter().map(|message| text(&message["content"])).collect()
}

/// The text of a message: itself, or what its parts of text say.
fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        other => panic!("no content: {other}"),
    }
}

/// A `custom` AI that answers `re: ` and what was said last.
pub(crate) fn echo() -> Backend {
    Backend::start(echoed)
}

/// Answers as [`echo`] does.
pub(crate) fn echoed(seen: &Seen, connection: &mut Connection<'_>) -> After {
    let said = texts(seen).pop().unwrap();
    reply(connection, &answer("custom", &format!("re: {said}"), 3, 2))
}

/// Answers 200 with a JSON body.
pub(crate) fn reply(connection: &mut Connection<'_>, body: &[u8]) -> After {
    connection.answer("200 OK", "Content-Type: application/json\r\n", body)
}

/// A POST of JSON; `headers` are whole lines.
pub(crate) fn post(path: &str, headers: &str, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    format!(
        "POST {path} HTTP/1.1\r\nHost: bots.example\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A message to an `aerostack` bot.
pub(crate) fn message(bot: &str, user: &str, text: &str) -> Vec<u8> {
    post(
        &format!("/api/bots/webhook/custom/{bot}"),
        "",
        &json!({"text": text, "user_id": user, "channel_id": "main"}),
    )
}

/// What an `aerostack` bot answered.
#[track_caller]
pub(crate) fn said(reply: &super::caller::Reply) -> String {
    assert_eq!(reply.status, 200, "{reply:?}");
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    body["response"].as_str().unwrap().to_owned()
}
