//! What a key checks and signs with: an HMAC's key, a public key, or a token.

use super::spec::Algorithm;
use crate::secret::Secret;
use ring::{digest, hmac, signature};
use subtle::{Choice, ConstantTimeEq as _};

pub(super) enum Material {
    Mac(hmac::Key),
    Public(signature::UnparsedPublicKey<Vec<u8>>),
    Token { text: Secret, hash: digest::Digest },
}

impl Material {
    /// Whether this is the token, in a time that says nothing of either: hashes are compared, so not even a length shows.
    pub(super) fn is_token(&self, offered: &digest::Digest) -> Choice {
        match self {
            Self::Token { hash, .. } => hash.as_ref().ct_eq(offered.as_ref()),
            Self::Mac(_) | Self::Public(_) => Choice::from(0),
        }
    }
}

/// The key of an HMAC; `None` for every other algorithm.
pub(super) fn mac(algorithm: Algorithm, bytes: &[u8]) -> Option<Material> {
    let kind = match algorithm {
        Algorithm::HmacSha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        Algorithm::HmacSha256 => hmac::HMAC_SHA256,
        Algorithm::HmacSha384 => hmac::HMAC_SHA384,
        Algorithm::HmacSha512 => hmac::HMAC_SHA512,
        _ => return None,
    };
    Some(Material::Mac(hmac::Key::new(kind, bytes)))
}

pub(super) fn token(text: Secret) -> Material {
    let hash = digest::digest(&digest::SHA256, text.expose());
    Material::Token { text, hash }
}
