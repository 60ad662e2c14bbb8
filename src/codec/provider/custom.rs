//! A backend of one's own: seed 003's request and response, with `tool_calls` and `usage` beside, and a stream of our own.
//!
//! The stream, asked for with `"stream":true`: events without a name hold `{"delta":"text"}`; the last is
//! `event: done` with the whole response, `content` in it optional; `event: error` with `{"error","code"}` ends it as a failure.

mod message;
mod object;
mod request;
mod response;
mod stream;

use super::{Codec, DecodeError, Settings, StreamDecoder, Unsupported, error_status};
use crate::codec::json;
use crate::codec::message::{Answer, ErrorResponse, ProviderRequest};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};

/// The codec.
#[derive(Debug)]
pub(super) struct Custom;

impl Codec for Custom {
    fn name(&self) -> &'static str {
        "custom"
    }

    fn endpoint(&self, path: &str, _: &Settings, _: bool) -> String {
        match path {
            "" => "/".to_owned(),
            path => path.to_owned(),
        }
    }

    fn auth(&self, _: &Settings) -> (HeaderName, &'static str) {
        (AUTHORIZATION, "Bearer ")
    }

    fn encode(&self, ask: &ProviderRequest<'_>, out: &mut Vec<u8>) -> Result<(), Unsupported> {
        Ok(request::write(ask, out)?)
    }

    fn decode<'a>(&self, body: &'a mut [u8]) -> Result<Answer<'a>, DecodeError> {
        json::read(body, |value| response::read(&value))?
    }

    fn decode_error(
        &self,
        status: u16,
        headers: &HeaderMap,
        _body: &mut [u8],
        now_ms: u64,
    ) -> ErrorResponse {
        error_status::read(status, headers, now_ms, false)
    }

    fn stream_decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(stream::Lines::default())
    }
}
