//! How `[bots.ID.callback]` and `[[subscribers]]` are written.

use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Where answers go that come later, and how they are proven and tried again.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Callback {
    /// Where they are posted to.
    #[schemars(required, example = &"https://crm.example/botgate")]
    pub(crate) url: Option<String>,
    /// How they are signed.
    #[schemars(example = json!({ "scheme": "hmac", "secret": "${env:CALLBACK_SECRET}" }))]
    pub(crate) sign: Option<Sign>,
    /// What authorises them beside the signature: a token, a user with a password, "none"; "bearer" and "basic" show the bot's
    /// own secret.
    #[schemars(example = json!({ "bearer": "${env:CRM_TOKEN}" }))]
    pub(crate) auth: Option<Auth>,
    /// Headers that go along.
    #[schemars(
        example = json!({ "X-Custom-Header": "v" }),
        extend("maxProperties" = 64, "additionalProperties" = { "type": "string", "writeOnly": true })
    )]
    pub(crate) headers: Option<BTreeMap<String, String>>,
    /// How long one attempt may take, from the name look-up to the last byte of the response.
    #[schemars(example = &"10s", extend("default" = "10s"))]
    pub(crate) timeout: Option<String>,
    /// How long after each failed attempt the next one follows.
    #[schemars(length(max = 16), example = ["30s", "2m", "10m"], extend("default" = ["30s", "2m", "10m"]))]
    pub(crate) retries: Option<Vec<String>>,
    /// Networks that the receiver may be in though they are not public.
    #[schemars(length(max = 1024), example = ["10.1.2.0/24"])]
    pub(crate) allow: Option<Vec<String>>,
    /// Whether a public address may be spoken to without TLS.
    #[schemars(example = true, extend("default" = false))]
    pub(crate) allow_http: Option<bool>,
    /// A file of certificates, in PEM, that are trusted beside the platform's own.
    #[schemars(example = &"ca.pem")]
    pub(crate) ca: Option<String>,
}

/// How requests are signed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sign {
    /// "hmac": X-Webhook-Signature over the body. "standard-webhooks": webhook-signature over id, time and body.
    #[schemars(example = &"hmac", extend("default" = "hmac"))]
    pub(crate) scheme: Option<SignScheme>,
    /// The secret.
    #[schemars(example = &"${env:CALLBACK_SECRET}", extend("writeOnly" = true))]
    pub(crate) secret: Option<String>,
    /// Several, newest first, while one is replaced by another: each of them signs.
    #[schemars(length(min = 1, max = 8), example = ["${env:CALLBACK_SECRET}", "${env:CALLBACK_SECRET_OLD}"], extend("writeOnly" = true))]
    pub(crate) secrets: Option<Vec<String>>,
}

/// A way of signing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SignScheme {
    /// X-Webhook-Signature: sha256=…
    #[default]
    Hmac,
    /// webhook-signature: v1,…
    StandardWebhooks,
    /// Not at all.
    None,
}

/// A word, or a token or password of the receiver's own.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Auth {
    /// A word.
    Word(AuthWord),
    /// A secret of the receiver's own.
    Own(AuthOwn),
}

/// The bot's own secret as bearer or basic authentication, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum AuthWord {
    Bearer,
    Basic,
    None,
}

/// A token, or a user with a password.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthOwn {
    /// Authorization: Bearer TOKEN.
    #[schemars(example = &"${env:CRM_TOKEN}", extend("writeOnly" = true))]
    pub(crate) bearer: Option<String>,
    /// Authorization: Basic …, from "user:password".
    #[schemars(example = &"${env:CRM_USER_AND_PASSWORD}", extend("writeOnly" = true))]
    pub(crate) basic: Option<String>,
}

/// Somebody who is told what happens: every key of a callback, and which events.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false), transform = closed)]
pub(crate) struct Subscriber {
    /// What deliveries know it by; by default its host and a hash of its URL.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9_-]*[A-Za-z_-][A-Za-z0-9_-]*$"), example = &"ops")]
    pub(crate) name: Option<String>,
    /// The kinds of event that are sent; by default all.
    #[schemars(length(min = 1, max = 5), example = ["message.received", "bot.error"], extend("items" = event_names()))]
    pub(crate) events: Option<Vec<String>>,
    /// The bots that the events are about: ids, a "*" at the end standing for all that begin so.
    #[schemars(length(min = 1, max = 1000), example = ["*"], extend("default" = ["*"]))]
    pub(crate) bots: Option<Vec<String>>,
    /// Short for sign = { scheme = "hmac", secret = … }.
    #[schemars(example = &"${env:EVENTS_SECRET}", extend("writeOnly" = true))]
    pub(crate) secret: Option<String>,
    /// Where they go.
    #[serde(flatten)]
    pub(crate) callback: Callback,
}

/// Its keys are all in one table, so the ordinary word for "no others" does.
fn closed(schema: &mut Schema) {
    schema.remove("unevaluatedProperties");
}

fn event_names() -> Value {
    let names = crate::codec::bot_event::EventType::ALL.map(|kind| kind.name());
    json!({ "type": "string", "enum": names })
}
