//! A whole answer of Anthropic's.

use crate::codec::json::{self, Json, Value};
use crate::codec::message::{Answer, AnswerError, ToolCall, Usage};
use crate::codec::provider::{self, DecodeError};
use serde_json::value::RawValue;
use simd_json::prelude::*;
use std::borrow::Cow;

/// Tokens as they are told here: the three sorts of input have nothing in common (in OpenAI's API one holds the others).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tokens {
    input: u64,
    written: u64,
    read: u64,
    output: u64,
}

impl Tokens {
    /// Takes over what is told, and leaves what is not: in a stream the end need not repeat what the beginning said.
    pub(super) fn take(&mut self, value: &Value<'_, '_>) {
        for (key, count) in [
            ("input_tokens", &mut self.input),
            ("cache_creation_input_tokens", &mut self.written),
            ("cache_read_input_tokens", &mut self.read),
            ("output_tokens", &mut self.output),
        ] {
            if let Some(told) = value.get(key).and_then(|it| it.as_u64()) {
                *count = told;
            }
        }
    }

    /// All of them.
    pub(super) fn usage(&self) -> Usage {
        Usage {
            input: self.input.saturating_add(self.written).saturating_add(self.read),
            output: self.output,
        }
    }
}

/// Reads the body of a 200.
///
/// # Errors
/// Why it is no answer.
pub(super) fn read<'t>(value: &Value<'_, 't>) -> Result<Answer<'t>, DecodeError> {
    let mut tokens = Tokens::default();
    if let Some(told) = value.get("usage") {
        tokens.take(&told);
    }
    let usage = tokens.usage();
    answer(value)
        .map(|answer| Answer { usage, ..answer })
        .map_err(|fault| DecodeError { error: fault, usage })
}

fn answer<'t>(value: &Value<'_, 't>) -> Result<Answer<'t>, AnswerError> {
    if value.get_str("type") == Some("error") {
        return Err(AnswerError::Invalid("it is an error under the status 200"));
    }
    let blocks = value
        .get("content")
        .and_then(|content| content.as_array())
        .ok_or(AnswerError::Invalid("it has no list of content blocks"))?;
    let mut text = Cow::Borrowed("");
    let mut calls = Vec::new();
    for block in blocks.iter() {
        match block.get_str("type") {
            Some("text") => {
                let said = provider::text(&block, "text")
                    .ok_or(AnswerError::Invalid("a text block has no text"))?;
                // A sentence with citations in it comes in several blocks.
                text += said;
            }
            Some(kind) if is_call(kind) => {
                let name = provider::text(&block, "name")
                    .ok_or(AnswerError::Invalid("a tool call has no name"))?;
                calls.push(call(Cow::Borrowed(name), input(&block)));
            }
            Some(_) => {}
            None => return Err(AnswerError::Invalid("a content block has no type")),
        }
    }
    verdict(value.get_str("stop_reason"))?;
    if calls.is_empty() && text.trim().is_empty() {
        return Err(AnswerError::Empty);
    }
    Ok(Answer { text, tool_calls: calls, ..Answer::default() })
}

/// What a stop reason says. One that nobody here knows says nothing against an answer that came whole.
pub(super) fn verdict(reason: Option<&str>) -> Result<(), AnswerError> {
    match reason {
        Some("max_tokens" | "model_context_window_exceeded") => Err(AnswerError::Truncated),
        Some("refusal") => Err(AnswerError::Refused),
        _ => Ok(()),
    }
}

/// Whether a block of this type calls a tool, be it ours, the vendor's own or one behind MCP.
pub(super) fn is_call(kind: &str) -> bool {
    matches!(kind, "tool_use" | "server_tool_use" | "mcp_tool_use")
}

/// What a tool was called with.
pub(super) fn input(block: &Value<'_, '_>) -> Json {
    block
        .get("input")
        .and_then(|input| json::text_of(&input))
        .unwrap_or_else(|| RawValue::NULL.to_owned())
}

/// A call, of which this API says no more.
pub(super) fn call(name: Cow<'_, str>, arguments: Json) -> ToolCall<'_> {
    ToolCall { name, arguments, result: None, latency_ms: None, success: None }
}
