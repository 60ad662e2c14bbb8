//! One request's verification: what the head says, then the frames as they arrive, then the verdict.

use super::derived_keys::Live;
use super::field::{FieldPath, read_all};
use super::form;
use super::head::{RequestHead, single_text, single_value};
use super::layout::{Tags, one_pair};
use super::material::Material;
use super::scheme::{Scheme, SignatureLocation, SigningInput};
use super::spec::Algorithm;
use super::template::Piece;
use super::timestamp::UnixTime;
use super::verify_error::VerifyError;
use bytes::Bytes;
use ring::{digest, hmac};
use smallvec::SmallVec;
use subtle::ConstantTimeEq as _;

/// A request that is being verified by one scheme. Filled in place, because a hash in the making is large to move.
pub(super) struct SchemeCheck<'v> {
    scheme: &'v Scheme,
    /// Whose secret it must be, where each id has its own.
    bot: &'v str,
    now: UnixTime,
    /// The index of the secret where the head decided.
    decided: Option<usize>,
    /// The signatures; none yet where they stand in the body.
    tags: Tags,
    /// The body's hash in the making, once for each secret; none where the verdict needs the whole body.
    macs: SmallVec<[(usize, hmac::Context); 1]>,
}

impl<'v> SchemeCheck<'v> {
    pub(super) fn new(scheme: &'v Scheme, bot: &'v str, now: UnixTime) -> Self {
        Self { scheme, bot, now, decided: None, tags: Tags::new(), macs: SmallVec::new() }
    }

    /// Checks all that the head can tell.
    pub(super) fn begin(&mut self, head: &RequestHead<'_>) -> Result<(), VerifyError> {
        let Self { scheme, bot, now, .. } = *self;
        if scheme.unauthenticated() {
            self.decided = Some(0);
            return Ok(());
        }
        scheme.live_keys(now).next().ok_or(VerifyError::Expired)?;
        if let Some(require) = &scheme.require {
            let value = single_text(head.headers, &require.header, VerifyError::NotConfirmed)?;
            if one_pair(value, ",", &require.key) != Ok(Some(&require.value)) {
                return Err(VerifyError::NotConfirmed);
            }
        }
        let id = scheme.id_bytes(head)?;
        if let SignatureLocation::Header { name, layout } = &scheme.location {
            let value = single_text(head.headers, name, VerifyError::MalformedSignature)?;
            if scheme.decided_by_head() {
                self.decided = Some(token(scheme, bot, layout.value(value)?, now)?);
                return Ok(());
            }
            let (least, most) = scheme.algorithm.signature_length();
            layout.tags(value, scheme.encoding, least, most, &mut self.tags)?;
        }
        let timestamp = scheme.timestamp_text(head)?;
        if let (Some(text), Some(timestamp)) = (timestamp, &scheme.timestamp) {
            timestamp.unit.check(text, timestamp.tolerance, now)?;
        }
        for piece in scheme.template.pieces() {
            if let Piece::Header(name) = piece {
                single_value(head.headers, name)?;
            }
        }
        if scheme.streams {
            let facts = SigningInput {
                timestamp: timestamp.unwrap_or_default(),
                id,
                ..scheme.signing_input(head)
            };
            for (index, key) in scheme.live_keys(now) {
                if let Material::Mac(key) = &*key.for_bot(bot) {
                    let mut mac = hmac::Context::with_key(key);
                    scheme.write(&scheme.template.before, &facts, &mut |bytes: &[u8]| {
                        mac.update(bytes)
                    })?;
                    self.macs.push((index, mac));
                }
            }
        }
        Ok(())
    }

    /// Takes in a frame where the body is hashed as it arrives.
    pub(super) fn update(&mut self, frame: &[u8]) {
        for (_, mac) in &mut self.macs {
            mac.update(frame);
        }
    }

    /// The verdict: the index of the secret that made the signature.
    pub(super) fn finish(
        &mut self,
        head: &RequestHead<'_>,
        frames: &[Bytes],
    ) -> Result<usize, VerifyError> {
        let scheme = self.scheme;
        if let Some(secret) = self.decided {
            return Ok(secret);
        }
        let secret =
            if self.macs.is_empty() { self.whole(head, frames)? } else { self.hashed(head)? };
        body_hash(scheme, head, frames)?;
        // A timestamp inside the body is trusted, and so parsed, only now that the body is.
        if let (Some(timestamp), Some(path)) = (&scheme.timestamp, scheme.timestamp_field()) {
            let text = path
                .read(frames, &mut Vec::new())
                .map_err(|_| VerifyError::NotJson)?
                .ok_or(VerifyError::MissingField)?;
            timestamp.unit.check(&text, timestamp.tolerance, self.now)?;
        }
        Ok(secret)
    }

    /// The verdict over a body that was hashed as it arrived.
    fn hashed(&mut self, head: &RequestHead<'_>) -> Result<usize, VerifyError> {
        let scheme = self.scheme;
        let timestamp = scheme.timestamp_text(head)?.unwrap_or_default();
        let facts =
            SigningInput { timestamp, id: scheme.id_bytes(head)?, ..scheme.signing_input(head) };
        let rest = scheme.template.from_body.get(1..).unwrap_or_default();
        let mut found = MatchedSecret::default();
        for (index, mut mac) in self.macs.drain(..) {
            scheme.write(rest, &facts, &mut |bytes: &[u8]| mac.update(bytes))?;
            found.compare(index, mac.sign().as_ref(), &self.tags);
        }
        found.verdict()
    }

