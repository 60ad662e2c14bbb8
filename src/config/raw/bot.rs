//! How `[bots.ID]` is written.

use super::{Callback, Limit, OneOrMany, add_keys};
use crate::codec::dialect::DIALECTS;
use crate::codec::keys::Written;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Value, json};

/// A bot: who may speak to it, how often, and which backend answers.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, transform = add_dialects_keys)]
pub(crate) struct Bot {
    /// What people call it.
    #[schemars(example = &"Support Bot")]
    pub(crate) name: Option<String>,
    /// The wire format of its callers.
    #[schemars(required, schema_with = "dialects")]
    pub(crate) dialect: Option<String>,
    /// Which requests are its own: a path where {bot} stands for the id, for raw also a prefix that ends in "/*".
    #[schemars(example = &"/hooks/support")]
    pub(crate) path: Option<String>,
    /// The name of its backend, or several with their weights.
    #[schemars(example = &"backend")]
    pub(crate) upstream: Option<Upstreams>,
    /// The backends that are asked when the first one fails, in this order.
    #[schemars(length(max = 16), example = ["backup"])]
    pub(crate) fallback: Option<Vec<String>>,
    /// What proves a sender; of a list all must.
    #[schemars(required, with = "OneOrMany<crate::config::verify::Verify>", example = json!({ "preset": "hmac", "secrets": ["${env:BOT_SECRET}"] }))]
    pub(crate) verify: Option<Value>,
    /// How often it may be spoken to; of a list every rule must admit.
    #[schemars(example = json!({ "rate": "60/min", "burst": 60 }))]
    pub(crate) limit: Option<OneOrMany<Limit>>,
    /// How long a delivery's id is remembered, or "off".
    #[schemars(example = &"10m", extend("default" = "10m"))]
    pub(crate) duplicates: Option<Duplicates>,
    /// How the world sees this bot's path, for schemes that sign the URL.
    #[schemars(example = &"https://bots.example/slack")]
    pub(crate) public_url: Option<String>,
    /// What is taken off the front of the path before it goes to the backend.
    #[schemars(example = &"/slack")]
    pub(crate) strip: Option<String>,
    /// The system text that its AI gets before any other.
    #[schemars(example = &"Be brief.")]
    pub(crate) system: Option<String>,
    /// Whether answers are streamed.
    #[schemars(example = true, extend("default" = false))]
    pub(crate) stream: Option<bool>,
    /// How its conversations are kept, or "off".
    #[schemars(example = json!({ "ttl": "24h", "window": 20 }))]
    pub(crate) conversation: Option<Conversation>,
    /// What it may spend.
    #[schemars(example = json!({ "cap": "50.00 USD", "per": "month" }))]
    pub(crate) budget: Option<Budget>,
    /// How it answers.
    #[schemars(example = json!({ "mode": "sync" }))]
    pub(crate) reply: Option<Reply>,
    /// Where its answers go that come later.
    #[schemars(example = json!({ "url": "https://crm.example/botgate" }))]
    pub(crate) callback: Option<Callback>,
    /// The pages that may call from a browser, as origins; ["*"]: all.
    #[schemars(length(min = 1, max = 64), example = ["https://chat.example"])]
    pub(crate) cors: Option<Vec<String>>,
    /// Networks that may call.
    #[schemars(length(min = 1, max = 1024), example = ["203.0.113.0/24"])]
    pub(crate) allow_from: Option<Vec<String>>,
    /// The keys that only some dialects have.
    #[serde(flatten)]
    #[schemars(skip)]
    pub(crate) own: Written,
}

/// The keys that the dialects bring, each dialect its own.
fn add_dialects_keys(schema: &mut Schema) {
    for keys in DIALECTS.iter().filter_map(|dialect| dialect.chat?.keys()) {
        add_keys(schema, keys);
    }
}

fn dialects(_: &mut SchemaGenerator) -> Schema {
    let names: Vec<_> = DIALECTS.iter().map(|dialect| dialect.name).collect();
    json_schema!({ "type": "string", "enum": names, "examples": ["aerostack"] })
}

/// A duration, "off", or where the id stands and for how long it is remembered.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Duplicates {
    /// A duration, or "off".
    Window(String),
    /// An id of one's own.
    By(DuplicatesBy),
}

/// Where a delivery's id stands, where the scheme does not say.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DuplicatesBy {
    /// "header:NAME" or "json:/pointer".
    #[schemars(required, example = &"header:Idempotency-Key")]
    pub(crate) by: Option<String>,
    /// How long it is remembered.
    #[schemars(example = &"10m", extend("default" = "10m"))]
    pub(crate) window: Option<String>,
}

/// A name, or several with their weights.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Upstreams {
    /// A name.
    One(String),
    /// Several.
    Weighted(#[schemars(length(min = 1, max = 16))] Vec<Weighted>),
}

/// One of several backends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Weighted {
    /// Its name.
    #[schemars(required, example = &"backend")]
    pub(crate) name: Option<String>,
    /// Its share of the conversations, beside the others' weights.
    #[schemars(required, range(max = 1000), example = 90)]
    pub(crate) weight: Option<u32>,
}

/// "off", or how conversations are kept.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Conversation {
    /// Not at all.
    Off(Off),
    /// So.
    Settings(ConversationSettings),
}

/// The word "off".
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Off {
    Off,
}

/// How conversations are kept.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConversationSettings {
    /// For how long after the last message.
    #[schemars(example = &"24h", extend("default" = "24h"))]
    pub(crate) ttl: Option<String>,
    /// How many past messages are sent along.
    #[schemars(range(max = 200), example = 20, extend("default" = 20))]
    pub(crate) window: Option<u32>,
}

/// What a bot may spend.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Budget {
    /// The cap.
    #[schemars(required, example = &"50.00 USD")]
    pub(crate) cap: Option<String>,
    /// How long until it begins anew, in UTC.
    #[schemars(required, example = &"month")]
    pub(crate) per: Option<Per>,
}

/// How long a budget lasts.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Per {
    /// From midnight to midnight.
    Day,
    /// From the first of a month.
    Month,
    /// For ever.
    Total,
}

/// How a bot answers.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reply {
    /// "sync": the answer is the response. "callback": it comes later. "auto": whichever is sooner.
    #[schemars(example = &"auto", extend("enum" = ["sync", "callback", "auto"]))]
    pub(crate) mode: Option<String>,
    /// How long "auto" waits with its response.
    #[schemars(example = &"25s", extend("default" = "25s"))]
    pub(crate) within: Option<String>,
    /// For how long an AI that fails is asked again where the answer may come later.
    #[schemars(example = &"15m", extend("default" = "15m"))]
    pub(crate) answer_within: Option<String>,
    /// What is said when there is no answer by then.
    #[schemars(example = &"Sorry, I cannot answer now.")]
    pub(crate) failure_text: Option<String>,
}
