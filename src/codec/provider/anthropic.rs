//! Anthropic's messages.
//!
//! No `metadata.user_id` is sent: whom a caller serves is nobody else's business, and a hash of a guessable id hides nothing. No
//! sampling parameter is sent either, so that both versions of the API take the same request. The key goes as `x-api-key`, which
//! both of them read.

mod block;
mod message;
mod response;
mod stream;

use super::{Codec, DecodeError, StreamDecoder, Unsupported, append_endpoint, error_status, text};
use crate::codec::json;
use crate::codec::message::{Answer, ErrorResponse, ProviderRequest, Role};
use http::{HeaderMap, HeaderName};
use message::{Messages, System};
use serde::Serialize;

/// The codec.
#[derive(Debug)]
pub(super) struct Anthropic;

const VERSIONS: &[&str] = &["2023-06-01", "2026-10-21"];

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    max_tokens: u32,
    #[serde(skip_serializing_if = "System::is_empty")]
    system: System<'a>,
    messages: Messages<'a>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
}

impl Codec for Anthropic {
    fn name(&self) -> &'static str {
        "anthropic"
    }

    fn endpoint(&self, path: &str) -> String {
        append_endpoint(path, "/messages")
    }

    fn auth(&self, _version: Option<&str>) -> (HeaderName, &'static str) {
        (HeaderName::from_static("x-api-key"), "")
    }

    fn headers(&self, version: Option<&str>) -> Vec<(HeaderName, String)> {
        let version = version.or(VERSIONS.first().copied()).unwrap_or_default();
        vec![(HeaderName::from_static("anthropic-version"), version.to_owned())]
    }

    fn versions(&self) -> &'static [&'static str] {
        VERSIONS
    }

    fn example_model(&self) -> Option<&'static str> {
        Some("claude-sonnet-4-5")
    }

    fn encode(&self, ask: &ProviderRequest<'_>, out: &mut Vec<u8>) -> Result<(), Unsupported> {
        let messages = Messages::of(ask);
        match messages.last() {
            Some(Role::Assistant) => {
                let what =
                    "the last message must be the user's: this AI continues no answer of its own";
                return Err(Unsupported(what.to_owned()));
            }
            None => {
                let what = "there is no user's message to answer, or only white space in it";
                return Err(Unsupported(what.to_owned()));
            }
            Some(_) => {}
        }
        let request = Request {
            model: ask.model.unwrap_or_default(),
            max_tokens: ask.max_tokens,
            system: System::of(ask),
            messages,
            stream: ask.stream,
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
            let code = text(&value.get("error")?.get("details")?, "error_code")?;
            Some(code == "enforced_spend_limit_reached")
        });
        error_status::read(status, headers, now_ms, exhausted == Ok(Some(true)))
    }

    fn stream_decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(stream::Blocks::default())
    }
}
