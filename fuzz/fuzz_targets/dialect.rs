//! Hostile bodies, read by every dialect: what simd-json takes serde_json takes with the same value and the other way round, the
//! scan for a bot's id finds what decoding finds, and whatever is read can be answered.
//!
//! Input: a byte whose lowest bit says that the body is a form, a byte for where it is cut in two, and the body.
#![no_main]

use botgate::codec::dialect::{Chat, DIALECTS, Format, Malformed, BotIdLocation, Receipt, body_id};
use botgate::codec::json;
use botgate::codec::message::{Answer, Attachment, Event, Role};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let [form, cut, body @ ..] = data else {
        return;
    };
    let format = if form & 1 == 1 { Format::Form } else { Format::Json };
    let value = whole(body);
    let at = usize::from(*cut).min(body.len());
    let frames = [Bytes::copy_from_slice(&body[..at]), Bytes::copy_from_slice(&body[at..])];
    for dialect in DIALECTS {
        let Some(chat) = dialect.chat else {
            continue;
        };
        let mut copy = body.to_vec();
        let read = chat.decode(format, &mut copy);
        if let (Format::Json, BotIdLocation::Body(field)) = (format, dialect.bot_id) {
            ids_agree(field, &frames, read.is_ok(), value.as_ref());
        }
        match &read {
            Ok(event) => {
                assert!(format == Format::Form || value.is_some(), "{}", dialect.name);
                answered(dialect.name, chat, event);
            }
            Err(Malformed(why)) => assert!(!why.is_empty() && why.len() < 600, "{why}"),
        }
    }
});

/// The value of a text, as both parsers read it.
fn whole(body: &[u8]) -> Option<Value> {
    let ours = json::read(&mut body.to_vec(), |value| json::text_of(&value).expect("a text"));
    let theirs: Result<Value, _> = serde_json::from_slice(body);
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => {
            let again: Value = serde_json::from_str(ours.get()).expect("JSON");
            assert!(same(&again, &theirs), "{ours} is not {theirs}");
            Some(theirs)
        }
        (Err(_), Err(_)) => None,
        (ours, theirs) => panic!("{ours:?} but {theirs:?}"),
    }
}

/// Equal, where -0 is 0 and a whole number may be written as a float.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let one_of = |(key, a): (&String, &Value)| b.get(key).is_some_and(|b| same(a, b));
            a.len() == b.len() && a.iter().all(one_of)
        }
        (one, other) => one == other,
    }
}

/// What the scan finds is what stands in the body; where decoding is content, only an id's spelling can displease the scan.
fn ids_agree(field: &str, frames: &[Bytes], decoded: bool, value: Option<&Value>) {
    match (body_id(field, frames), value) {
        (Ok(id), Some(value)) => assert_eq!(value[field], id.as_ref()),
        (Err(Malformed(why)), Some(value)) if decoded => {
            let spelling = ["escapes", "letters", "at most 128"];
            assert!(spelling.iter().any(|word| why.contains(word)), "{why} {value}");
        }
        _ => {}
    }
}

/// Whatever was read keeps its bounds, and can be answered and refused in JSON or TwiML.
fn answered(name: &str, chat: &dyn Chat, event: &Event<'_>) {
    let last = event.turns.last().expect("a turn");
    assert!(matches!(last.role, Role::User | Role::Tool));
    assert!(event.turns.len() <= 1000);
    for turn in &event.turns {
        assert!(turn.parts.len() <= 100 && turn.tool_calls.len() <= 100);
        assert!(!turn.parts.is_empty() || !turn.tool_calls.is_empty());
    }
    let user = &event.user;
    for word in [&user.id, &user.name, &user.platform, &user.username, &event.channel] {
        assert!(word.as_ref().is_none_or(|word| (1..=256).contains(&word.len())));
    }
    if let Some(metadata) = &event.metadata {
        let metadata: Value = serde_json::from_str(metadata.get()).expect("JSON");
        assert!(metadata.is_object());
    }
    let said = event.user.id.as_deref().unwrap_or("nobody");
    let answer = Answer {
        text: said.into(),
        attachments: vec![Attachment { url: said.into(), filename: None, mime_type: None }],
        metadata: event.metadata.clone(),
        ..Answer::default()
    };
    for xml in [false, true] {
        let receipt = Receipt {
            bot: "b",
            event,
            conversation: "c",
            message_id: "m",
            now_ms: 0,
            model: None,
            latency_ms: 0,
            micro_cents: 0,
            xml,
        };
        let mut out = Vec::new();
        chat.encode(&answer, &receipt, &mut out);
        match chat.content_type(&receipt) {
            "application/json" => {
                let reply: Value = serde_json::from_slice(&out).expect("JSON");
                assert!(reply.is_object(), "{name}");
            }
            _ => assert!(out.ends_with(b"</Response>")),
        }
    }
    let mut out = Vec::new();
    chat.encode_error(400, said, "invalid_request", &mut out);
    assert!(serde_json::from_slice::<Value>(&out).is_ok());
}
