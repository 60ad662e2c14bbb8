//! Keys made from one master secret, a different one for each bot's id: what lets one table stand for a million bots, none of
//! which can speak for another.

use super::encoding::base64;
use super::material::{Material, mac, token};
use super::spec::{Algorithm, Encoding, SecretTable};
use crate::secret::Secret;
use ring::hmac;
use std::ops::Deref;
use zeroize::Zeroizing;

/// What is hashed before the id, so that the master serves nothing else by accident.
const LABEL: &[u8] = b"botgate/v1/";
/// The shortest master, in bytes: as long as what is made from it.
const MIN_MASTER: usize = 32;

/// A master secret: an id's own is HMAC-SHA256 under it of `botgate/v1/` and the id, as hex text, or as base64 where the scheme
/// decodes that. For `basic` that is the password, and the id is the user.
pub(super) struct Master {
    key: hmac::Key,
    algorithm: Algorithm,
    prefix: String,
    encoding: Encoding,
}

/// A key's material for one id: kept with the key, or made for this request.
pub(super) enum Live<'k> {
    Kept(&'k Material),
    Made(Material),
}

impl Master {
    /// The error is a sentence that does not show the secret, and the fix.
    pub(super) fn new(
        algorithm: Algorithm,
        table: &SecretTable,
        secret: &Secret,
    ) -> Result<Self, (&'static str, &'static str)> {
        match algorithm {
            Algorithm::Ed25519 | Algorithm::EcdsaP256Sha256 => {
                return Err((
                    "cannot be derived: only the sender holds the key that signs",
                    "write the sender's public key, for one bot alone",
                ));
            }
            _ if secret.expose().len() < MIN_MASTER => {
                return Err((
                    "is too short to derive from: it has under 32 bytes",
                    "make one for this alone: openssl rand -hex 32",
                ));
            }
            _ => {}
        }
        Ok(Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, secret.expose()),
            algorithm,
            prefix: table.prefix.clone().unwrap_or_default(),
            encoding: table.encoding.unwrap_or(Encoding::Utf8),
        })
    }

    /// The key of this id.
    pub(super) fn material(&self, id: &str) -> Material {
        let tag = self.tag(id);
        let mut text = Zeroizing::new([0; 64]);
        // Twice the tag's length, so it fits.
        let _ = hex::encode_to_slice(tag.as_ref(), &mut *text);
        let bytes = match self.encoding {
            Encoding::Utf8 => text.as_slice(),
            Encoding::Hex | Encoding::Base64 => tag.as_ref(),
        };
        if let Some(mac) = mac(self.algorithm, bytes) {
            return mac;
        }
        match self.algorithm {
            Algorithm::Basic => token(Secret::new(&base64(self.text(id).expose()))),
            _ => token(self.text(id)),
        }
    }

    /// The secret of this id as its sender is given it, without the scheme's prefix.
    fn text(&self, id: &str) -> Secret {
        let tag = self.tag(id);
        match (self.algorithm, self.encoding) {
            (Algorithm::Basic, _) => {
                Secret::new(&Zeroizing::new(format!("{id}:{}", hex::encode(tag))))
            }
            // A token is shown as it is written: what a table says of bytes is for keys that sign.
            (algorithm, Encoding::Base64) if algorithm.signs() => {
                Secret::new(&base64(tag.as_ref()))
            }
            _ => Secret::new(&hex::encode(tag)),
        }
    }

    /// The secret of this id as its sender is given it.
    pub(super) fn secret(&self, id: &str) -> Secret {
        let text = self.text(id);
        if !self.algorithm.signs() {
            return text;
        }
        let text = String::from_utf8_lossy(text.expose());
        Secret::new(&Zeroizing::new(format!("{}{text}", self.prefix)))
    }

    fn tag(&self, id: &str) -> hmac::Tag {
        let mut mac = hmac::Context::with_key(&self.key);
        mac.update(LABEL);
        mac.update(id.as_bytes());
        mac.sign()
    }
}

