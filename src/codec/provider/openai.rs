//! OpenAI's chat completions, and whatever else speaks them.
//!
//! No `user` and no `safety_identifier` is sent: whom a caller serves is nobody else's business, and a hash of a guessable id hides
//! nothing. `max_completion_tokens` is sent and never `max_tokens`, which reasoning models refuse.

mod message;
mod part;
mod response;
mod stream;

use super::{
    Codec, DEFAULT_MAX_TOKENS, DecodeError, Settings, StreamDecoder, Unsupported, append_endpoint,
    error_status, required_model, text,
};
use crate::codec::json;
use crate::codec::keys::{self, KeyError, KeySchema, Written};
use crate::codec::message::{Answer, ErrorResponse, ProviderRequest};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use message::Messages;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The codec.
#[derive(Debug)]
pub(super) struct OpenAi;

/// What a 429 says when waiting does not help.
const SPENT: &[&str] = &["insufficient_quota", "billing_hard_limit_reached", "billing_not_active"];

/// The keys of `[upstreams.NAME]` that this kind brings.
#[derive(Default, Deserialize, JsonSchema)]
struct Keys {
    /// The model.
    #[schemars(example = &EXAMPLE_MODEL)]
    model: Option<String>,
    /// The most tokens of an answer.
    #[schemars(range(min = 1, max = 10_000_000), example = 4096, extend("default" = 4096))]
    max_tokens: Option<u32>,
}

const EXAMPLE_MODEL: &str = "gpt-4o";

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    messages: Messages<'a>,
    max_completion_tokens: u32,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
}

/// Without it a stream does not say what it cost.
#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

impl Codec for OpenAi {
    fn name(&self) -> &'static str {
        "openai"
    }

    fn keys(&self) -> Option<KeySchema> {
        Some(Keys::json_schema)
    }

    fn settings(&self, written: &Written) -> Result<Settings, Vec<KeyError>> {
        let Keys { model, max_tokens } = keys::read(written);
        let model = required_model(model, EXAMPLE_MODEL).map_err(|error| vec![error])?;
        Ok(Settings {
            model: Some(model),
            max_tokens: max_tokens.unwrap_or(DEFAULT_MAX_TOKENS),
            version: None,
        })
    }

    fn endpoint(&self, path: &str, _: &Settings, _: bool) -> String {
        append_endpoint(path, "/chat/completions")
    }

    fn auth(&self, _: &Settings) -> (HeaderName, &'static str) {
        (AUTHORIZATION, "Bearer ")
    }

    fn encode(&self, ask: &ProviderRequest<'_>, out: &mut Vec<u8>) -> Result<(), Unsupported> {
        let request = Request {
            model: ask.model.unwrap_or_default(),
            messages: Messages::of(ask),
            max_completion_tokens: ask.max_tokens,
            stream: ask.stream,
            stream_options: ask.stream.then_some(StreamOptions { include_usage: true }),
        };
        Ok(serde_json::to_writer(out, &request)?)
    }

    fn decode<'a>(&self, body: &'a mut [u8]) -> Result<Answer<'a>, DecodeError> {
        json::read(body, |value| response::read(&value))?
    }

    fn decode_error(
        &self,
        status: u16,
        headers: &HeaderMap,
        body: &mut [u8],
        now_ms: u64,
    ) -> ErrorResponse {
        let exhausted = json::read(body, |value| {
            let error = value.get("error")?;
            let spent = |key| text(&error, key).is_some_and(|word| SPENT.contains(&word));
            Some(spent("code") || spent("type"))
        });
        error_status::read(status, headers, now_ms, exhausted == Ok(Some(true)))
    }

    fn stream_decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(stream::Chunks::default())
    }
}
