//! A streamed answer of OpenAI's: unnamed events, each a chunk, `[DONE]` at the end.

use super::response::{usage, verdict};
use crate::codec::json::{self, Value};
use crate::codec::message::{Answer, AnswerError, ToolCall, Usage};
use crate::codec::provider::tool_calls::{ToolCallFragments, arguments};
use crate::codec::provider::{StreamDecoder, is_present};
use simd_json::prelude::*;

/// What of the stream has been read.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    usage: Usage,
    calls: ToolCallFragments,
    /// Something was said that is not white space.
    spoke: bool,
    refused: bool,
    /// The finish reason came; whether it lets the answer stand.
    finish: Option<Result<(), AnswerError>>,
    done: bool,
}

impl StreamDecoder for Chunks {
    fn event(&mut self, name: &str, data: &mut [u8], text: &mut String) -> Result<(), AnswerError> {
        if self.done || data.is_empty() {
            return Ok(());
        }
        // The vendor's own clients look no further than this either.
        if data.starts_with(b"[DONE]") {
            self.done = true;
            return Ok(());
        }
        if name == "error" {
            return Err(AnswerError::Interrupted);
        }
        json::read(data, |chunk| self.chunk(&chunk, text))
            .map_err(|_| AnswerError::Invalid("an event of the stream is not valid JSON"))?
    }

    fn end(&mut self) -> Result<Answer<'static>, AnswerError> {
        self.finish.ok_or(AnswerError::Interrupted)??;
        if self.refused {
            return Err(AnswerError::Refused);
        }
        let calls = self.calls.take().into_iter();
        let tool_calls: Vec<_> = calls
            .map(|(name, given)| ToolCall {
                name: name.into(),
                arguments: arguments(&given),
                result: None,
                latency_ms: None,
                success: None,
            })
            .collect();
        if !self.spoke && tool_calls.is_empty() {
            return Err(AnswerError::Empty);
        }
        Ok(Answer { tool_calls, usage: self.usage, ..Answer::default() })
    }

    fn usage(&self) -> Usage {
        self.usage
    }
}

impl Chunks {
    fn chunk(&mut self, chunk: &Value<'_, '_>, text: &mut String) -> Result<(), AnswerError> {
        if is_present(chunk, "error") {
            return Err(AnswerError::Interrupted);
        }
        // Every chunk has it as null but one; some servers count in each.
        if let Some(told) = chunk.get("usage").filter(Value::is_object) {
            self.usage = usage(&told);
        }
        let Some(choices) = chunk.get("choices").and_then(|it| it.as_array()) else {
            return Ok(());
        };
        for choice in choices.iter() {
            if choice.get("index").and_then(|it| it.as_u64()).unwrap_or(0) != 0 {
                continue;
            }
            if let Some(delta) = choice.get("delta") {
                self.delta(&delta, text)?;
            }
            if let Some(reason) = choice.get_str("finish_reason") {
                self.finish = Some(verdict(Some(reason)));
            }
        }
        Ok(())
    }

    fn delta(&mut self, delta: &Value<'_, '_>, text: &mut String) -> Result<(), AnswerError> {
        if let Some(said) = delta.get_str("content") {
            self.spoke |= !said.trim().is_empty();
            text.push_str(said);
        }
        self.refused |= delta.get_str("refusal").is_some_and(|why| !why.is_empty());
        let Some(called) = delta.get("tool_calls").and_then(|it| it.as_array()) else {
            return Ok(());
        };
        for call in called.iter() {
            let index = call.get("index").and_then(|it| it.as_u64()).unwrap_or(0);
            let (tool, given) = match call.get("custom") {
                Some(tool) => (Some(tool), "input"),
                None => (call.get("function"), "arguments"),
            };
            let of = |key| tool.as_ref().and_then(|tool| tool.get_str(key)).unwrap_or("");
            self.calls.add(index, of("name"), of(given))?;
        }
        Ok(())
    }
}
