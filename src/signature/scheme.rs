//! A scheme ready for use: the table with its names parsed and its keys made.

use super::encoding::TagEncoding;
use super::field::{FieldPath, MAX_FIELD};
use super::form;
use super::head::{RequestHead, single_text, single_value};
use super::id::IdSource;
use super::key::Key;
use super::layout::Layout;
use super::material::Material;
use super::public_url::PublicUrl;
use super::spec::{Algorithm, HandshakeKind, TimeUnit};
use super::template::{Piece, Template};
use super::timestamp::UnixTime;
use super::verify_error::VerifyError;
use crate::secret::Secret;
use bytes::Bytes;
use http::HeaderName;
use std::fmt;
use std::time::Duration;

/// A scheme ready for use; made by [`super::SchemeTable::compile`].
pub struct Scheme {
    pub(super) algorithm: Algorithm,
    pub(super) keys: Vec<Key>,
    pub(super) location: SignatureLocation,
    pub(super) encoding: TagEncoding,
    pub(super) timestamp: Option<Timestamp>,
    pub(super) template: Template,
    /// Whether the body is hashed as it arrives, worked out once.
    pub(super) streams: bool,
    pub(super) id: Option<IdSource>,
    pub(super) id_required: bool,
    pub(super) public_url: Option<PublicUrl>,
    /// The URL's front in each form that is tried; one empty one where no URL is signed.
    pub(super) bases: Vec<String>,
    pub(super) body_hash: Option<BodyHash>,
    pub(super) require: Option<Require>,
    pub(super) handshake: Option<HandshakeKind>,
    pub(super) verify_token: Option<Secret>,
}

/// Where the signature or the token stands.
pub(super) enum SignatureLocation {
    /// Nothing is looked at.
    Absent,
    /// In a header.
    Header { name: HeaderName, layout: Layout },
    /// In the body.
    Field(FieldPath),
}

/// Where the time of signing stands.
pub(super) struct Timestamp {
    pub(super) location: TimestampLocation,
    pub(super) unit: TimeUnit,
    pub(super) tolerance: Option<Duration>,
}

pub(super) enum TimestampLocation {
    Header(HeaderName),
    /// Under this key of the signature header.
    Pair(String),
    Field(FieldPath),
}

/// A hash of the body in the signed URL.
pub(super) struct BodyHash {
    pub(super) query: String,
    pub(super) encoding: TagEncoding,
}

/// A header that must confirm the configuration.
pub(super) struct Require {
    pub(super) header: HeaderName,
    pub(super) key: String,
    pub(super) value: String,
}

/// What the signed bytes are made of, for one request.
#[derive(Clone, Copy)]
pub(super) struct SigningInput<'a> {
    pub(super) head: &'a RequestHead<'a>,
    pub(super) base: &'a str,
    pub(super) timestamp: &'a str,
    pub(super) id: &'a [u8],
    pub(super) form: &'a [u8],
    pub(super) fields: &'a [Option<String>],
    pub(super) frames: &'a [Bytes],
}

impl Scheme {
    /// Where a delivery's id stands.
    pub fn id_source(&self) -> Option<&IdSource> {
        self.id.as_ref()
    }

    /// Whether the signature covers the delivery's id, so that the id alone tells two deliveries apart.
    pub fn signs_id(&self) -> bool {
        self.id.as_ref().is_some_and(|id| self.signs(id))
    }

    /// Whether the signature covers what stands at `id`.
    pub fn signs(&self, id: &IdSource) -> bool {
        match id {
            IdSource::Header(name) => {
                let as_id = self.template.has(&Piece::Id) && self.id.as_ref() == Some(id);
                as_id || self.template.has(&Piece::Header(name.clone()))
            }
            IdSource::Field(path) => {
                let named = self.template.fields.iter().any(|signed| signed == path);
                named || self.template.has(&Piece::Body) || self.body_hash.is_some()
            }
        }
    }

    /// How far a timestamp may be from now; `None` where the scheme has no window.
    pub fn tolerance(&self) -> Option<Duration> {
        self.timestamp.as_ref()?.tolerance
    }

    /// The sender's way of asking whether this address is ours.
    pub fn handshake_kind(&self) -> Option<HandshakeKind> {
        self.handshake
    }

    /// Whether only the sender holds the key that signs, so that nothing can be signed here.
    pub fn asymmetric(&self) -> bool {
        matches!(self.algorithm, Algorithm::Ed25519 | Algorithm::EcdsaP256Sha256)
    }

    /// Whether nothing is proven: the preset `none`.
    pub fn unauthenticated(&self) -> bool {
        self.algorithm == Algorithm::None
    }

    /// Whether the head alone decides.
    pub fn decided_by_head(&self) -> bool {
        matches!(
            self.algorithm,
            Algorithm::Token | Algorithm::Bearer | Algorithm::Basic | Algorithm::None
        )
    }

    /// How many secrets it holds; a proof names one of them by its index.
    pub fn secrets(&self) -> usize {
        self.keys.len()
    }

    /// Whether each id has secrets of its own, all of them derived: what a template needs.
    pub fn derived(&self) -> bool {
        !self.keys.is_empty() && self.keys.iter().all(Key::is_derived)
    }

    /// The secret that is derived for this id, as its sender is given it: the newest one. For `sign` alone.
    pub fn derived_secret(&self, id: &str) -> Option<Secret> {
        self.keys.first()?.derived(id)
    }

