//! The golden cases: `tests/fixtures/dialects/<dialect>/{in,bad,out,later}.txt`.
//!
//! A case is `=== title`, then parts that begin with `--- part`. `BOTGATE_BLESS=1` writes the last part again.

use super::{chats, decode};
use crate::codec::dialect::{Chat, Dialect, Format, Receipt};
use crate::codec::json::{Json, javascript};
use crate::codec::message::{
    Answer, Attachment, Event, File, Part, Role, ToolCall, Turn, Usage, User,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::PathBuf;

/// As many as each dialect must have of each kind; of `later` a fifth.
const ENOUGH: usize = 15;

/// A title, and parts with their names.
struct Case {
    title: String,
    parts: Vec<(String, String)>,
}

impl Case {
    fn part(&self, name: &str) -> Option<&str> {
        let mut parts = self.parts.iter();
        parts.find(|part| part.0 == name).map(|(_, text)| text.as_str())
    }

    /// The body of the request, and whether it is a form.
    fn request(&self) -> Option<(Format, &[u8])> {
        let json = self.part("request").map(|text| (Format::Json, text.as_bytes()));
        json.or_else(|| Some((Format::Form, self.part("form")?.as_bytes())))
    }
}

fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("=== ") {
            let title = title.to_owned();
            let parts = Vec::new();
            cases.push(Case { title, parts });
        } else if let Some(name) = line.strip_prefix("--- ") {
            let part = (name.to_owned(), String::new());
            cases.last_mut().expect("a title").parts.push(part);
        } else {
            let parts = &mut cases.last_mut().expect("a title").parts;
            let (_, text) = parts.last_mut().expect("a part");
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(line);
        }
    }
    cases
}

fn file(dialect: &Dialect, kind: &str) -> PathBuf {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/dialects");
    [fixtures, dialect.name, &format!("{kind}.txt")].iter().collect()
}

