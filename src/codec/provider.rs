//! The upstream codecs: how each kind of AI is asked and how its answer is read. An open set, so a table: a new one is a file and
//! its line.

mod anthropic;
mod custom;
mod data_url;
mod error_status;
mod openai;
mod position;
pub mod sse;
#[cfg(test)]
mod tests;
mod tool_calls;
mod user_name;

use crate::codec::json;
use crate::codec::keys::{KeyError, KeySchema, Written};
use crate::codec::message::{Answer, AnswerError, ErrorResponse, ProviderRequest, Usage};
use http::{HeaderMap, HeaderName};
use simd_json::prelude::*;

/// The most tokens of an answer unless the configuration says otherwise.
pub const DEFAULT_MAX_TOKENS: u32 = 4096;

/// What the keys of `[upstreams.NAME]` say that a kind brings itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The model's name; `None` where the API has none.
    pub model: Option<String>,
    /// The most tokens that may be answered. What the API is not told still bounds what is set aside of a budget.
    pub max_tokens: u32,
    /// The version of the API; `None` where it has none.
    pub version: Option<&'static str>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { model: None, max_tokens: DEFAULT_MAX_TOKENS, version: None }
    }
}

/// One kind of upstream. Pure: bytes in, values out.
pub trait Codec: Sync + std::fmt::Debug {
    /// Its name in the configuration.
    fn name(&self) -> &'static str;

    /// The schema of the keys of `[upstreams.NAME]` that only some kinds have; `None`: this one has none.
    fn keys(&self) -> Option<KeySchema> {
        None
    }

    /// What those keys say.
    ///
    /// # Errors
    /// What is wrong with each of them.
    fn settings(&self, _written: &Written) -> Result<Settings, Vec<KeyError>> {
        Ok(Settings::default())
    }

    /// The path that requests go to, from the path of the configured URL (without a slash at its end, often empty). It may depend
    /// on the model and on whether the answer is asked for as a stream.
    fn endpoint(&self, path: &str, settings: &Settings, stream: bool) -> String;

    /// The header field that carries the key: its name and what stands before the key in its value.
    fn auth(&self, settings: &Settings) -> (HeaderName, &'static str);

    /// Further header fields of every request, `content-type` left out.
    fn headers(&self, _settings: &Settings) -> Vec<(HeaderName, String)> {
        Vec::new()
    }

    /// Appends the request's body.
    ///
    /// # Errors
    /// A part that this kind of AI cannot take, named so that the caller can leave it out.
    fn encode(&self, ask: &ProviderRequest<'_>, out: &mut Vec<u8>) -> Result<(), Unsupported>;

    /// Reads the body of a 200. Of a key that stands twice the first counts.
    ///
    /// # Errors
    /// Why it is no answer, and what it cost all the same.
    fn decode<'a>(&self, body: &'a mut [u8]) -> Result<Answer<'a>, DecodeError>;

    /// Reads any other response, `now_ms` milliseconds after 1970. A body that is broken or cut short tells nothing.
    fn decode_error(
        &self,
        status: u16,
        headers: &HeaderMap,
        body: &mut [u8],
        now_ms: u64,
    ) -> ErrorResponse;

    /// A reader of one streamed answer.
    fn stream_decoder(&self) -> Box<dyn StreamDecoder>;
}

/// A streamed answer, read piece by piece: one event of the stream at a time.
pub trait StreamDecoder {
    /// Takes one server-sent event: its `event` field (`""` where there is none) and its `data`. Appends the text that it adds.
    ///
    /// # Errors
    /// An error event, or one that makes no sense. Nothing that comes after it counts.
    fn event(&mut self, name: &str, data: &mut [u8], text: &mut String) -> Result<(), AnswerError>;

    /// The stream is over, cleanly as far as the connection goes: all of the answer but its text, or why it is none.
    ///
    /// # Errors
    /// It had not come to its end, or its end says that it is no answer.
    fn end(&mut self) -> Result<Answer<'static>, AnswerError>;

    /// Tokens as far as they are known: what an answer that broke off cost.
    fn usage(&self) -> Usage;
}

/// What a kind of AI cannot take: the caller's field or part, and what would do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unsupported(pub String);

impl From<serde_json::Error> for Unsupported {
    /// Writing into memory fails only where a part's own `Serialize` says why.
    fn from(error: serde_json::Error) -> Self {
        Self(error.to_string())
    }
}

/// A 200 that is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct DecodeError {
    /// Why.
    pub error: AnswerError,
    /// What it cost all the same: an answer that was cut short is paid for like any other.
    pub usage: Usage,
}

impl From<AnswerError> for DecodeError {
    fn from(fault: AnswerError) -> Self {
        let usage = Usage::default();
        Self { error: fault, usage }
    }
}

impl From<json::NotJson> for DecodeError {
    fn from(_: json::NotJson) -> Self {
        AnswerError::Invalid("it is not valid JSON").into()
    }
}

/// The kind that forwards bytes as they are, and so needs no codec.
pub const FORWARDING: &str = "passthrough";

/// Every codec.
pub static CODECS: &[&dyn Codec] = &[&custom::Custom, &openai::OpenAi, &anthropic::Anthropic];

/// The codec of that name.
pub fn find(name: &str) -> Option<&'static dyn Codec> {
    CODECS.iter().copied().find(|codec| codec.name() == name)
}

/// The names of all kinds, the one without a codec first.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    std::iter::once(FORWARDING).chain(CODECS.iter().map(|codec| codec.name()))
}

/// A model that must be named.
fn required_model(written: Option<String>, example: &'static str) -> Result<String, KeyError> {
    match written {
        None => Err(KeyError::Missing { key: "model", example }),
        Some(model) if model.trim().is_empty() => Err(KeyError::Empty { key: "model", example }),
        Some(model) => Ok(model),
    }
}

/// A base path and the endpoint below it: appended unless it is there, below `/v1` where there is no path at all.
fn append_endpoint(path: &str, endpoint: &str) -> String {
    if path.ends_with(endpoint) {
        path.to_owned()
    } else if path.is_empty() {
        format!("/v1{endpoint}")
    } else {
        format!("{path}{endpoint}")
    }
}

/// Whether a key is there and not null.
fn is_present(value: &json::Value<'_, '_>, key: &str) -> bool {
    value.get(key).is_some_and(|value| !value.is_null())
}

/// The text under a key, borrowed from what was parsed.
fn text<'t>(value: &json::Value<'_, 't>, key: &str) -> Option<&'t str> {
    value.get(key)?.into_string()
}