    /// The first secret of this id, where the scheme shows it as it is: what proves the other side to the sender in turn.
    pub fn token(&self, id: &str) -> Option<Secret> {
        match &*self.keys.first()?.for_bot(id) {
            Material::Token { text, .. } => Some(text.clone()),
            Material::Mac(_) | Material::Public(_) => None,
        }
    }

    /// The keys that still count, with their indexes.
    pub(super) fn live_keys(&self, now: UnixTime) -> impl Iterator<Item = (usize, &Key)> {
        self.keys.iter().enumerate().filter(move |(_, key)| key.counts(now))
    }

    /// Whether the body can be hashed as it arrives.
    pub(super) fn can_stream(&self) -> bool {
        let from_head = matches!(self.location, SignatureLocation::Header { .. })
            && !self.asymmetric()
            && !self.decided_by_head();
        let early_time =
            !(self.template.has(&Piece::Timestamp) && self.timestamp_field().is_some());
        from_head && early_time && self.bases.len() == 1 && self.template.streams()
    }

    pub(super) fn timestamp_field(&self) -> Option<&FieldPath> {
        match self.timestamp.as_ref().map(|timestamp| &timestamp.location) {
            Some(TimestampLocation::Field(path)) => Some(path),
            _ => None,
        }
    }

    /// The timestamp where the head holds it.
    pub(super) fn timestamp_text<'h>(
        &self,
        head: &RequestHead<'h>,
    ) -> Result<Option<&'h str>, VerifyError> {
        match (self.timestamp.as_ref().map(|timestamp| &timestamp.location), &self.location) {
            (Some(TimestampLocation::Header(name)), _) => {
                single_text(head.headers, name, VerifyError::MalformedTimestamp).map(Some)
            }
            (Some(TimestampLocation::Pair(key)), SignatureLocation::Header { name, layout }) => {
                layout
                    .pair(single_text(head.headers, name, VerifyError::MalformedSignature)?, key)
                    .map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The id where a header holds it; an error where it is needed and not there, or there twice.
    pub(super) fn id_bytes<'h>(&self, head: &RequestHead<'h>) -> Result<&'h [u8], VerifyError> {
        let Some(IdSource::Header(name)) = &self.id else {
            return Ok(&[]);
        };
        match single_value(head.headers, name) {
            Err(VerifyError::RepeatedHeader) => Err(VerifyError::RepeatedHeader),
            Ok(value) if matches!(value.len(), 1..=MAX_FIELD) => Ok(value.as_bytes()),
            Ok(_) | Err(_) if self.id_required => Err(VerifyError::MissingHeader),
            Ok(_) | Err(_) => Ok(&[]),
        }
    }

    /// The facts of a head, with nothing of the rest.
    pub(super) fn signing_input<'a>(&'a self, head: &'a RequestHead<'a>) -> SigningInput<'a> {
        let base = self.bases.first().map_or("", String::as_str);
        SigningInput { head, base, timestamp: "", id: &[], form: &[], fields: &[], frames: &[] }
    }

    /// Writes all of the signed bytes.
    pub(super) fn write_all(
        &self,
        facts: &SigningInput<'_>,
        sink: &mut impl FnMut(&[u8]),
    ) -> Result<(), VerifyError> {
        self.write(&self.template.before, facts, sink)?;
        self.write(&self.template.from_body, facts, sink)
    }

    /// Writes pieces of the signed bytes.
    pub(super) fn write(
        &self,
        pieces: &[Piece],
        facts: &SigningInput<'_>,
        sink: &mut impl FnMut(&[u8]),
    ) -> Result<(), VerifyError> {
        for piece in pieces {
            match piece {
                Piece::Text(text) => sink(text.as_bytes()),
                Piece::Body => facts.frames.iter().for_each(|frame| sink(frame)),
                Piece::Timestamp => sink(facts.timestamp.as_bytes()),
                Piece::Id => sink(facts.id),
                Piece::Method => sink(facts.head.method.as_str().as_bytes()),
                Piece::Url => self.url(facts, sink),
                Piece::UrlHubspot => self.url(facts, &mut |part: &[u8]| {
                    // Parts are whole texts of a request line that the parser has passed as UTF-8.
                    super::public_url::write_hubspot(
                        std::str::from_utf8(part).unwrap_or_default(),
                        &mut *sink,
                    );
                }),
                Piece::FormSorted => sink(facts.form),
                Piece::Header(name) => sink(single_value(facts.head.headers, name)?.as_bytes()),
                Piece::Field(at) => match facts.fields.get(*at) {
                    Some(Some(text)) => sink(text.as_bytes()),
                    _ => return Err(VerifyError::MissingField),
                },
            }
        }
        Ok(())
    }

    fn url(&self, facts: &SigningInput<'_>, sink: &mut impl FnMut(&[u8])) {
        sink(facts.base.as_bytes());
        sink(
            self.public_url
                .as_ref()
                .map_or(facts.head.path, |url| url.rest(facts.head.path))
                .as_bytes(),
        );
        if let Some(query) = facts.head.query {
            sink(b"?");
            sink(query.as_bytes());
        }
    }

    /// The form's signed text, empty for any other body.
    pub(super) fn form(
        &self,
        head: &RequestHead<'_>,
        frames: &[Bytes],
    ) -> Result<Vec<u8>, VerifyError> {
        if self.template.has(&Piece::FormSorted) && form::is_form(head.headers) {
            form::canonical(frames)
        } else {
            Ok(Vec::new())
        }
    }
}

impl fmt::Debug for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scheme({:?}, {} secrets)", self.algorithm, self.keys.len())
    }
}
