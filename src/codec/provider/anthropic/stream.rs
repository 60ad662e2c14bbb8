//! A streamed answer of Anthropic's: named events, blocks that begin, grow and stop, the stop reason near the end.

use super::response::{Tokens, call, input, is_call, verdict};
use crate::codec::json::{self, Value};
use crate::codec::message::{Answer, AnswerError, Usage};
use crate::codec::provider::StreamDecoder;
use crate::codec::provider::tool_calls::{ToolCallFragments, arguments};
use simd_json::prelude::*;

/// What of the stream has been read.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    tokens: Tokens,
    calls: ToolCallFragments,
    /// Something was said that is not white space.
    spoke: bool,
    /// The stop reason came; whether it lets the answer stand.
    stop: Option<Result<(), AnswerError>>,
}

impl StreamDecoder for Blocks {
    fn event(&mut self, name: &str, data: &mut [u8], text: &mut String) -> Result<(), AnswerError> {
        match name {
            "error" => {
                Err(json::read(data, |event| why(&event)).unwrap_or(AnswerError::Interrupted))
            }
            "ping" => Ok(()),
            _ if data.is_empty() => Ok(()),
            _ => json::read(data, |event| self.read(&event, text))
                .map_err(|_| AnswerError::Invalid("an event of the stream is not valid JSON"))?,
        }
    }

    fn end(&mut self) -> Result<Answer<'static>, AnswerError> {
        self.stop.ok_or(AnswerError::Interrupted)??;
        let calls = self.calls.take().into_iter();
        let tool_calls: Vec<_> =
            calls.map(|(name, given)| call(name.into(), arguments(&given))).collect();
        if !self.spoke && tool_calls.is_empty() {
            return Err(AnswerError::Empty);
        }
        Ok(Answer { tool_calls, usage: self.tokens.usage(), ..Answer::default() })
    }

    fn usage(&self) -> Usage {
        self.tokens.usage()
    }
}

impl Blocks {
    fn read(&mut self, event: &Value<'_, '_>, text: &mut String) -> Result<(), AnswerError> {
        match event.get_str("type") {
            Some("error") => return Err(why(event)),
            Some("message_start") => {
                if let Some(told) = event.get("message").and_then(|it| it.get("usage")) {
                    self.tokens.take(&told);
                }
            }
            Some("content_block_start") => self.start(event, text)?,
            Some("content_block_delta") => {
                let Some(delta) = event.get("delta") else {
                    return Ok(());
                };
                if let Some(said) = delta.get_str("text") {
                    self.say(said, text);
                }
                if let Some(given) = delta.get_str("partial_json") {
                    self.calls.add(index(event), "", given)?;
                }
            }
            Some("message_delta") => {
                if let Some(told) = event.get("usage") {
                    self.tokens.take(&told);
                }
                let delta = event.get("delta");
                if let Some(reason) = delta.as_ref().and_then(|it| it.get_str("stop_reason")) {
                    self.stop = Some(verdict(Some(reason)));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A block begins: of text, perhaps with some of it, or of a call, whose input follows unless it is there already.
    fn start(&mut self, event: &Value<'_, '_>, text: &mut String) -> Result<(), AnswerError> {
        let Some(block) = event.get("content_block") else {
            return Ok(());
        };
        match block.get_str("type") {
            Some("text") => self.say(block.get_str("text").unwrap_or_default(), text),
            Some(kind) if is_call(kind) => {
                let name = block.get_str("name").unwrap_or_default();
                let whole = input(&block);
                let given = match whole.get() {
                    "{}" | "null" => "",
                    given => given,
                };
                self.calls.add(index(event), name, given)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn say(&mut self, said: &str, text: &mut String) {
        self.spoke |= !said.trim().is_empty();
        text.push_str(said);
    }
}

/// What an error event says.
fn why(event: &Value<'_, '_>) -> AnswerError {
    let error = event.get("error");
    match error.as_ref().and_then(|error| error.get_str("type")) {
        Some("overloaded_error") => AnswerError::Overloaded,
        _ => AnswerError::Interrupted,
    }
}

fn index(event: &Value<'_, '_>) -> u64 {
    event.get("index").and_then(|it| it.as_u64()).unwrap_or(0)
}
