//! What BotPass's subscribers are sent.

use super::{chats, decode};
use crate::codec::bot_event::{Envelope, EventType, error, received, verification};
use crate::codec::dialect::Format;
use crate::codec::json::javascript;

const ENVELOPE: Envelope<'_> = Envelope { id: "0193", bot: "bot-id", now_ms: 1_691_670_896_999 };

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    let mut again = out.clone();
    javascript::rewrite(&mut again);
    assert_eq!(again, out);
    String::from_utf8(out).unwrap()
}

#[test]
fn what_a_bot_tells_becomes_an_event() {
    let cases = [
        (
            r#"{"botId":"b","messageType":"message","content":"Hi \u2028","data":{"b":1.0,"1":"</script>"}}"#,
            r#"{"id":"0193","type":"message.received","timestamp":"2023-08-10T12:34:56Z","data":{"agentId":"bot-id","messageId":"m1","messageType":"message","content":"Hi U+2028","data":{"1":"</script>","b":1}}}"#,
        ),
        (
            r#"{"botId":"b","messageType":"event","content":"clicked"}"#,
            r#"{"id":"0193","type":"message.received","timestamp":"2023-08-10T12:34:56Z","data":{"agentId":"bot-id","messageId":"m1","messageType":"event","content":"clicked","data":{}}}"#,
        ),
        (
            r#"{"botId":"b","messageType":"status","content":"up","timestamp":"2020-01-01T00:00:00.5+01:00"}"#,
            r#"{"id":"0193","type":"bot.status","timestamp":"2019-12-31T23:00:00.5Z","data":{"agentId":"bot-id","messageId":"m1","messageType":"status","content":"up","data":{}}}"#,
        ),
        (
            r#"{"botId":"b","messageType":"error","content":"down"}"#,
            r#"{"id":"0193","type":"bot.error","timestamp":"2023-08-10T12:34:56Z","data":{"agentId":"bot-id","messageId":"m1","messageType":"error","content":"down","data":{}}}"#,
        ),
    ];
    let (_, chat) = chats().find(|(dialect, _)| dialect.name == "botpass").unwrap();
    for (report, event) in cases {
        decode(chat, Format::Json, report.as_bytes(), |read| {
            let read = read.unwrap();
            let text = written(|out| received(&ENVELOPE, "m1", &read, out));
            assert_eq!(text, event.replace("U+2028", "\u{2028}"));
        });
    }
}

#[test]
fn what_botgate_tells_is_an_event() {
    assert_eq!(
        written(|out| error(&ENVELOPE, "m1", "the AI failed", out)),
        r#"{"id":"0193","type":"bot.error","timestamp":"2023-08-10T12:34:56Z","data":{"agentId":"bot-id","messageId":"m1","messageType":"error","content":"the AI failed"}}"#
    );
    for (active, status) in [(true, "active"), (false, "inactive")] {
        assert_eq!(
            written(|out| verification(&ENVELOPE, active, out)),
            format!(
                r#"{{"id":"0193","type":"bot.verification","timestamp":"2023-08-10T12:34:56Z","data":{{"agentId":"bot-id","status":"{status}"}}}}"#
            )
        );
    }
}

#[test]
fn every_kind_is_found_by_its_name() {
    for kind in EventType::ALL {
        assert_eq!(EventType::find(kind.name()), Some(kind));
    }
    assert_eq!(EventType::find("message.seen"), None);
}
