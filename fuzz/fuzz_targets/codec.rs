//! Hostile AIs, and callers whose words go to them: for every codec an answer, a refusal, a stream however it is cut, and requests
//! that are JSON whatever they are made of. What simd-json takes, serde_json takes for the same.
//!
//! Input: the lengths of a stream's pieces (a byte each, used in turn), a line feed, and the body.
#![no_main]

use botgate::codec::json;
use botgate::codec::message::{Answer, Event, File, Native, Part, ProviderRequest, Role, Turn, TurnToolCall, User};
use botgate::codec::provider::sse::EventReader;
use botgate::codec::provider::{CODECS, Codec};
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use serde_json::value::RawValue;
use std::time::Duration;

fuzz_target!(|data: &[u8]| {
    let Some(at) = data.iter().position(|&byte| byte == b'\n') else {
        return;
    };
    let (sizes, body) = (&data[..at], &data[at + 1..]);
    read_alike(body);
    for codec in CODECS {
        answer(*codec, body);
        refusal(*codec, sizes, body);
        let whole = stream(*codec, &[body]);
        assert_eq!(stream(*codec, &cut(body, sizes)), whole);
        request(*codec, &String::from_utf8_lossy(body));
    }
});

fn read_alike(body: &[u8]) {
    let Ok(ours) = json::read(&mut body.to_vec(), |value| json::text_of(&value)) else {
        return;
    };
    let ours = ours.expect("what was read can be written");
    let ours: Value = serde_json::from_str(ours.get()).expect("what was written can be read");
    let theirs: Value =
        serde_json::from_slice(body).expect("serde_json reads what simd-json reads");
    assert!(same(&ours, &theirs), "{ours} is not {theirs}");
}

/// Equal but for how a number is written.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one == other || one.as_f64() == other.as_f64()
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(key, value)| other.get(key).is_some_and(|other| same(value, other)))
        }
        _ => one == other,
    }
}

fn answer(codec: &dyn Codec, body: &[u8]) {
    let mut body = body.to_vec();
    if let Ok(answer) = codec.decode(&mut body) {
        let says = !answer.text.trim().is_empty();
        assert!(says || !answer.tool_calls.is_empty() || !answer.attachments.is_empty());
        whole(&answer);
    }
}

/// Everything that passes through can be read by who gets it.
fn whole(answer: &Answer<'_>) {
    let calls = answer.tool_calls.iter();
    let values = calls.flat_map(|call| [Some(&call.arguments), call.result.as_ref()]);
    for json in values.chain([answer.metadata.as_ref()]).flatten() {
        let read: Result<&RawValue, _> = serde_json::from_str(json.get());
        read.expect("what passes through is JSON");
    }
}

fn refusal(codec: &dyn Codec, head: &[u8], body: &[u8]) {
    let mut headers = HeaderMap::new();
    for name in ["retry-after", "retry-after-ms", "x-should-retry"] {
        if let Ok(value) = HeaderValue::from_bytes(head) {
            headers.insert(name, value);
        }
    }
    let status = 100 + body.iter().fold(0, |sum, &byte| (sum + u16::from(byte)) % 900);
    let refusal = codec.decode_error(status, &headers, &mut body.to_vec(), 1_795_255_200_000);
    let wait = refusal.retry_after.unwrap_or_default();
    assert!(wait <= Duration::from_secs(86_400));
    assert!(!refusal.retryable || wait <= Duration::from_secs(120));
}

fn cut<'a>(mut bytes: &'a [u8], sizes: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut sizes = sizes.iter().cycle();
    while !bytes.is_empty() {
        let size = sizes.next().map_or(usize::MAX, |&size| usize::from(size).max(1));
        let (piece, rest) = bytes.split_at(size.min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

fn stream(codec: &dyn Codec, pieces: &[&[u8]]) -> String {
    let (mut events, mut deltas, mut text) = (EventReader::default(), codec.stream_decoder(), String::new());
    let fed = pieces
        .iter()
        .try_for_each(|piece| events.feed(piece, |name, data| deltas.event(name, data, &mut text)));
    let ended = fed.and_then(|()| deltas.end());
    if let Ok(answer) = &ended {
        whole(answer);
    }
    format!("{text} {ended:?} {:?}", deltas.usage())
}

/// Asks with the text in every place that a caller can fill.
fn request(codec: &dyn Codec, text: &str) {
    let file =
        |file| Part::File { file, filename: Some(text.into()), mime_type: Some(text.into()) };
    let image = Part::Image { url: text.into(), detail: None };
    let parts =
        [Part::Text(text.into()), image, file(File::Url(text.into())), file(File::Id(text.into()))];
    let native = serde_json::from_str::<Box<RawValue>>(text).ok();
    let native = native.filter(|rest| rest.get().starts_with('{'));
    for (part, native) in parts.into_iter().zip([None, native, None, None]) {
        let mut call = Turn::text(Role::Assistant, text);
        call.tool_calls.push(TurnToolCall { id: text.into(), name: text.into(), arguments: text.into() });
        let mut result = Turn::text(Role::Tool, text);
        result.tool_call_id = Some(text.into());
        let mut turn = Turn::text(Role::User, "?");
        turn.parts.push(part);
        let event = Event {
            user: User { id: Some(text.into()), name: Some(text.into()), ..User::default() },
            turns: [Turn::text(Role::System, text), call, result, turn].into_iter().collect(),
            metadata: native.clone(),
            native: native.map(|rest| Native {
                messages: RawValue::from_string("[1]".to_owned()).expect("a list"),
                rest,
            }),
            ..Event::default()
        };
        let ask = ProviderRequest {
            bot: "b",
            bot_name: Some(text),
            conversation: Some(text),
            model: Some("m"),
            max_tokens: 1,
            version: None,
            system: &[text],
            history: &[],
            event: &event,
            stream: true,
        };
        let mut out = Vec::new();
        match codec.encode(&ask, &mut out) {
            Ok(()) => {
                let sent: Box<RawValue> = serde_json::from_slice(&out).expect("a request is JSON");
                assert!(sent.get().ends_with("\"stream\":true}") || codec.name() == "openai");
            }
            Err(unsupported) => assert!(!unsupported.0.is_empty()),
        }
    }
}
