//! What secrets become: keys, each with the moment after which it counts no more.

use super::derived_keys::{Live, Master};
use super::encoding::{base64, key_bytes};
use super::material::{Material, mac, token};
use super::spec::{Algorithm, SecretTable};
use super::timestamp::UnixTime;
use crate::secret::Secret;
use crate::signature::spec::Encoding;
use ring::signature;
use std::fmt;

/// What stands before the uncompressed point in a SubjectPublicKeyInfo of P-256 (RFC 5480 §2): the only form there is.
const P256_SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A secret and, during a rotation, the moment after which it counts no more.
#[derive(Clone, Debug)]
pub struct DatedSecret {
    /// The secret as written.
    pub value: Secret,
    /// Whether each bot's own secret is derived from it by the bot's id.
    pub derive: bool,
    /// The last moment at which it counts.
    pub not_after: Option<jiff::Timestamp>,
}

pub(super) struct Key {
    source: Source,
    not_after: Option<UnixTime>,
}

/// Where a key's material comes from.
enum Source {
    Kept(Material),
    Derived(Master),
}

impl Key {
    /// The key that this secret makes; the error is a sentence that does not show it.
    pub(super) fn new(
        algorithm: Algorithm,
        table: &SecretTable,
        secret: &DatedSecret,
    ) -> Result<Self, (&'static str, &'static str)> {
        let not_after =
            secret.not_after.map(|moment| UnixTime::from_millis(moment.as_millisecond()));
        if secret.derive {
            let source = Source::Derived(Master::new(algorithm, table, &secret.value)?);
            return Ok(Self { source, not_after });
        }
        let text = secret.value.expose();
        let prefix = table.prefix.as_deref().unwrap_or_default().as_bytes();
        let text = text.strip_prefix(prefix).unwrap_or(text);
        let encoding = table.encoding.unwrap_or(Encoding::Utf8);
        let bytes = key_bytes(encoding, text).ok_or(match encoding {
            Encoding::Hex => ("is not hexadecimal", "copy it whole, without blanks"),
            Encoding::Base64 | Encoding::Utf8 => ("is not base64", "copy it whole, without blanks"),
        })?;
        if bytes.is_empty() {
            return Err(("is empty", "set it, or remove it from the list"));
        }
        let material = match algorithm {
            Algorithm::HmacSha1
            | Algorithm::HmacSha256
            | Algorithm::HmacSha384
            | Algorithm::HmacSha512 => mac(algorithm, &bytes).ok_or(("is no key", "set it"))?,
            Algorithm::Ed25519 if bytes.len() == 32 => {
                Material::Public(signature::UnparsedPublicKey::new(&signature::ED25519, bytes))
            }
            Algorithm::Ed25519 => {
                return Err((
                    "is no Ed25519 public key, which has 32 bytes",
                    "copy the sender's public key",
                ));
            }
            Algorithm::EcdsaP256Sha256 => match bytes.strip_prefix(&P256_SPKI) {
                Some(point) if point.len() == 65 && point.first() == Some(&4) => {
                    Material::Public(signature::UnparsedPublicKey::new(
                        &signature::ECDSA_P256_SHA256_ASN1,
                        point.to_vec(),
                    ))
                }
                _ => {
                    return Err((
                        "is no P-256 public key (SubjectPublicKeyInfo)",
                        "copy the sender's public key",
                    ));
                }
            },
            Algorithm::Basic => match std::str::from_utf8(&bytes) {
                Ok(pair) if pair.contains(':') => token(Secret::new(&base64(&bytes))),
                _ => {
                    return Err((
                        "is not user:password",
                        "write the user's name, a colon and the password",
                    ));
                }
            },
            Algorithm::Token | Algorithm::Bearer | Algorithm::None => {
                match std::str::from_utf8(&bytes) {
                    Ok(text) if text.bytes().all(|byte| byte.is_ascii_graphic()) => {
                        token(Secret::new(text))
                    }
                    _ => {
                        return Err((
                            "holds bytes that no header can carry",
                            "use printable ASCII without blanks",
                        ));
                    }
                }
            }
        };
        let source = Source::Kept(material);
        Ok(Self { source, not_after })
    }

    /// What this key checks and signs with in the name of the bot with this id.
    pub(super) fn for_bot(&self, id: &str) -> Live<'_> {
        match &self.source {
            Source::Kept(material) => Live::Kept(material),
            Source::Derived(master) => Live::Made(master.material(id)),
        }
    }

    /// The secret of this id as its sender is given it; `None` where it is not derived.
    pub(super) fn derived(&self, id: &str) -> Option<Secret> {
        match &self.source {
            Source::Kept(_) => None,
            Source::Derived(master) => Some(master.secret(id)),
        }
    }

    /// Whether each id has a secret of its own.
    pub(super) fn is_derived(&self) -> bool {
        matches!(self.source, Source::Derived(_))
    }

    pub(super) fn counts(&self, now: UnixTime) -> bool {
        self.not_after.is_none_or(|last| now <= last)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}
