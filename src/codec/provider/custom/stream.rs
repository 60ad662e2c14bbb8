//! A streamed answer of a backend of one's own.

use super::response::{beside, usage};
use crate::codec::json;
use crate::codec::message::{Answer, AnswerError, Usage};
use crate::codec::provider::StreamDecoder;
use simd_json::prelude::*;

/// What of the stream has been read.
#[derive(Debug, Default)]
pub(super) struct Lines {
    usage: Usage,
    /// Something came, be it white space.
    began: bool,
    /// Something was said that is not white space.
    spoke: bool,
    done: Option<Answer<'static>>,
}

impl StreamDecoder for Lines {
    fn event(&mut self, name: &str, data: &mut [u8], text: &mut String) -> Result<(), AnswerError> {
        if self.done.is_some() {
            return Ok(());
        }
        let says = match name {
            "error" => return Err(AnswerError::Interrupted),
            "done" => "content",
            "" | "message" => "delta",
            _ => return Ok(()),
        };
        if data.is_empty() {
            return Ok(());
        }
        json::read(data, |value| {
            let said = value.get_str(says);
            if name == "done" {
                self.usage = usage(&value);
                self.done = Some(beside(&value)?.into_owned());
                // The whole once more; news only to who has heard nothing yet.
                if self.began {
                    return Ok(());
                }
            } else if said.is_none() {
                return Err(AnswerError::Invalid("an event of the stream has no `delta`"));
            }
            let said = said.unwrap_or_default();
            self.began |= !said.is_empty();
            self.spoke |= !said.trim().is_empty();
            text.push_str(said);
            Ok(())
        })
        .map_err(|_| AnswerError::Invalid("an event of the stream is not valid JSON"))?
    }

    fn end(&mut self) -> Result<Answer<'static>, AnswerError> {
        let answer = self.done.take().ok_or(AnswerError::Interrupted)?;
        if !self.spoke && answer.tool_calls.is_empty() && answer.attachments.is_empty() {
            return Err(AnswerError::Empty);
        }
        let usage = self.usage;
        Ok(Answer { usage, ..answer })
    }

    fn usage(&self) -> Usage {
        self.usage
    }
}
