//! `raw`: any method, any body, forwarded byte for byte to a backend that already speaks the sender's format.

use super::{BotIdLocation, Dialect, TestMessage};

pub(super) static RAW: Dialect = Dialect {
    name: "raw",
    path: None,
    bot_id: BotIdLocation::Path,
    preset: None,
    per_minute: None,
    test_message: TestMessage {
        method: "POST",
        content_type: "application/json",
        body: r#"{"user_id":"u_1","message":"Hello from Botgate"}"#,
    },
    chat: None,
};
