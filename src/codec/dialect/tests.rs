//! Golden cases of every dialect, as data, and what must hold for all of them.

mod events;
mod golden;
mod ids;

use super::{BotIdLocation, Chat, DIALECTS, Dialect, Format, Malformed};
use crate::codec::message::Event;
use serde_json::Value;

/// Those that read and answer messages.
fn chats() -> impl Iterator<Item = (&'static Dialect, &'static dyn Chat)> {
    DIALECTS.iter().filter_map(|dialect| Some((*dialect, dialect.chat?)))
}

/// Reads a body and hands the outcome to `see`.
fn decode<T>(
    chat: &dyn Chat,
    format: Format,
    body: &[u8],
    see: impl FnOnce(Result<Event<'_>, Malformed>) -> T,
) -> T {
    see(chat.decode(format, &mut body.to_vec()))
}

#[track_caller]
fn refused(chat: &dyn Chat, body: &[u8]) -> String {
    decode(chat, Format::Json, body, |read| read.unwrap_err().to_string())
}

#[test]
fn a_body_that_is_no_json_object_is_refused_by_all() {
    let deep = format!("{{\"metadata\":{}1{}}}", "[".repeat(127), "]".repeat(127));
    let broken: [&[u8]; 11] = [
        b"",
        b" ",
        b"{",
        b"{\"text\":\"Hi\"",
        b"{\"text\":\"Hi\",}",
        b"{\"text\":\"\xff\"}",
        b"{\"text\":\"\\ud800\"}",
        b"{\"text\":\"a\nb\"}",
        b"{\"text\":NaN}",
        b"\xef\xbb\xbf{}",
        deep.as_bytes(),
    ];
    for (dialect, chat) in chats() {
        for body in broken {
            let text = String::from_utf8_lossy(body);
            assert_eq!(
                refused(chat, body),
                "The body is not valid JSON",
                "{} {text}",
                dialect.name
            );
        }
        for body in ["[]", "\"text\"", "1", "null", "true"] {
            assert_eq!(
                refused(chat, body.as_bytes()),
                "The body must be a JSON object",
                "{} {body}",
                dialect.name
            );
        }
    }
}

#[test]
fn a_sample_is_read_by_its_own_dialect() {
    for (dialect, chat) in chats() {
        let body = dialect.test_message.body_for("bt_1", Some("The \"best\" bot"));
        let value: Value = serde_json::from_str(&body).unwrap();
        decode(chat, Format::Json, body.as_bytes(), |read| {
            let event = read.unwrap_or_else(|error| panic!("{}: {error}", dialect.name));
            assert_eq!(event.turns.len(), 1);
        });
        if let BotIdLocation::Body(field) = dialect.bot_id {
            assert_eq!(value[field], "bt_1");
        }
        assert!(!body.contains("{bot}") && !body.contains("{name}"), "{body}");
        assert_eq!(dialect.test_message.method, "POST");
    }
    let sample = &super::find("fourthchat").unwrap().test_message;
    let value: Value =
        serde_json::from_str(&sample.body_for("b", Some("The \"best\" bot"))).unwrap();
    assert_eq!(value["connectionName"], "The \"best\" bot");
    let value: Value = serde_json::from_str(&sample.body_for("b", None)).unwrap();
    assert_eq!(value["connectionName"], "b");
}

/// No field of a body takes the process down or slips through, whatever stands in it.
#[test]
fn every_field_of_every_sample_may_hold_anything() {
    let strange = [
        "null",
        "true",
        "0",
        "-1.5e300",
        "\"\"",
        "\" \"",
        "[]",
        "[null]",
        "[[]]",
        "[{}]",
        "{}",
        "{\"\":null}",
        "{\"id\":1}",
        "\"\\u0000\"",
        "18446744073709551616",
    ];
    for (dialect, chat) in chats() {
        let body = dialect.test_message.body_for("bt_1", None);
        let sample: Value = serde_json::from_str(&body).unwrap();
        for name in sample.as_object().unwrap().keys() {
            for text in strange {
                let mut changed = sample.clone();
                changed[name] = serde_json::from_str(text).unwrap();
                let body = changed.to_string();
                decode(chat, Format::Json, body.as_bytes(), |read| {
                    if let Err(Malformed(why)) = read {
                        assert!(why.contains(name.as_str()), "{} {body} {why}", dialect.name);
                    }
                });
            }
        }
    }
}

#[test]
fn every_refusal_has_the_dialects_own_shape() {
    for (dialect, chat) in chats() {
        for status in 400..=599 {
            let mut out = b"before".to_vec();
            chat.encode_error(status, "A \"sentence\"\n", "a_word", &mut out);
            let body: Value = serde_json::from_slice(out.strip_prefix(b"before").unwrap()).unwrap();
            let own = "Failed to process webhook: Internal server error";
            let expected = match (dialect.name, status) {
                ("botpass", 500) => serde_json::json!({"success": false, "message": own}),
                ("botpass", _) => {
                    serde_json::json!({"success": false, "message": "A \"sentence\"\n"})
                }
                _ => serde_json::json!({"error": "A \"sentence\"\n", "code": "a_word"}),
            };
            assert_eq!(body, expected, "{} {status}", dialect.name);
        }
    }
}
