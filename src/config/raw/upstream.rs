//! How `[upstreams.NAME]` is written.

use super::add_keys;
use crate::codec::keys::Written;
use crate::codec::provider::{self, CODECS};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

/// A backend.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, transform = add_kinds_keys)]
pub(crate) struct Upstream {
    /// What it speaks.
    #[schemars(required, schema_with = "kinds")]
    pub(crate) kind: Option<String>,
    /// Where it is.
    #[schemars(required, example = &"http://127.0.0.1:5000")]
    pub(crate) url: Option<String>,
    /// A file of certificates, in PEM, that are trusted beside the platform's own.
    #[schemars(example = &"ca.pem")]
    pub(crate) ca: Option<String>,
    /// Whether a public address may be spoken to without TLS.
    #[schemars(example = true, extend("default" = false))]
    pub(crate) allow_http: Option<bool>,
    /// What its requests are authorised with.
    #[schemars(example = &"${env:OPENAI_API_KEY}", extend("writeOnly" = true))]
    pub(crate) key: Option<String>,
    /// The system text that it gets after the bot's own.
    #[schemars(example = &"You are Acme's support bot.")]
    pub(crate) system: Option<String>,
    /// What its tokens cost, in US cents per million.
    #[schemars(example = json!({ "input": 250, "output": 1000 }))]
    pub(crate) price: Option<Price>,
    /// How often a call is repeated where that is safe.
    #[schemars(range(max = 5), example = 1, extend("default" = 1))]
    pub(crate) retries: Option<u32>,
    /// Headers for its requests; {bot}, {user}, {conversation} and {channel} stand for their ids.
    #[schemars(
        example = json!({ "X-Bot-ID": "{bot}" }),
        extend("maxProperties" = 64, "additionalProperties" = { "type": "string", "writeOnly": true })
    )]
    pub(crate) headers: Option<BTreeMap<String, String>>,
    /// How long an exchange with it may take; one string is the total.
    #[schemars(example = &"30s", extend("default" = "30s"))]
    pub(crate) timeout: Option<Timeout>,
    /// Sockets to it, over all workers.
    #[schemars(range(min = 1, max = 1_000_000), example = 1024, extend("default" = 1024))]
    pub(crate) max_connections: Option<u32>,
    /// The keys that only some kinds have.
    #[serde(flatten)]
    #[schemars(skip)]
    pub(crate) own: Written,
}

/// The keys that the kinds bring, each kind its own.
fn add_kinds_keys(schema: &mut Schema) {
    for keys in CODECS.iter().filter_map(|codec| codec.keys()) {
        add_keys(schema, keys);
    }
}

fn kinds(_: &mut SchemaGenerator) -> Schema {
    let kinds: Vec<_> = provider::kinds().collect();
    json_schema!({ "type": "string", "enum": kinds, "examples": ["openai"] })
}

/// What tokens cost, in US cents per million.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Price {
    /// Of the request.
    #[schemars(required, example = 250)]
    pub(crate) input: Option<f64>,
    /// Of the answer.
    #[schemars(required, example = 1000)]
    pub(crate) output: Option<f64>,
}

/// The total, or the four deadlines.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Timeout {
    /// The total.
    Total(String),
    /// One by one.
    Each(Deadlines),
}

/// The four deadlines of an exchange; the first three never exceed the total.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deadlines {
    /// Until the socket is connected.
    #[schemars(example = &"2s", extend("default" = "2s"))]
    pub(crate) connect: Option<String>,
    /// From the request's last byte to the answer's first.
    #[schemars(example = &"30s", extend("default" = "30s"))]
    pub(crate) first_byte: Option<String>,
    /// Between two pieces of the answer.
    #[schemars(example = &"30s", extend("default" = "30s"))]
    pub(crate) idle: Option<String>,
    /// All of it.
    #[schemars(example = &"30s", extend("default" = "30s"))]
    pub(crate) total: Option<String>,
}
