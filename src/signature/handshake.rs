//! How senders ask whether an address is ours, and what they want to hear. Nothing here knows of requests beyond their bytes.

use super::form::joined;
use super::key::Material;
use super::scheme::Scheme;
use super::table::HandshakeKind;
use crate::secret::Secret;
use bytes::Bytes;
use ring::{digest, hmac};
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;

/// The longest body of a handshake, in bytes: theirs have some hundred, and every other body is not even searched.
const LONGEST_BODY: usize = 8 * 1024;
/// The longest word that is echoed, in bytes.
const LONGEST_ECHO: usize = 1024;

/// What a sender who asks is answered. Sent with `X-Content-Type-Options: nosniff`, since it holds the sender's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// The status.
    pub status: u16,
    /// The content type; none where there is no body.
    pub content_type: Option<&'static str>,
    /// The body.
    pub body: Bytes,
}

/// Meta's question came with a wrong word, or none is configured: 403, as Meta expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forbidden;

impl Handshake {
    fn text(echo: &str) -> Option<Self> {
        let body = Bytes::copy_from_slice(echo.as_bytes());
        (echo.len() <= LONGEST_ECHO).then_some(Self {
            status: 200,
            content_type: Some("text/plain"),
            body,
        })
    }

    fn json(body: &Value) -> Self {
        Self {
            status: 200,
            content_type: Some("application/json"),
            body: Bytes::from(body.to_string()),
        }
    }
}

/// Meta's GET: `hub.challenge` is echoed where `hub.verify_token` is right
/// (<https://developers.facebook.com/docs/graph-api/webhooks/getting-started>). `None` where the query asks nothing.
pub(super) fn hub(query: &str, token: Option<&Secret>) -> Option<Result<Handshake, Forbidden>> {
    let one = |name: &str| {
        let mut values = form_urlencoded::parse(query.as_bytes())
            .filter(|(key, _)| key == name)
            .map(|(_, value)| value);
        (values.next(), values.next().is_some())
    };
    let (Some(mode), false) = one("hub.mode") else {
        return None;
    };
    let answer = match (one("hub.verify_token"), one("hub.challenge"), token) {
        ((Some(said), false), (Some(challenge), false), Some(token)) => {
            // Hashes are compared, so that not even the length of the word shows.
            let hash = |text: &[u8]| digest::digest(&digest::SHA256, text);
            let right = hash(said.as_bytes())
                .as_ref()
                .ct_eq(hash(token.expose()).as_ref());
            if bool::from(right) && mode == "subscribe" {
                Handshake::text(&challenge)
            } else {
                None
            }
        }
        _ => None,
    };
    Some(answer.ok_or(Forbidden))
}

/// What the body of a verified request asks, if it asks. Never called before verification: Zoom's answer is an HMAC under the
/// same secret, so answering anyone would sign for anyone.
pub(super) fn signed(scheme: &Scheme, frames: &[Bytes], secret: usize) -> Option<Handshake> {
    let kind = scheme
        .handshake
        .filter(|kind| *kind != HandshakeKind::MetaHubChallenge)?;
    if frames.iter().map(Bytes::len).sum::<usize>() > LONGEST_BODY {
        return None;
    }
    let body = joined(frames);
    let word: &[u8] = match kind {
        HandshakeKind::SlackUrlVerification => b"url_verification",
        HandshakeKind::ZoomUrlValidation => b"endpoint.url_validation",
        HandshakeKind::DiscordPing => b"\"type\"",
        HandshakeKind::MetaHubChallenge => return None,
    };
    // Most bodies ask nothing; looking for the word is cheaper than parsing.
    memchr::memmem::find(&body, word)?;
    let body: Value = serde_json::from_slice(&body).ok()?;
    match kind {
        HandshakeKind::SlackUrlVerification if body["type"] == "url_verification" => {
            Handshake::text(body["challenge"].as_str()?)
        }
        HandshakeKind::ZoomUrlValidation if body["event"] == "endpoint.url_validation" => {
            zoom(scheme, body["payload"]["plainToken"].as_str()?, secret)
        }
        HandshakeKind::DiscordPing => discord(&body),
        _ => None,
    }
}

/// `encryptedToken` is the hex HMAC-SHA256 of the token (<https://developers.zoom.us/docs/api/webhooks/#validate-your-webhook-endpoint>).
fn zoom(scheme: &Scheme, plain: &str, secret: usize) -> Option<Handshake> {
    let Material::Mac(key) = &scheme.keys.get(secret)?.material else {
        return None;
    };
    if plain.len() > LONGEST_ECHO {
        return None;
    }
    let encrypted = hex::encode(hmac::sign(key, plain.as_bytes()));
    Some(Handshake::json(
        &json!({ "plainToken": plain, "encryptedToken": encrypted }),
    ))
}

/// Interactions send PING as type 1 and want it back; webhook events send PING as type 0, without an event, and want an empty 204
/// (<https://docs.discord.com/developers/events/webhook-events>). Their type 1 is an event.
fn discord(body: &Value) -> Option<Handshake> {
    match body["type"].as_u64()? {
        0 => Some(Handshake {
            status: 204,
            content_type: None,
            body: Bytes::new(),
        }),
        1 if body.get("event").is_none() => Some(Handshake::json(&json!({ "type": 1 }))),
        _ => None,
    }
}