impl Deref for Live<'_> {
    type Target = Material;

    fn deref(&self) -> &Material {
        match self {
            Live::Kept(material) => material,
            Live::Made(material) => material,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::{
        DatedSecret, PublicUrl, RequestHead, Scheme, UnixTime, UnsignedRequest, Verifier,
        VerifyError, preset, preset_names,
    };
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, Method};

    const MASTER: &str = "0123456789abcdef0123456789abcdef";

    fn scheme(name: &str, secret: &str, derive: bool) -> Result<Scheme, usize> {
        let mut table = preset(name).unwrap();
        table.body_unauthenticated = (name == "mailgun").then_some(true);
        let secret = DatedSecret { value: Secret::new(secret), derive, not_after: None };
        let url = PublicUrl::for_server("https://b.example");
        table.compile(&[secret], None, Some(&url)).map_err(|faults| faults.len())
    }

    /// Signs with a sender's own secret; the verdict is that of the template, asked about `bot`.
    fn judge(sender: &Scheme, template: &Verifier, bot: &str) -> Result<(), VerifyError> {
        let now = UnixTime::from_seconds(1_760_000_000);
        let body = br#"{"id":"evt_1"}"#.as_slice();
        let outgoing = UnsignedRequest {
            method: &Method::POST,
            path: "/in",
            query: None,
            content_type: Some("application/json"),
            body,
        };
        let signed = sender.sign(&outgoing, now, "nobody").unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        for (name, value) in &signed.headers {
            headers.insert(name, HeaderValue::from_str(value).unwrap());
        }
        let head = RequestHead {
            method: &Method::POST,
            path: "/in",
            query: signed.query.as_deref(),
            headers: &headers,
        };
        let frames = [Bytes::from(signed.body.unwrap_or_else(|| body.to_vec()))];
        let mut check = template.begin(&head, now, bot)?;
        check.update(&frames[0]);
        check.finish(&head, &frames).map(drop)
    }

    #[test]
    fn an_id_has_the_secret_that_openssl_makes() {
        // printf botgate/v1/bt_a | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef [-binary | base64]
        let hex = "fd11f91bc2a81d26e79e9eaeb659b4fa29a61406d2f5457c3080f99390b02716";
        for (name, secret) in [
            ("hmac", hex.to_owned()),
            ("bearer", hex.to_owned()),
            ("basic", format!("bt_a:{hex}")),
            ("msteams-outgoing", "/RH5G8KoHSbnnp6utlm0+immFAbS9UV8MID5k5CwJxY=".to_owned()),
            ("svix", "whsec_/RH5G8KoHSbnnp6utlm0+immFAbS9UV8MID5k5CwJxY=".to_owned()),
        ] {
            let made = scheme(name, MASTER, true).ok().unwrap();
            assert!(made.derived());
            let made = made.derived_secret("bt_a").unwrap();
            assert_eq!(made.expose(), secret.as_bytes(), "{name}");
        }
        let own = scheme("hmac", MASTER, false).ok().unwrap();
        assert!(!own.derived() && own.derived_secret("bt_a").is_none());
    }

    #[test]
    fn with_every_preset_an_id_speaks_for_itself_alone() {
        let mut seen = 0;
        for name in preset_names().filter(|name| *name != "none") {
            let Ok(template) = scheme(name, MASTER, true) else {
                assert!(["discord", "sendgrid"].contains(&name), "{name}");
                continue;
            };
            let secret = template.derived_secret("bt_a").unwrap();
            let text = std::str::from_utf8(secret.expose()).unwrap();
            let sender = scheme(name, text, false).ok().unwrap();
            let template = Verifier::new(vec![template]);
            assert_eq!(judge(&sender, &template, "bt_a"), Ok(()), "{name}");
            for other in ["bt_b", "bt_", "bt_aa", "BT_A", ""] {
                assert_eq!(judge(&sender, &template, other), Err(VerifyError::Mismatch), "{name}");
            }
            let by_template = template.schemes()[0].derived_secret("bt_b").unwrap();
            assert_ne!(by_template.expose(), secret.expose());
            let master =
                if name == "basic" { "bt_a:x" } else { "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3" };
            let master = scheme(name, master, false).ok().unwrap();
            assert!(judge(&master, &template, "bt_a").is_err(), "{name}");
            seen += 1;
        }
        assert!(seen > 20);
        assert_eq!(scheme("hmac", &MASTER[1..], true).err(), Some(1));
        assert_eq!(scheme("none", MASTER, true).err(), Some(1));
    }
}
