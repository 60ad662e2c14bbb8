//! Bodies of callbacks and events with texts, keys and numbers that are easily written otherwise.

use botgate::codec::bot_event;
use botgate::codec::dialect::{self, Format, Receipt};
use botgate::codec::message::Answer;
use std::borrow::Cow;

/// Messages that are answered, as their callers wrote them. `METADATA` and `TEXT` are replaced.
const MESSAGES: [(&str, &str); 5] = [
    ("aerostack", r#"{"text":"Hi","user_id":"TEXT","channel_id":"c"}"#),
    ("aibutler", r#"{"user_id":"TEXT","message":"Hi","metadata":METADATA}"#),
    ("fourthchat", r#"{"connectionId":"b","message":"Hi","userId":"TEXT","metadata":METADATA}"#),
    (
        "chatbot-platform",
        r#"{"messages":[{"role":"user","content":"Hi"}],"conversation_id":"TEXT","user":{"id":"u"}}"#,
    ),
    ("botpass", r#"{"botId":"b","messageType":"message","content":"TEXT","data":METADATA}"#),
];

/// Pieces that texts are made of.
const PIECES: [&str; 22] = [
    "a",
    " ",
    "\"",
    "\\",
    "/",
    "</script>",
    "<!--",
    "\u{2028}",
    "\u{2029}",
    "\0",
    "\u{1}",
    "\u{8}",
    "\t",
    "\n",
    "\u{1f}",
    "\u{7f}",
    "\u{80}",
    "ü",
    "😀",
    "\u{fffe}",
    "\u{10ffff}",
    "{{}}",
];

/// Values that metadata is made of, as their callers wrote them.
const VALUES: [&str; 20] = [
    "0",
    "-0",
    "-0.0",
    "1.50",
    "1e21",
    "1E-7",
    "123456789012345680000",
    "12345678901234567890",
    "9007199254740993",
    "0.1",
    "5e-324",
    "1.7976931348623157e308",
    "true",
    "null",
    "[]",
    "{}",
    "\"\\ud83d\\ude00\\u2028\"",
    "[1.0,[2.0]]",
    "{\"2\":0,\"1\":{}}",
    "{\"b\":1,\"a\":2,\"b\":3}",
];

/// Keys that JavaScript puts elsewhere, or that mean something to it.
const KEYS: [&str; 14] = [
    "a",
    "b",
    "10",
    "9",
    "0",
    "01",
    "-1",
    "4294967294",
    "4294967295",
    "1.5",
    "__proto__",
    "constructor",
    "toString",
    "",
];

/// All bodies, each with the name of its dialect.
pub(super) fn all() -> Vec<(Vec<u8>, &'static str)> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut bodies = Vec::new();
    for (name, message) in MESSAGES {
        let chat = dialect::find(name).unwrap().chat.unwrap();
        for _ in 0..100 {
            let quoted = serde_json::to_string(&random.text()).unwrap();
            let text = &quoted[1..quoted.len() - 1];
            let metadata = random.metadata();
            let message = message.replace("TEXT", &format!("t{text}"));
            let mut message = message.replace("METADATA", &metadata).into_bytes();
            let event = chat
                .decode(Format::Json, &mut message)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            let answer = Answer {
                text: Cow::Owned(random.text()),
                metadata: serde_json::value::RawValue::from_string(metadata).ok(),
                ..Answer::default()
            };
            let receipt = Receipt {
                bot: "b",
                event: &event,
                conversation: "0123",
                message_id: "4567",
                now_ms: 1_705_314_600_000,
                model: None,
                latency_ms: 812,
                micro_cents: 163_250,
                xml: false,
            };
            let mut body = Vec::new();
            chat.encode_callback(&answer, &receipt, &mut body);
            bodies.push((body, name));
            if name == "botpass" {
                let envelope =
                    bot_event::Envelope { id: "0193", bot: "b", now_ms: 1_705_314_600_000 };
                let mut body = Vec::new();
                bot_event::received(&envelope, "4567", &event, &mut body);
                bodies.push((body, name));
            }
        }
    }
    bodies
}

/// Numbers by xorshift, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }

    fn text(&mut self) -> String {
        let count = self.below(12);
        (0..count).map(|_| PIECES[self.below(PIECES.len())]).collect()
    }

    fn metadata(&mut self) -> String {
        let count = self.below(8);
        let members: Vec<_> = (0..count)
            .map(|_| {
                let (key, value) = (self.below(KEYS.len()), self.below(VALUES.len()));
                format!("\"{}\" : {}", KEYS[key], VALUES[value])
            })
            .collect();
        format!("{{{}}}", members.join(", "))
    }
}
