//! A whole answer of OpenAI's.

use crate::codec::json::Value;
use crate::codec::message::{Answer, AnswerError, ToolCall, Usage};
use crate::codec::provider::tool_calls::arguments;
use crate::codec::provider::{DecodeError, is_present, text};
use simd_json::prelude::*;
use std::borrow::Cow;

/// Reads the body of a 200.
///
/// # Errors
/// Why it is no answer.
pub(super) fn read<'t>(value: &Value<'_, 't>) -> Result<Answer<'t>, DecodeError> {
    let usage = value.get("usage").map(|it| usage(&it)).unwrap_or_default();
    answer(value)
        .map(|answer| Answer { usage, ..answer })
        .map_err(|fault| DecodeError { error: fault, usage })
}

fn answer<'t>(value: &Value<'_, 't>) -> Result<Answer<'t>, AnswerError> {
    if is_present(value, "error") {
        return Err(AnswerError::Invalid("it is an error under the status 200"));
    }
    let choice = value
        .get("choices")
        .and_then(|choices| choices.get_idx(0))
        .ok_or(AnswerError::Invalid("it has no choices"))?;
    let message = choice
        .get("message")
        .filter(Value::is_object)
        .ok_or(AnswerError::Invalid("its first choice has no message"))?;
    let text = match message.get("content") {
        None => "",
        Some(content) if content.is_null() => "",
        Some(content) => {
            content.into_string().ok_or(AnswerError::Invalid("its message's content is no text"))?
        }
    };
    if message.get_str("refusal").is_some_and(|why| !why.is_empty()) {
        return Err(AnswerError::Refused);
    }
    let mut calls = Vec::new();
    if let Some(called) = message.get("tool_calls").and_then(|it| it.as_array()) {
        for call in called.iter() {
            calls.push(tool(&call)?);
        }
    }
    verdict(choice.get_str("finish_reason"))?;
    if calls.is_empty() && text.trim().is_empty() {
        return Err(AnswerError::Empty);
    }
    Ok(Answer { text: Cow::Borrowed(text), tool_calls: calls, ..Answer::default() })
}

/// What a finish reason says. One that nobody here knows says nothing against an answer that came whole.
pub(super) fn verdict(reason: Option<&str>) -> Result<(), AnswerError> {
    match reason {
        Some("length") => Err(AnswerError::Truncated),
        Some("content_filter") => Err(AnswerError::Filtered),
        _ => Ok(()),
    }
}

fn tool<'t>(call: &Value<'_, 't>) -> Result<ToolCall<'t>, AnswerError> {
    let of = |kind, given| {
        let kind = call.get(kind)?;
        Some((text(&kind, "name")?, text(&kind, given).unwrap_or_default()))
    };
    let (name, given) = of("function", "arguments")
        .or_else(|| of("custom", "input"))
        .ok_or(AnswerError::Invalid("a tool call has no name"))?;
    Ok(ToolCall {
        name: Cow::Borrowed(name),
        arguments: arguments(given),
        result: None,
        latency_ms: None,
        success: None,
    })
}

/// What it cost. Tokens from a cache are part of the prompt's, those of reasoning part of the completion's.
pub(super) fn usage(value: &Value<'_, '_>) -> Usage {
    let count = |key| value.get(key).and_then(|it| it.as_u64()).unwrap_or(0);
    Usage { input: count("prompt_tokens"), output: count("completion_tokens") }
}