    /// The verdict over a body that is there as a whole.
    fn whole(&mut self, head: &RequestHead<'_>, frames: &[Bytes]) -> Result<usize, VerifyError> {
        let scheme = self.scheme;
        // One pass for all fields: the template's, then the signature's, then the timestamp's.
        let mut paths: Vec<FieldPath> = scheme.template.fields.clone();
        if let SignatureLocation::Field(path) = &scheme.location {
            paths.push(path.clone());
        }
        let signed_time =
            scheme.timestamp_field().filter(|_| scheme.template.has(&Piece::Timestamp));
        paths.extend(signed_time.cloned());
        let fields = match paths.as_slice() {
            [] => Vec::new(),
            paths => read_all(paths, frames, &mut Vec::new()).map_err(|_| VerifyError::NotJson)?,
        };
        let field =
            |at: usize| fields.get(at).and_then(Option::as_deref).ok_or(VerifyError::MissingField);
        if let SignatureLocation::Field(_) = scheme.location {
            let (least, most) = scheme.algorithm.signature_length();
            self.tags.push(scheme.encoding.read(
                field(scheme.template.fields.len())?,
                least,
                most,
            )?);
        }
        let timestamp = match signed_time {
            Some(_) => field(paths.len() - 1)?,
            None => scheme.timestamp_text(head)?.unwrap_or_default(),
        };
        let form = scheme.form(head, frames)?;
        let facts = SigningInput {
            timestamp,
            id: scheme.id_bytes(head)?,
            form: &form,
            fields: &fields,
            frames,
            ..scheme.signing_input(head)
        };
        let mut found = MatchedSecret::default();
        let keys = scheme.live_keys(self.now);
        let keys: SmallVec<[(usize, Live<'_>); 2]> =
            keys.map(|(index, key)| (index, key.for_bot(self.bot))).collect();
        for base in &scheme.bases {
            let facts = SigningInput { base, ..facts };
            try_all(scheme, &facts, &keys, &self.tags, &mut found)?;
        }
        found.verdict()
    }
}

/// Which secret matched: all are tried, so that the time tells nothing of which.
#[derive(Default)]
struct MatchedSecret(Option<usize>);

impl MatchedSecret {
    fn compare(&mut self, secret: usize, made: &[u8], tags: &Tags) {
        for tag in tags {
            if bool::from(made.ct_eq(tag.as_bytes())) {
                self.0 = self.0.or(Some(secret));
            }
        }
    }

    fn verdict(self) -> Result<usize, VerifyError> {
        self.0.ok_or(VerifyError::Mismatch)
    }
}

/// Which secret this token is.
fn token(scheme: &Scheme, bot: &str, offered: &str, now: UnixTime) -> Result<usize, VerifyError> {
    let offered = digest::digest(&digest::SHA256, offered.as_bytes());
    let mut found = MatchedSecret::default();
    for (index, key) in scheme.live_keys(now) {
        if bool::from(key.for_bot(bot).is_token(&offered)) {
            found.0 = found.0.or(Some(index));
        }
    }
    found.verdict()
}

/// Tries every secret over the bytes that one form of the URL makes.
fn try_all(
    scheme: &Scheme,
    facts: &SigningInput<'_>,
    keys: &[(usize, Live<'_>)],
    tags: &Tags,
    found: &mut MatchedSecret,
) -> Result<(), VerifyError> {
    // ring checks a public key's signature over one piece only.
    let mut message = Vec::new();
    if scheme.asymmetric() {
        scheme.write_all(facts, &mut |bytes: &[u8]| message.extend_from_slice(bytes))?;
    }
    for (index, key) in keys {
        match &**key {
            Material::Mac(key) => {
                let mut mac = hmac::Context::with_key(key);
                scheme.write_all(facts, &mut |bytes: &[u8]| mac.update(bytes))?;
                found.compare(*index, mac.sign().as_ref(), tags);
            }
            Material::Public(key) => {
                for tag in tags {
                    if key.verify(&message, tag.as_bytes()).is_ok() {
                        found.0 = found.0.or(Some(*index));
                    }
                }
            }
            Material::Token { .. } => {}
        }
    }
    Ok(())
}

/// Checks the hash of the body that stands in the signed URL; without one, something else must cover the body.
fn body_hash(scheme: &Scheme, head: &RequestHead<'_>, frames: &[Bytes]) -> Result<(), VerifyError> {
    let Some(hash) = &scheme.body_hash else {
        return Ok(());
    };
    let query = head.query.unwrap_or_default();
    let mut values = form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| *name == hash.query)
        .map(|(_, value)| value);
    match (values.next(), values.next()) {
        (Some(value), None) => {
            let said = hash.encoding.read(&value, 32, 32).map_err(|_| VerifyError::BodyHash)?;
            let mut context = digest::Context::new(&digest::SHA256);
            frames.iter().for_each(|frame| context.update(frame));
            let right = bool::from(context.finish().as_ref().ct_eq(said.as_bytes()));
            if right { Ok(()) } else { Err(VerifyError::BodyHash) }
        }
        (Some(_), Some(_)) => Err(VerifyError::BodyHash),
        (None, _) => {
            let in_form = scheme.template.has(&Piece::FormSorted) && form::is_form(head.headers);
            let covered =
                in_form || scheme.template.has(&Piece::Body) || frames.iter().all(Bytes::is_empty);
            if covered { Ok(()) } else { Err(VerifyError::BodyHash) }
        }
    }
}

impl Algorithm {
    /// The least and the most bytes of a signature.
    fn signature_length(self) -> (usize, usize) {
        match self {
            Self::HmacSha1 => (20, 20),
            Self::HmacSha256 => (32, 32),
            Self::HmacSha384 => (48, 48),
            Self::HmacSha512 | Self::Ed25519 => (64, 64),
            Self::EcdsaP256Sha256 => (8, 72),
            Self::Token | Self::Bearer | Self::Basic | Self::None => (0, 0),
        }
    }
}
