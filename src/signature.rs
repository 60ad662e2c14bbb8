//! Who sent this? Signature schemes as data: every sender's scheme is a table, presets and custom ones alike.
//!
//! A [`Verifier`] takes the head of a request, then its frames as they arrive, then gives a [`Proof`] or a [`VerifyError`]; a
//! [`Scheme`] can also sign, which is how the demo and `botgate sign` speak every scheme that is not asymmetric. All of it is
//! pure: no IO, and `now` is given.

mod check;
mod compile;
mod derived_keys;
mod encoding;
mod field;
mod form;
mod handshake;
mod head;
mod id;
mod key;
mod layout;
mod material;
mod overlay;
mod preset;
mod public_url;
mod reader;
mod scheme;
mod scheme_error;
mod sign;
pub mod spec;
mod template;
mod timestamp;
mod verify_error;

#[cfg(test)]
mod faults;
#[cfg(test)]
mod vectors;

pub use compile::MAX_SECRETS;
pub use field::{FieldPath, MAX_FIELD, NotJson};
pub use handshake::{Forbidden, Handshake};
pub use head::RequestHead;
pub use id::IdSource;
pub use key::DatedSecret;
pub use preset::{preset, preset_names};
pub use public_url::PublicUrl;
pub use scheme::Scheme;
pub use scheme_error::SchemeError;
pub use sign::{SignError, Signed, UnsignedRequest};
pub use spec::SchemeTable;
pub use timestamp::UnixTime;
pub use verify_error::VerifyError;

use bytes::Bytes;
use check::SchemeCheck;
use smallvec::SmallVec;
use spec::HandshakeKind;

/// All schemes of a bot; each of them must pass.
#[derive(Debug)]
pub struct Verifier {
    schemes: Vec<Scheme>,
}

/// A request that is being verified.
pub struct Verification<'v> {
    parts: SmallVec<[SchemeCheck<'v>; 1]>,
}

/// That the request was sent by someone who holds the secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    secrets: SmallVec<[usize; 4]>,
}

impl Proof {
    /// The index of the secret that matched in the first scheme, which tells when an old one was last used.
    pub fn secret(&self) -> usize {
        self.secrets.first().copied().unwrap_or_default()
    }
}

impl Verifier {
    /// A verifier of these schemes, in their order.
    pub fn new(schemes: Vec<Scheme>) -> Self {
        Self { schemes }
    }

    /// The schemes, in their order.
    pub fn schemes(&self) -> &[Scheme] {
        &self.schemes
    }

    /// Whether the head alone decides: token, bearer, basic and none.
    pub fn decided_by_head(&self) -> bool {
        self.schemes.iter().all(Scheme::decided_by_head)
    }

    /// Whether nothing is proven: anyone who knows the URL can send.
    pub fn unauthenticated(&self) -> bool {
        self.schemes.iter().all(Scheme::unauthenticated)
    }

    /// Checks all that the head can tell: the headers' shape, the window, and the token where that is all there is. `bot` is
    /// the id that is spoken to: its own secret counts where secrets are derived.
    pub fn begin<'v>(
        &'v self,
        head: &RequestHead<'_>,
        now: UnixTime,
        bot: &'v str,
    ) -> Result<Verification<'v>, VerifyError> {
        let mut check = Verification { parts: SmallVec::new() };
        for scheme in &self.schemes {
            check.parts.push(SchemeCheck::new(scheme, bot, now));
            if let Some(part) = check.parts.last_mut() {
                part.begin(head)?;
            }
        }
        Ok(check)
    }

    /// Meta's question, which carries no signature and is proven by a word of its own; `None` where this request is not one.
    pub fn get_challenge(&self, head: &RequestHead<'_>) -> Option<Result<Handshake, Forbidden>> {
        let scheme = self
            .schemes
            .iter()
            .find(|scheme| scheme.handshake_kind() == Some(HandshakeKind::MetaHubChallenge))?;
        if head.method != http::Method::GET {
            return None;
        }
        handshake::meta_challenge(head.query?, scheme.verify_token.as_ref())
    }

    /// What a verified request asks, where it only asks whether this address is ours; it is answered and goes no further.
    pub fn handshake(&self, frames: &[Bytes], proof: &Proof, bot: &str) -> Option<Handshake> {
        self.schemes
            .iter()
            .zip(&proof.secrets)
            .find_map(|(scheme, secret)| handshake::answer(scheme, frames, *secret, bot))
    }
}

impl Verification<'_> {
    /// Takes in the next frame of the body: hashed now where the head told all the rest, else left for the end.
    pub fn update(&mut self, frame: &[u8]) {
        for part in &mut self.parts {
            part.update(frame);
        }
    }

    /// The verdict over the whole body; `frames` are those that [`Self::update`] was given, `head` is that of [`Verifier::begin`].
    pub fn finish(
        mut self,
        head: &RequestHead<'_>,
        frames: &[Bytes],
    ) -> Result<Proof, VerifyError> {
        let secrets = self
            .parts
            .iter_mut()
            .map(|part| part.finish(head, frames))
            .collect::<Result<_, _>>()?;
        Ok(Proof { secrets })
    }
}
