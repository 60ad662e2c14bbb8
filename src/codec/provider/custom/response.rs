//! The answer of seed 003: `content`, `attachments`, `metadata`; beside them `tool_calls` in seed 000's terms and `usage`.

use crate::codec::json::{self, Value};
use crate::codec::message::{Answer, AnswerError, Attachment, ToolCall, Usage};
use crate::codec::provider::{DecodeError, text};
use serde_json::value::RawValue;
use simd_json::prelude::*;
use std::borrow::Cow;

/// Reads the body of a 200.
///
/// # Errors
/// Why it is no answer.
pub(super) fn read<'t>(value: &Value<'_, 't>) -> Result<Answer<'t>, DecodeError> {
    let usage = usage(value);
    let fail = |fault| DecodeError { error: fault, usage };
    let text = text(value, "content")
        .ok_or(AnswerError::Invalid("it has no `content`, or that is no text"))
        .map_err(fail)?;
    let answer = beside(value).map_err(fail)?;
    if text.trim().is_empty() && answer.tool_calls.is_empty() && answer.attachments.is_empty() {
        return Err(fail(AnswerError::Empty));
    }
    Ok(Answer { text: Cow::Borrowed(text), usage, ..answer })
}

/// Everything of an answer but its text and its tokens.
pub(super) fn beside<'t>(value: &Value<'_, 't>) -> Result<Answer<'t>, AnswerError> {
    let mut answer = Answer::default();
    match value.get("metadata") {
        Some(metadata) if metadata.is_object() => answer.metadata = json::text_of(&metadata),
        Some(metadata) if !metadata.is_null() => {
            return Err(AnswerError::Invalid("its `metadata` is no object"));
        }
        _ => {}
    }
    each(value, "attachments", |file| {
        let part = |key| text(file, key).map(Cow::Borrowed);
        let url = part("url")
            .filter(|url| !url.is_empty())
            .ok_or(AnswerError::Invalid("an attachment has no `url`"))?;
        answer.attachments.push(Attachment {
            url,
            filename: part("filename"),
            mime_type: part("mime_type"),
        });
        Ok(())
    })?;
    each(value, "tool_calls", |call| {
        answer.tool_calls.push(tool(call)?);
        Ok(())
    })?;
    Ok(answer)
}

/// Shows each entry of a list that may be missing.
fn each<'w, 't>(
    value: &Value<'w, 't>,
    key: &str,
    mut see: impl FnMut(&Value<'w, 't>) -> Result<(), AnswerError>,
) -> Result<(), AnswerError> {
    let Some(list) = value.get(key).filter(|list| !list.is_null()) else {
        return Ok(());
    };
    let list = list
        .as_array()
        .ok_or(AnswerError::Invalid("its `attachments` or `tool_calls` are no list"))?;
    list.iter().try_for_each(|entry| see(&entry))
}

fn tool<'t>(call: &Value<'_, 't>) -> Result<ToolCall<'t>, AnswerError> {
    let name = text(call, "toolName")
        .or_else(|| text(call, "name"))
        .ok_or(AnswerError::Invalid("a tool call has no `toolName`"))?;
    let json = |key| call.get(key).and_then(|value| json::text_of(&value));
    let latency = call.get("latencyMs");
    let latency = latency.as_ref().and_then(|it| it.cast_f64());
    Ok(ToolCall {
        name: Cow::Borrowed(name),
        arguments: json("arguments").unwrap_or_else(|| RawValue::NULL.to_owned()),
        result: json("result"),
        // Whole milliseconds, whatever the backend's clock counts in; below zero is zero.
        latency_ms: latency.map(|latency| latency as u64),
        success: call.get_bool("success"),
    })
}

/// What it cost, where it says.
pub(super) fn usage(value: &Value<'_, '_>) -> Usage {
    let usage = value.get("usage");
    let count = |key| {
        let count = usage.as_ref().and_then(|usage| usage.get(key));
        count.and_then(|it| it.as_u64()).unwrap_or(0)
    };
    Usage { input: count("input_tokens"), output: count("output_tokens") }
}