/// Each case's last part is what `found` says, in a part of that name.
fn hold(kind: &str, part: &str, found: impl Fn(&dyn Chat, &Case) -> String) {
    let mut differing = Vec::new();
    for (dialect, chat) in chats() {
        let path = file(dialect, kind);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let cases = cases(&text);
        let mut titles: Vec<_> = cases.iter().map(|case| &case.title).collect();
        titles.sort();
        titles.dedup();
        let enough = if kind == "later" { ENOUGH / 5 } else { ENOUGH };
        assert!(titles.len() >= enough, "{}: {} cases", path.display(), titles.len());
        let mut written = String::new();
        for case in &cases {
            let _ = writeln!(written, "=== {}", case.title);
            for (name, text) in case.parts.iter().filter(|(name, _)| name != part) {
                let _ = writeln!(written, "--- {name}\n{text}");
            }
            let found = found(chat, case);
            let _ = writeln!(written, "--- {part}\n{found}");
            if case.part(part) != Some(&found) {
                differing.push(format!("{} {kind}: {}\n{found}", dialect.name, case.title));
            }
        }
        if std::env::var_os("BOTGATE_BLESS").is_some() {
            std::fs::write(&path, &written).unwrap();
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn every_message_is_read_as_written() {
    hold("in", "event", |chat, case| {
        let (format, body) = case.request().expect("a request");
        decode(chat, format, body, |read| match read {
            Ok(event) => shown(&event),
            Err(error) => format!("{}: {error}", case.title),
        })
    });
}

#[test]
fn every_malformed_message_is_refused_as_written() {
    hold("bad", "error", |chat, case| {
        let (format, body) = case.request().expect("a request");
        decode(chat, format, body, |read| match read {
            Ok(event) => format!("is read as {}", shown(&event)),
            Err(error) => error.to_string(),
        })
    });
}

#[test]
fn every_answer_is_written_as_shown() {
    hold("out", "reply", |chat, case| {
        answer_to(chat, case, |answer, receipt| {
            let reply = written(|out| chat.encode(answer, receipt, out));
            if !receipt.xml {
                fits_seed(case, &reply);
                assert_eq!(chat.content_type(receipt), "application/json");
            }
            reply
        })
    });
}

#[test]
fn every_answer_that_comes_later_is_written_as_shown() {
    hold("later", "later", |chat, case| {
        answer_to(chat, case, |answer, receipt| {
            let accepted = written(|out| chat.encode_accepted(receipt, out));
            let delivered = written(|out| chat.encode_callback(answer, receipt, out));
            fits_seed(case, &delivered);
            format!("{accepted}\n{delivered}")
        })
    });
}

#[test]
fn a_callback_is_what_javascript_would_write_after_reading_it() {
    for (dialect, chat) in chats() {
        for kind in ["out", "later"] {
            for case in cases(&std::fs::read_to_string(file(dialect, kind)).unwrap()) {
                let body = answer_to(chat, &case, |answer, receipt| {
                    written(|out| chat.encode_callback(answer, receipt, out))
                });
                let mut again = body.clone().into_bytes();
                javascript::rewrite(&mut again);
                assert_eq!(String::from_utf8(again).unwrap(), body, "{}", case.title);
            }
        }
    }
}

/// What is appended to a text that stands there already.
fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = b"before".to_vec();
    write(&mut out);
    let text = String::from_utf8(out).unwrap();
    text.strip_prefix("before").unwrap().to_owned()
}

/// The text is JSON and holds what the seed shows, where the case has it.
fn fits_seed(case: &Case, text: &str) {
    let value: Result<Value, _> = serde_json::from_str(text);
    let value = value.unwrap_or_else(|error| panic!("{text} {error}"));
    if let Some(seed) = case.part("seed") {
        let seed = serde_json::from_str(seed).unwrap();
        assert!(holds(&value, &seed), "{} {text}", case.title);
    }
}

/// The answer that a case describes, and what it answers.
fn answer_to<T>(
    chat: &dyn Chat,
    case: &Case,
    see: impl FnOnce(&Answer<'_>, &Receipt<'_>) -> T,
) -> T {
    let text = case.part("answer").expect("an answer");
    let answer: Value = serde_json::from_str(text).unwrap();
    let (format, mut body) =
        case.request().map(|(format, body)| (format, body.to_vec())).expect("a request");
    let event = chat.decode(format, &mut body).unwrap();
    let number = |name: &str| answer[name].as_u64().unwrap_or(0);
    let receipt = Receipt {
        bot: "your-connection-id",
        event: &event,
        conversation: answer["conversation"].as_str().unwrap_or("0123456789abcdef"),
        message_id: "00ff00ff00ff00ff",
        now_ms: 1_705_314_600_000 + number("now_ms"),
        model: None,
        latency_ms: number("latency_ms"),
        micro_cents: number("micro_cents"),
        xml: answer["xml"] == true,
    };
    let mut answer = answered(&answer);
    let Whole { metadata } = serde_json::from_str(text).unwrap();
    answer.metadata = metadata;
    see(&answer, &receipt)
}

/// Whether a value is the one that a seed shows; an object may hold more.
fn holds(value: &Value, seed: &Value) -> bool {
    match (value, seed) {
        (Value::Object(value), Value::Object(seed)) => {
            seed.iter().all(|(key, seed)| value.get(key).is_some_and(|value| holds(value, seed)))
        }
        (value, seed) => value == seed,
    }
}

/// What a description has that is kept byte for byte.
#[derive(Deserialize)]
struct Whole {
    metadata: Option<Json>,
}

/// An answer out of its description.
fn answered(value: &Value) -> Answer<'static> {
    let text = |value: &Value| value.as_str().map(|text| Cow::Owned(text.to_owned()));
    let raw = |value: &Value| -> Json { serde_json::value::to_raw_value(value).unwrap() };
    let list = |name: &str| value[name].as_array().cloned().unwrap_or_default();
    Answer {
        text: text(&value["text"]).unwrap_or_default(),
        tool_calls: list("tool_calls")
            .iter()
            .map(|call| ToolCall {
                name: text(&call["name"]).unwrap(),
                arguments: raw(&call["arguments"]),
                result: call.get("result").map(raw),
                latency_ms: call["latency_ms"].as_u64(),
                success: call["success"].as_bool(),
            })
            .collect(),
        attachments: list("attachments")
            .iter()
            .map(|file| Attachment {
                url: text(&file["url"]).unwrap(),
                filename: text(&file["filename"]),
                mime_type: text(&file["mime_type"]),
            })
            .collect(),
        metadata: None,
        usage: Usage {
            input: value["input"].as_u64().unwrap_or(0),
            output: value["output"].as_u64().unwrap_or(0),
        },
    }
}

/// An event as JSON, one line for each turn; what is absent is left out.
fn shown(event: &Event<'_>) -> String {
    let mut lines = vec![object([
        ("kind", json!(format!("{:?}", event.message_type).to_lowercase())),
        ("user", user(&event.user)),
        ("channel", json!(event.channel)),
        ("conversation", json!(event.conversation)),
        ("message_id", json!(event.message_id)),
        ("timestamp", json!(event.timestamp)),
    ])];
    lines.extend(event.turns.iter().map(turn));
    let mut lines: Vec<_> = lines.iter().map(Value::to_string).collect();
    let raw = |name: &str, json: &Json| format!("{name}: {}", json.get());
    lines.extend(event.metadata.as_ref().map(|json| raw("metadata", json)));
    if let Some(native) = &event.native {
        lines.push(raw("messages", &native.messages));
        lines.push(raw("rest", &native.rest));
    }
    lines.join("\n")
}

fn user(user: &User<'_>) -> Value {
    object([
        ("id", json!(user.id)),
        ("name", json!(user.name)),
        ("platform", json!(user.platform)),
        ("username", json!(user.username)),
    ])
}

fn turn(turn: &Turn<'_>) -> Value {
    let parts: Vec<_> = turn.parts.iter().map(part).collect();
    let calls: Vec<_> =
        turn.tool_calls.iter().map(|call| json!([call.id, call.name, call.arguments])).collect();
    let role = match turn.role {
        Role::System => "system",
        Role::Developer => "developer",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    };
    object([
        ("role", json!(role)),
        ("parts", json!(parts)),
        ("calls", json!((!calls.is_empty()).then_some(calls))),
        ("call_id", json!(turn.tool_call_id)),
    ])
}

fn part(part: &Part<'_>) -> Value {
    match part {
        Part::Text(text) => json!(text),
        Part::Image { url, detail } => object([("image", json!(url)), ("detail", json!(detail))]),
        Part::File { file, filename, mime_type } => object([
            match file {
                File::Url(url) => ("url", json!(url)),
                File::Id(id) => ("id", json!(id)),
            },
            ("filename", json!(filename)),
            ("mime_type", json!(mime_type)),
        ]),
        Part::Audio { data, format } => object([("audio", json!(data)), ("format", json!(format))]),
    }
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let there = fields.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(there.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
}
