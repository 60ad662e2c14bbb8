//! Pieces of a reply that several dialects have in common.

use crate::codec::json::{self, Json, javascript};
use crate::codec::message::{Answer, ToolCall};
use serde::{Serialize, Serializer};
use std::borrow::Cow;

/// What an answer says in a dialect without a place for attachments: their URLs follow the text, one a line.
pub(in crate::codec) fn text_with_attachments<'a>(answer: &'a Answer<'_>) -> Cow<'a, str> {
    if answer.attachments.is_empty() {
        return Cow::Borrowed(&answer.text);
    }
    let text = std::iter::once(&answer.text);
    let urls = answer.attachments.iter().map(|attachment| &attachment.url);
    let lines: Vec<&str> =
        text.chain(urls).map(|line| line.as_ref()).filter(|line| !line.is_empty()).collect();
    Cow::Owned(lines.join("\n"))
}

/// Tool calls as seed 000 shows them, every key always there.
///
/// What the backend does not say: `result` is null, `latencyMs` is 0, and a call counts as a success where a result came.
pub(super) struct ReportedToolCalls<'a>(pub(super) &'a [ToolCall<'a>]);

impl Serialize for ReportedToolCalls<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Shape<'a> {
            tool_name: &'a str,
            arguments: &'a Json,
            result: Option<&'a Json>,
            latency_ms: u64,
            success: bool,
        }
        serializer.collect_seq(self.0.iter().map(|call| Shape {
            tool_name: &call.name,
            arguments: &call.arguments,
            result: call.result.as_ref(),
            latency_ms: call.latency_ms.unwrap_or(0),
            success: call.success.unwrap_or(call.result.is_some()),
        }))
    }
}

/// Appends a value as JSON. Nothing that a reply is made of can fail to be written.
pub(in crate::codec) fn write_json(value: &impl Serialize, out: &mut Vec<u8>) {
    let _ = serde_json::to_writer(out, value);
}

/// The second of a time, in milliseconds since 1970, as the seeds show it: `2024-01-15T10:30:00Z`.
pub(in crate::codec) fn rfc3339(now_ms: u64) -> String {
    let second = i64::try_from(now_ms / 1000).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(second).unwrap_or(jiff::Timestamp::MAX).to_string()
}

/// Appends a caller's object as JavaScript would write it, or `{}`.
pub(in crate::codec) fn write_object(object: Option<&Json>, out: &mut Vec<u8>) {
    let start = out.len();
    let mut text = object.map_or("{}", |text| text.get()).as_bytes().to_vec();
    if json::read(&mut text, |value| javascript::write(&value, out)).is_err() {
        out.truncate(start);
        out.extend_from_slice(b"{}");
    }
}
