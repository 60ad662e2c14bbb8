//! The scan for a bot's id agrees with what decoding finds, however the body is cut.

use super::{chats, decode};
use crate::codec::dialect::{BotIdLocation, Format, body_id};
use bytes::Bytes;
use serde_json::Value;

/// The body in frames, cut at this place.
fn cut(body: &str, at: usize) -> [Bytes; 3] {
    let (a, b) = body.as_bytes().split_at(at);
    [Bytes::copy_from_slice(a), Bytes::new(), Bytes::copy_from_slice(b)]
}

/// What the scan says; the same wherever the body is cut.
fn found(body: &str) -> Result<String, String> {
    let whole = [Bytes::copy_from_slice(body.as_bytes())];
    let id = |frames: &[Bytes]| {
        let id = body_id("botId", frames).map(|id| id.into_owned());
        id.map_err(|error| error.to_string())
    };
    let first = id(&whole);
    for at in 0..=body.len() {
        assert_eq!(id(&cut(body, at)), first, "{body} cut at {at}");
    }
    first
}

#[test]
fn an_id_at_the_top_is_found() {
    let long = "x".repeat(128);
    let filled = format!(r#"{{"botId":"{long}"}}"#);
    for (body, id) in [
        (r#"{"botId":"b"}"#, "b"),
        (" {\r\n\t\"botId\" : \"bt_9-Z\" } ", "bt_9-Z"),
        (r#"{"a":{"botId":"x"},"b":[{"botId":"y"}],"botId":"z"}"#, "z"),
        (r#"{"botId":"z","a":{"botId":"x"}}"#, "z"),
        (r#"{"a":"\"botId\":\"x\"","botId":"z"}"#, "z"),
        (r#"{"a":"\\","botId":"z"}"#, "z"),
        (r#"{"a":"}{][","b":[["]"],{"c":"}"}],"botId":"z"}"#, "z"),
        (r#"{"a\"b":1,"botId":"z","botid":"x","botIds":2,"BotId":3,"":4}"#, "z"),
        (r#"{"a":-1.5e3 ,"b":true,"c":null,"d":false,"botId":"z"}"#, "z"),
        (filled.as_str(), long.as_str()),
    ] {
        assert_eq!(found(body).as_deref(), Ok(id), "{body}");
    }
}

#[test]
fn an_id_that_could_be_read_in_two_ways_is_refused() {
    let long = format!(r#"{{"botId":"{}"}}"#, "x".repeat(129));
    for (body, why) in [
        ("{}", "Missing botId in webhook payload"),
        (r#"{"a":{"botId":"x"}}"#, "Missing botId in webhook payload"),
        (r#"{"botId":null}"#, "Missing botId in webhook payload"),
        (r#"{"botId":""}"#, "Empty botId in webhook payload"),
        (r#"{"botId":"a","botId":"a"}"#, "Repeated botId in webhook payload"),
        (r#"{"botId":"a","x":1,"botId":null}"#, "Repeated botId in webhook payload"),
        (r#"{"botId":1}"#, "Invalid botId in webhook payload: it must be a string"),
        (r#"{"botId":["a"]}"#, "Invalid botId in webhook payload: it must be a string"),
        (
            r#"{"bot\u0049d":"a"}"#,
            "Invalid botId in webhook payload: it must be written without escapes",
        ),
        (
            r#"{"botId":"a","\u0062otId":"b"}"#,
            "Invalid botId in webhook payload: it must be written without escapes",
        ),
        (
            r#"{"botId":"\u0061"}"#,
            "Invalid botId in webhook payload: it must be written without escapes",
        ),
        (
            r#"{"botId":"a b"}"#,
            "Invalid botId in webhook payload: it must be made of letters, digits, - and _",
        ),
        (
            r#"{"botId":"ä"}"#,
            "Invalid botId in webhook payload: it must be made of letters, digits, - and _",
        ),
        (long.as_str(), "Too long botId in webhook payload: at most 128 bytes"),
        ("[]", "The body must be a JSON object"),
        ("\"botId\"", "The body must be a JSON object"),
        ("", "The body is not valid JSON"),
        ("  ", "The body is not valid JSON"),
        ("{", "The body is not valid JSON"),
        (r#"{"botId":"a""#, "The body is not valid JSON"),
        (r#"{"botId":"a\"#, "The body is not valid JSON"),
        (r#"{"botId" "a"}"#, "The body is not valid JSON"),
        (r#"{botId:"a"}"#, "The body is not valid JSON"),
        (r#"{"a":[}"#, "The body is not valid JSON"),
    ] {
        assert_eq!(found(body), Err(why.to_owned()), "{body}");
    }
}

/// Bodies out of a small grammar, most of them nearly right: where decoding reads one, the scan finds the same id.
#[test]
fn the_scan_and_decoding_never_find_two_ids() {
    let words = [
        "\"botId\"",
        "\"bot\\u0049d\"",
        "\"a\"",
        "\"x\\\"\"",
        "\"content\"",
        "\"messageType\"",
        "\"message\"",
        ":",
        ":",
        ":",
        ",",
        ",",
        "{",
        "}",
        "[",
        "]",
        "null",
        "1.5",
        " ",
        "\\",
        "\"",
        "\"botId\":\"a\",",
        "\"content\":\"c\",",
        "\"messageType\":\"event\"",
    ];
    let (_, chat) =
        chats().find(|(dialect, _)| dialect.bot_id == BotIdLocation::Body("botId")).unwrap();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 33) as usize % below
    };
    let (mut read, mut agreed) = (0, 0);
    for _ in 0..50_000 {
        let mut body = String::from("{\"botId\":\"a\",\"content\":\"c\",\"messageType\":\"event\"");
        for _ in 0..next(4) {
            body.push_str(",\"k\":{}");
        }
        body.push('}');
        for _ in 0..next(3) {
            let at = next(body.len());
            let to = at + next(body.len() - at).min(6);
            body.replace_range(at..to, words[next(words.len())]);
        }
        let frames = cut(&body, next(body.len() + 1));
        let id = body_id("botId", &frames);
        let decoded = decode(chat, Format::Json, body.as_bytes(), |read| read.is_ok());
        read += usize::from(decoded);
        let value: Result<Value, _> = serde_json::from_str(&body);
        match (&id, decoded, &value) {
            (Ok(id), true, Ok(value)) => {
                agreed += 1;
                assert_eq!(value["botId"], id.as_ref(), "{body}");
            }
            (Err(why), true, Ok(value)) => {
                // Only what the scan is stricter about.
                let why = why.to_string();
                let stricter = why.contains("escapes") || why.contains("letters");
                assert!(stricter, "{body} {value} {why}");
            }
            (_, true, Err(error)) => panic!("{body} {error}"),
            (_, false, _) => {}
        }
    }
    assert!(read > 5_000 && agreed > 5_000, "{read} {agreed}");
}
