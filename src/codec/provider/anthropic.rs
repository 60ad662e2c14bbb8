//! Anthropic's messages.
//!
//! No `metadata.user_id` is sent: whom a caller serves is nobody else's business, and a hash of a guessable id hides nothing. No
//! sampling parameter is sent either, so that both versions of the API take the same request. The key goes as `x-api-key`, which
//! both of them read.

mod block;
mod message;
mod response;
mod stream;

use super::{
    Codec, DEFAULT_MAX_TOKENS, DecodeError, Settings, StreamDecoder, Unsupported, append_endpoint,
    error_status, required_model, text,
};
use crate::codec::json;
use crate::codec::keys::{self, KeyError, KeySchema, Written};
use crate::codec::message::{Answer, ErrorResponse, ProviderRequest, Role};
use http::{HeaderMap, HeaderName};
use message::{Messages, System};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The codec.
#[derive(Debug)]
pub(super) struct Anthropic;

const DEFAULT_VERSION: &str = "2023-06-01";
const VERSIONS: &[&str] = &[DEFAULT_VERSION, "2026-10-21"];
const EXAMPLE_MODEL: &str = "claude-sonnet-4-5";

/// The keys of `[upstreams.NAME]` that this kind brings.
#[derive(Default, Deserialize, JsonSchema)]
struct Keys {
    /// The model.
    #[schemars(example = &EXAMPLE_MODEL)]
    model: Option<String>,
    /// The most tokens of an answer.
    #[schemars(range(min = 1, max = 10_000_000), example = 4096, extend("default" = 4096))]
    max_tokens: Option<u32>,
    /// The version of its API.
    #[schemars(example = &DEFAULT_VERSION)]
    version: Option<String>,
}

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

    fn keys(&self) -> Option<KeySchema> {
        Some(Keys::json_schema)
    }

    fn settings(&self, written: &Written) -> Result<Settings, Vec<KeyError>> {
        let Keys { model, max_tokens, version } = keys::read(written);
        let model = required_model(model, EXAMPLE_MODEL);
        let version = version.map(|version| {
            let known = VERSIONS.iter().copied().find(|known| *known == version);
            known.ok_or(KeyError::Unknown { key: "version", known: VERSIONS })
        });
        match (model, version.transpose()) {
            (Ok(model), Ok(version)) => Ok(Settings {
                model: Some(model),
                max_tokens: max_tokens.unwrap_or(DEFAULT_MAX_TOKENS),
                version,
            }),
            (model, version) => Err(model.err().into_iter().chain(version.err()).collect()),
        }
    }

    fn endpoint(&self, path: &str, _: &Settings, _: bool) -> String {
        append_endpoint(path, "/messages")
    }

    fn auth(&self, _: &Settings) -> (HeaderName, &'static str) {
        (HeaderName::from_static("x-api-key"), "")
    }

    fn headers(&self, settings: &Settings) -> Vec<(HeaderName, String)> {
        let version = settings.version.unwrap_or(DEFAULT_VERSION);
        vec![(HeaderName::from_static("anthropic-version"), version.to_owned())]
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
