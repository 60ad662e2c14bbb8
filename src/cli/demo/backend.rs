//! The embedded backend: it speaks the formats of OpenAI, Anthropic and custom backends, and echoes the last message.

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::convert::Infallible;
use tokio::net::TcpListener;

/// The largest request, in bytes.
const MAX_BODY: usize = 1024 * 1024;

/// Every answer to a message starts with this.
pub(super) const PREFIX: &str = "You said:";
/// The start of the answer to anything that is no message.
pub(super) const ECHO: &str = r#"{"reply":"Hello back""#;

/// Serves until it is dropped.
pub(super) async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        let answering = service_fn(|request| async { Ok::<_, Infallible>(respond(request).await) });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answering));
    }
}

pub(in crate::cli) async fn respond(request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, MAX_BODY).collect().await;
    let body = body.map(|body| body.to_bytes()).unwrap_or_default();
    let request_body = || serde_json::from_slice(&body).unwrap_or(Value::Null);
    let (kind, text) = match head.uri.path() {
        "/chat" => ("application/json", custom(&request_body()).to_string()),
        "/v1/chat/completions" => ("application/json", openai(&request_body()).to_string()),
        "/v1/messages" => anthropic(&request_body()),
        _ => {
            let echo = format!(r#"{ECHO},"bytes":{}}}"#, body.len());
            ("application/json", echo)
        }
    };
    let mut response = Response::new(Full::from(text));
    let kind = header::HeaderValue::from_static(kind);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// The answer's text. `messages` look alike in all three formats.
fn answer_text(request_body: &Value) -> String {
    let messages = request_body["messages"].as_array();
    let last = messages.and_then(|messages| messages.last());
    let content = last.map_or(&Value::Null, |message| &message["content"]);
    let parts = content.as_array().into_iter().flatten();
    let parts = parts.filter_map(|part| part["text"].as_str());
    let content_text: String = content.as_str().into_iter().chain(parts).collect();
    format!("{PREFIX} {content_text}")
}

/// Words stand for tokens.
fn tokens(text: &str) -> usize {
    text.split_whitespace().count()
}

fn custom(request_body: &Value) -> Value {
    json!({"content": answer_text(request_body)})
}

fn openai(request_body: &Value) -> Value {
    let text = answer_text(request_body);
    let (input, output) = (tokens(&request_body.to_string()), tokens(&text));
    json!({
        "id": "chatcmpl-demo",
        "object": "chat.completion",
        "created": 1_795_252_620,
        "model": request_body["model"],
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": text, "refusal": null},
            "finish_reason": "stop",
        }],
        "usage": {"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output},
    })
}

/// Content type and body of an Anthropic message, whole or as the events of a stream.
fn anthropic(request_body: &Value) -> (&'static str, String) {
    let text = answer_text(request_body);
    let (input, output) = (tokens(&request_body.to_string()), tokens(&text));
    let message = |content: Value, stop: Value, output: usize| {
        json!({
            "id": "msg_demo",
            "type": "message",
            "role": "assistant",
            "model": request_body["model"],
            "content": content,
            "stop_reason": stop,
            "stop_sequence": null,
            "usage": {"input_tokens": input, "output_tokens": output},
        })
    };
    if request_body["stream"] != true {
        let content = json!([{"type": "text", "text": text}]);
        let message = message(content, json!("end_turn"), output);
        return ("application/json", message.to_string());
    }
    let begun = message(json!([]), Value::Null, 0);
    let mut events = vec![
        json!({"type": "message_start", "message": begun}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
    ];
    for piece in [PREFIX, text.strip_prefix(PREFIX).unwrap_or_default()] {
        let delta = json!({"type": "text_delta", "text": piece});
        events.push(json!({"type": "content_block_delta", "index": 0, "delta": delta}));
    }
    let stop = json!({"stop_reason": "end_turn", "stop_sequence": null});
    events.extend([
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": stop, "usage": {"output_tokens": output}}),
        json!({"type": "message_stop"}),
    ]);
    let event = |event: &Value| {
        let name = event["type"].as_str().unwrap_or_default();
        format!("event: {name}\ndata: {event}\n\n")
    };
    ("text/event-stream", events.iter().map(event).collect())
}
