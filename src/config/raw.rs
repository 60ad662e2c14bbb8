//! How a configuration is written: the keys, their types and what they mean. The reader and the JSON Schema are both made
//! from these types, so a key exists here or nowhere.

mod bot;
mod callback;
mod upstream;

pub(crate) use bot::{Bot, Budget, Conversation, Duplicates, Per, Reply, Upstreams, Weighted};
pub(crate) use callback::{Auth, AuthOwn, AuthWord, Callback, Sign, SignScheme, Subscriber};
pub(crate) use upstream::{Deadlines, Price, Timeout, Upstream};

use crate::codec::keys::KeySchema;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The properties of a schema, and those that `keys` adds to them.
fn add_keys(schema: &mut Schema, keys: KeySchema) {
    let mut own = properties(keys);
    let object = schema.ensure_object().get_mut("properties");
    if let Some(properties) = object.and_then(Value::as_object_mut) {
        properties.append(&mut own);
    }
}

/// The properties of the object that these keys are in.
pub(crate) fn properties(keys: KeySchema) -> Map<String, Value> {
    let mut schema = keys(&mut SchemaGenerator::default());
    match schema.ensure_object().remove("properties") {
        Some(Value::Object(properties)) => properties,
        _ => Map::new(),
    }
}

/// Botgate's configuration, a TOML file. Any string may hold ${env:NAME} and ${file:PATH}.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Botgate configuration")]
pub(crate) struct File {
    /// The public side: listeners, bounds, deadlines.
    pub(crate) server: Option<Server>,
    /// The operator's side: health, readiness, metrics.
    pub(crate) admin: Option<Admin>,
    /// What is kept on disk.
    pub(crate) state: Option<State>,
    /// The backends, by name.
    #[schemars(extend("maxProperties" = 1000))]
    pub(crate) upstreams: Option<BTreeMap<String, Upstream>>,
    /// The bots, by id: letters, digits, "_" and "-", at most 128; with "*" at its end it stands for all that begin so.
    #[schemars(extend("maxProperties" = 10000))]
    pub(crate) bots: Option<BTreeMap<String, Bot>>,
    /// Those who are told what happens to the bots.
    #[schemars(length(max = 64))]
    pub(crate) subscribers: Option<Vec<Subscriber>>,
}

/// The public side: listeners, bounds, deadlines.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Server {
    /// Addresses of plain HTTP listeners.
    #[schemars(length(min = 1, max = 64), example = ["127.0.0.1:8080"], extend("default" = ["127.0.0.1:8080"]))]
    pub(crate) http: Option<Vec<String>>,
    /// Worker threads; "auto": one per core that the container may use.
    #[schemars(example = &"auto", extend("default" = "auto"))]
    pub(crate) workers: Option<Workers>,
    /// The longest request body; 413 past it.
    #[schemars(example = &"1MiB", extend("default" = "1MiB"))]
    pub(crate) max_body: Option<String>,
    /// All request bodies held at once; 503 past it.
    #[schemars(example = &"256MiB", extend("default" = "256MiB"))]
    pub(crate) buffer: Option<String>,
    /// Open connections of callers; by default what the limit on open files allows.
    #[schemars(range(min = 1, max = 10_000_000), example = 20_000)]
    pub(crate) max_connections: Option<u32>,
    /// The caller's deadlines.
    pub(crate) timeouts: Option<Timeouts>,
    /// How long a stop waits for what is in flight.
    #[schemars(example = &"30s", extend("default" = "30s"))]
    pub(crate) drain: Option<String>,
    /// Where a line per request goes: "stderr", "off" or a file.
    #[schemars(example = &"stderr", extend("default" = "stderr"))]
    pub(crate) access_log: Option<String>,
    /// Networks whose X-Forwarded-* headers are believed.
    #[schemars(length(max = 1024), example = ["10.0.0.0/8"])]
    pub(crate) trusted_proxies: Option<Vec<String>>,
    /// How the world sees this server, for schemes that sign the URL.
    #[schemars(example = &"https://bots.example")]
    pub(crate) public_url: Option<String>,
    /// The limit of every bot that has none of its own.
    pub(crate) limit: Option<OneOrMany<Limit>>,
}

/// A number of threads, or "auto".
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Workers {
    /// One per core.
    Auto(Auto),
    /// So many.
    Count(#[schemars(range(min = 1, max = 1024))] u16),
}

/// The word "auto".
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Auto {
    Auto,
}

/// How long a caller may take.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Timeouts {
    /// For a request's head.
    #[schemars(example = &"10s", extend("default" = "10s"))]
    pub(crate) header: Option<String>,
    /// For its body.
    #[schemars(example = &"30s", extend("default" = "30s"))]
    pub(crate) body: Option<String>,
    /// Between two requests on one connection.
    #[schemars(example = &"75s", extend("default" = "75s"))]
    pub(crate) idle: Option<String>,
}

/// The operator's side.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Admin {
    /// Its address; any other than loopback needs a token.
    #[schemars(required, example = &"127.0.0.1:9090")]
    pub(crate) listen: Option<String>,
    /// The bearer token that it asks for.
    #[schemars(example = &"${env:BOTGATE_ADMIN_TOKEN}", extend("writeOnly" = true))]
    pub(crate) token: Option<String>,
    /// The address of /healthz and /readyz alone, without a token, for an orchestrator.
    #[schemars(example = &"0.0.0.0:9091")]
    pub(crate) probes: Option<String>,
}

/// What is kept on disk.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    /// Where: "embedded" is a folder of this process alone.
    #[schemars(example = &"embedded", extend("default" = "embedded"))]
    pub(crate) store: Option<String>,
    /// The folder.
    #[schemars(example = &"botgate-data", extend("default" = "botgate-data"))]
    pub(crate) path: Option<String>,
}

/// One, or a list of up to sixteen.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum OneOrMany<T> {
    /// One.
    One(T),
    /// A list.
    Many(#[schemars(length(min = 1, max = 16))] Vec<T>),
}

/// A limit: a rate, and how much of it may come at once.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limit {
    /// How many in which time, in the long run.
    #[schemars(required, example = &"60/min")]
    pub(crate) rate: Option<String>,
    /// How many at once; by default the rate's number.
    #[schemars(range(min = 1, max = 1_000_000_000), example = 60)]
    pub(crate) burst: Option<u64>,
    /// Who shares a bucket: "bot", "user", "peer", "dialect", "header:NAME" or "json:/pointer".
    #[schemars(example = &"bot", extend("default" = "bot"))]
    pub(crate) key: Option<String>,
}
