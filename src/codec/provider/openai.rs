//! OpenAI's chat completions, and whatever else speaks them.
//!
//! No `user` and no `safety_identifier` is sent: whom a caller serves is nobody else's business, and a hash of a guessable id hides
//! nothing. `max_completion_tokens` is sent and never `max_tokens`, which reasoning models refuse.

mod message;
mod part;
mod response;
mod stream;

use super::{Codec, DecodeError, StreamDecoder, Unsupported, append_endpoint, error_status, text};
use crate::codec::json;
use crate::codec::message::{Answer, ErrorResponse, ProviderRequest};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use message::Messages;
use serde::Serialize;

/// The codec.
#[derive(Debug)]
pub(super) struct OpenAi;

/// What a 429 says when waiting does not help.
const SPENT: &[&str] = &["insufficient_quota", "billing_hard_limit_reached", "billing_not_active"];

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

    fn endpoint(&self, path: &str) -> String {
        append_endpoint(path, "/chat/completions")
    }

    fn auth(&self, _version: Option<&str>) -> (HeaderName, &'static str) {
        (AUTHORIZATION, "Bearer ")
    }

    fn headers(&self, _version: Option<&str>) -> Vec<(HeaderName, String)> {
        Vec::new()
    }

    fn versions(&self) -> &'static [&'static str] {
        &[]
    }

    fn example_model(&self) -> Option<&'static str> {
        Some("gpt-4o")
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
