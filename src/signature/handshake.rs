//! How senders ask whether an address is ours, and what they want to hear. Nothing here knows of requests beyond their bytes.

use super::form::joined;
use super::material::Material;
use super::scheme::Scheme;
use super::spec::HandshakeKind;
use crate::secret::Secret;
use bytes::Bytes;
use ring::{digest, hmac};
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;

/// The longest body of a handshake, in bytes: theirs have some hundred, and every other body is not even searched.
const MAX_BODY: usize = 8 * 1024;
/// The longest word that is echoed, in bytes.
const MAX_ECHO: usize = 1024;

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
        (echo.len() <= MAX_ECHO).then_some(Self {
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
pub(super) fn meta_challenge(
    query: &str,
    token: Option<&Secret>,
) -> Option<Result<Handshake, Forbidden>> {
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
            let right = hash(said.as_bytes()).as_ref().ct_eq(hash(token.expose()).as_ref());
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
pub(super) fn answer(
    scheme: &Scheme,
    frames: &[Bytes],
    secret: usize,
    bot: &str,
) -> Option<Handshake> {
    let kind = scheme.handshake.filter(|kind| *kind != HandshakeKind::MetaHubChallenge)?;
    if frames.iter().map(Bytes::len).sum::<usize>() > MAX_BODY {
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
            let key = scheme.keys.get(secret)?.for_bot(bot);
            zoom(&key, body["payload"]["plainToken"].as_str()?)
        }
        HandshakeKind::DiscordPing => discord(&body),
        _ => None,
    }
}

/// `encryptedToken` is the hex HMAC-SHA256 of the token (<https://developers.zoom.us/docs/api/webhooks/#validate-your-webhook-endpoint>).
fn zoom(key: &Material, plain: &str) -> Option<Handshake> {
    let Material::Mac(key) = key else {
        return None;
    };
    if plain.len() > MAX_ECHO {
        return None;
    }
    let encrypted = hex::encode(hmac::sign(key, plain.as_bytes()));
    Some(Handshake::json(&json!({ "plainToken": plain, "encryptedToken": encrypted })))
}

/// Interactions send PING as type 1 and want it back; webhook events send PING as type 0, without an event, and want an empty 204
/// (<https://docs.discord.com/developers/events/webhook-events>). Their type 1 is an event.
fn discord(body: &Value) -> Option<Handshake> {
    match body["type"].as_u64()? {
        0 => Some(Handshake { status: 204, content_type: None, body: Bytes::new() }),
        1 if body.get("event").is_none() => Some(Handshake::json(&json!({ "type": 1 }))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::{DatedSecret, preset};

    fn scheme(name: &str, secret: &str) -> Scheme {
        let secret = DatedSecret { value: Secret::new(secret), derive: false, not_after: None };
        preset(name).unwrap().compile(&[secret], None, None).unwrap()
    }

    fn answer(scheme: &Scheme, body: &str) -> Option<(u16, String)> {
        let (a, b) = body.split_at(body.len() / 2);
        let frames = [Bytes::copy_from_slice(a.as_bytes()), Bytes::copy_from_slice(b.as_bytes())];
        super::answer(scheme, &frames, 0, "")
            .map(|answer| (answer.status, String::from_utf8(answer.body.to_vec()).unwrap()))
    }

    #[test]
    fn meta_is_answered_for_the_right_word_alone() {
        let word = Secret::new("w");
        let ok = "hub.mode=subscribe&hub.challenge=1&hub.verify_token=w";
        assert_eq!(meta_challenge(ok, Some(&word)).unwrap().unwrap().body, "1");
        for query in [
            "hub.mode=subscribe&hub.challenge=1&hub.verify_token=x",
            "hub.mode=subscribe&hub.challenge=1&hub.verify_token=",
            "hub.mode=subscribe&hub.challenge=1",
            "hub.mode=subscribe&hub.verify_token=w",
            "hub.mode=subscribe&hub.challenge=1&hub.challenge=2&hub.verify_token=w",
            "hub.mode=subscribe&hub.challenge=1&hub.verify_token=x&hub.verify_token=w",
            "hub.mode=unsubscribe&hub.challenge=1&hub.verify_token=w",
            &format!("{ok}{}", "1".repeat(2000)),
            &ok.replace("challenge=1", &format!("challenge={}", "1".repeat(1025))),
        ] {
            assert_eq!(meta_challenge(query, Some(&word)), Some(Err(Forbidden)), "{query}");
        }
        assert_eq!(meta_challenge(ok, None), Some(Err(Forbidden)));
        assert_eq!(meta_challenge("page=1", Some(&word)), None);
    }

    #[test]
    fn only_a_question_is_answered() {
        let zoom = scheme("zoom", "zoom-secret-token-test");
        let (status, body) = answer(&zoom, r#"{"event":"endpoint.url_validation","payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"}}"#).unwrap();
        // The HMAC was made with `openssl dgst -sha256 -hmac`.
        let encrypted = "f37dc6820a778bbe15c19d7b258233e80251ebe1b200bfc2db1d26ab0cca7d63";
        assert_eq!(
            (status, body),
            (
                200,
                format!(
                    r#"{{"encryptedToken":"{encrypted}","plainToken":"qgg8vlvZRS6UYooatFL8Aw"}}"#
                )
            )
        );
        let slack = scheme("slack", "s");
        let discord = scheme("discord", &"89".repeat(32));
        let long =
            format!(r#"{{"type":"url_verification","challenge":"c","x":"{}"}}"#, "x".repeat(9000));
        for (scheme, body) in [
            (
                &zoom,
                r#"{"event":"meeting.ended","payload":{"plainToken":"endpoint.url_validation"}}"#,
            ),
            (&zoom, r#"{"event":"endpoint.url_validation","payload":{}}"#),
            (&slack, r#"{"type":"event_callback","event":{"text":"url_verification"}}"#),
            (&slack, r#"{"type":"url_verification","challenge":5}"#),
            (&slack, "url_verification"),
            (&slack, &long),
            (&discord, r#"{"type":1,"event":{"type":"APPLICATION_AUTHORIZED"}}"#),
            (&discord, r#"{"type":2}"#),
        ] {
            assert_eq!(answer(scheme, body), None, "{body}");
        }
        assert_eq!(
            answer(&slack, r#"{"type":"url_verification","challenge":"c"}"#),
            Some((200, "c".into()))
        );
        assert_eq!(answer(&discord, r#"{"type":1,"id":"1"}"#), Some((200, r#"{"type":1}"#.into())));
        assert_eq!(answer(&discord, r#"{"type":0}"#), Some((204, String::new())));
    }
}
