//! What tools were called with, and calls that come in fragments.

use crate::codec::json::Json;
use crate::codec::message::AnswerError;
use serde_json::value::{RawValue, to_raw_value};

/// The most calls of one answer.
const MAX_TOOL_CALLS: usize = 128;

/// The most bytes of all their names and arguments: 1 MiB.
const MAX_TOOL_CALL_BYTES: usize = 1 << 20;

/// The calls of one answer so far: the index that the AI gave, the name, the arguments.
#[derive(Debug, Default)]
pub(super) struct ToolCallFragments {
    calls: Vec<(u64, String, String)>,
    bytes: usize,
}

impl ToolCallFragments {
    /// Adds a fragment to the call with that index.
    ///
    /// # Errors
    /// It is too much of it.
    pub(super) fn add(
        &mut self,
        index: u64,
        name: &str,
        arguments: &str,
    ) -> Result<(), AnswerError> {
        self.bytes += name.len() + arguments.len();
        if self.bytes > MAX_TOOL_CALL_BYTES {
            return Err(AnswerError::Invalid("its tool calls are over 1 MiB"));
        }
        let known = self.calls.iter().rposition(|(known, ..)| *known == index);
        let at = match known {
            Some(at) => at,
            None if self.calls.len() == MAX_TOOL_CALLS => {
                return Err(AnswerError::Invalid("it has over 128 tool calls"));
            }
            None => {
                self.calls.push((index, String::new(), String::new()));
                self.calls.len() - 1
            }
        };
        if let Some((_, known, given)) = self.calls.get_mut(at) {
            known.push_str(name);
            given.push_str(arguments);
        }
        Ok(())
    }

    /// All calls, name and arguments, in the order in which they began.
    pub(super) fn take(&mut self) -> Vec<(String, String)> {
        let calls = std::mem::take(&mut self.calls).into_iter();
        calls.map(|(_, name, given)| (name, given)).collect()
    }
}

/// What a tool was called with: the JSON that the model wrote; in a JSON string what it did not write well.
pub(super) fn arguments(text: &str) -> Json {
    match text.trim() {
        "" => RawValue::from_string("{}".to_owned()),
        text => RawValue::from_string(text.to_owned()).or_else(|_| to_raw_value(text)),
    }
    .unwrap_or_else(|_| RawValue::NULL.to_owned())
}
