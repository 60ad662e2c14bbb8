//! What a dialect without words of its own says when the answer comes later: the 202, and the callback's body; and what any
//! callback is sent as a test.

use super::Receipt;
use super::reply_parts::{rfc3339, write_json};
use crate::codec::json::javascript;
use serde::Serialize;

/// Appends `{"status":"accepted","id","conversation_id"}`.
pub(super) fn encode_accepted(receipt: &Receipt<'_>, out: &mut Vec<u8>) {
    #[derive(Serialize)]
    struct Shape<'a> {
        status: &'static str,
        id: &'a str,
        conversation_id: &'a str,
    }
    write_json(
        &Shape {
            status: "accepted",
            id: receipt.message_id,
            conversation_id: receipt.conversation,
        },
        out,
    );
}

/// Appends the reply's object with `bot_id`, `user_id` and `channel_id` or `conversation_id` added to it.
pub(super) fn encode_callback(mut reply: Vec<u8>, receipt: &Receipt<'_>, out: &mut Vec<u8>) {
    #[derive(Serialize)]
    struct Beside<'a> {
        bot_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        user_id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        channel_id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        conversation_id: Option<&'a str>,
    }
    let channel = receipt.event.channel.as_deref();
    let own = receipt.event.conversation.as_deref();
    let mut beside = Vec::new();
    write_json(
        &Beside {
            bot_id: receipt.bot,
            user_id: receipt.event.user.id.as_deref(),
            channel_id: channel.filter(|_| own.is_none()),
            conversation_id: own.or(channel.is_none().then_some(receipt.conversation)),
        },
        &mut beside,
    );
    // Two objects, neither of them empty, become one.
    reply.pop();
    reply.push(b',');
    reply.extend_from_slice(beside.get(1..).unwrap_or_default());
    javascript::rewrite(&mut reply);
    out.append(&mut reply);
}

/// Appends what tells a bot's receiver that it is reached (seed 002). A bot without a name goes by its id.
pub fn encode_test_callback(bot: &str, name: Option<&str>, now_ms: u64, out: &mut Vec<u8>) {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Shape<'a> {
        test: bool,
        message: &'static str,
        timestamp: &'a str,
        connection_id: &'a str,
        connection_name: &'a str,
    }
    write_json(
        &Shape {
            test: true,
            message: "This is a test webhook from your chatbot!",
            timestamp: &rfc3339(now_ms),
            connection_id: bot,
            connection_name: name.unwrap_or(bot),
        },
        out,
    );
}
