//! From a table as written to a scheme ready for use, or every fault in it at once.

use super::encoding::TagEncoding;
use super::key::{DatedSecret, Key};
use super::preset::{preset, preset_names};
use super::public_url::PublicUrl;
use super::reader::Reader;
use super::scheme::Scheme;
use super::scheme_error::SchemeError;
use super::spec::{Algorithm, HandshakeKind, SchemeTable, UrlVariant};
use super::template::{Piece, Template};
use crate::secret::Secret;

/// The most secrets of one scheme: each costs a hash on every request.
pub const MAX_SECRETS: usize = 8;

impl SchemeTable {
    /// Makes the scheme, or says every fault in it. Keys of faults are those of the table, `secrets[N]`, `verify_token` and
    /// `public_url`. A fault never shows a secret.
    pub fn compile(
        &self,
        secrets: &[DatedSecret],
        verify_token: Option<&Secret>,
        public_url: Option<&PublicUrl>,
    ) -> Result<Scheme, Vec<SchemeError>> {
        let mut reader = Reader::default();
        let mut table = self.clone();
        if let Some(name) = &self.extends {
            match preset(name).filter(|base| base.algorithm != Some(Algorithm::None)) {
                Some(base) => table = table.overlaid_on(base),
                None => {
                    let names: Vec<_> = preset_names().filter(|name| *name != "none").collect();
                    return Err(vec![SchemeError::new(
                        "extends",
                        format!("there is no preset {name:?}"),
                        format!("one of {}", names.join(", ")),
                    )]);
                }
            }
        }
        let Some(algorithm) = table.algorithm else {
            let fix = "write algorithm = \"hmac-sha256\", or extends = a preset's name";
            return Err(vec![SchemeError::new("algorithm", "is missing", fix)]);
        };
        let scheme = if algorithm.signs() {
            signed(&table, algorithm, &mut reader)
        } else {
            unsigned(&table, algorithm, &mut reader)
        };
        let mut scheme = Scheme {
            keys: keys(&table, algorithm, secrets, &mut reader),
            require: reader.require(&table),
            handshake: table.handshake,
            verify_token: verify_token.cloned(),
            public_url: public_url.cloned(),
            bases: bases(&table, &scheme.template, public_url, &mut reader),
            ..scheme
        };
        scheme.streams = scheme.can_stream();
        handshake(&scheme, &mut reader);
        reader.faults.is_empty().then_some(scheme).ok_or(reader.faults)
    }
}

/// What a scheme that signs has beside its keys.
fn signed(table: &SchemeTable, algorithm: Algorithm, reader: &mut Reader) -> Scheme {
    let template = match table.signed.as_deref().map(Template::parse) {
        Some(Ok(template)) => template,
        Some(Err(wrong)) => {
            reader.fault("signed", wrong, "write for example signed = \"{timestamp}.{body}\"");
            Template::default()
        }
        None => {
            reader.fault(
                "signed",
                "is missing",
                "write signed = \"{body}\", or what the sender signs",
            );
            Template::default()
        }
    };
    let (place, spelling) = reader.place(table);
    let timestamp = reader.timestamp(table, &template);
    let id = reader.id(table);
    let body_hash = reader.body_hash(table, &template);
    let named = table.id.as_ref().is_some_and(|id| id.header.is_some());
    if template.has(&Piece::Id) && !named {
        reader.fault(
            "id.header",
            "is missing, and {id} is signed",
            "name the header that holds the id",
        );
    }
    if template.has(&Piece::Timestamp) && table.timestamp.is_none() {
        reader.fault(
            "timestamp",
            "is missing, and {timestamp} is signed",
            "say where it stands: timestamp = { header = \"…\" }",
        );
    }
    let parsed = template.pieces().next().is_some();
    let covered =
        template.has(&Piece::Body) || template.has(&Piece::FormSorted) || body_hash.is_some();
    if parsed && !covered && table.body_unauthenticated != Some(true) {
        let fix = "sign {body}, or write body_unauthenticated = true if anyone may change it";
        reader.fault("signed", "does not cover the body", fix);
    }
    let required = table.id.as_ref().and_then(|id| id.required).unwrap_or(false);
    Scheme {
        id_required: required || template.has(&Piece::Id),
        template,
        location: place,
        encoding: spelling,
        timestamp,
        id,
        body_hash,
        ..Scheme::bare(algorithm)
    }
}

/// What a scheme that only shows a token, or nothing, has beside its keys.
fn unsigned(table: &SchemeTable, algorithm: Algorithm, reader: &mut Reader) -> Scheme {
    let has = [
        ("signed", table.signed.is_some()),
        ("timestamp", table.timestamp.is_some()),
        ("body_hash", table.body_hash.is_some()),
        ("url_variants", table.url_variants.is_some()),
    ];
    for (key, _) in has.into_iter().filter(|(_, has)| *has) {
        reader.fault(
            key,
            "has no meaning for a token, which signs nothing",
            "remove it, or choose an algorithm that signs",
        );
    }
    let id = reader.id(table);
    let id_required = table.id.as_ref().and_then(|id| id.required).unwrap_or(false);
    Scheme {
        location: reader.token_place(table, algorithm),
        id,
        id_required,
        ..Scheme::bare(algorithm)
    }
}

fn keys(
    table: &SchemeTable,
    algorithm: Algorithm,
    secrets: &[DatedSecret],
    reader: &mut Reader,
) -> Vec<Key> {
    if algorithm == Algorithm::None {
        if !secrets.is_empty() {
            reader.fault(
                "secrets",
                "are never looked at by the preset `none`",
                "remove them, or choose a scheme",
            );
        }
        return Vec::new();
    }
    if secrets.is_empty() {
        reader.fault("secrets", "are missing", "write secrets = [\"${env:NAME}\"]");
    }
    if secrets.len() > MAX_SECRETS {
        reader.fault(
            "secrets",
            format!("are more than {MAX_SECRETS}"),
            "keep those that are still in use",
        );
    }
    let table = table.secret.clone().unwrap_or_default();
    let mut keys = Vec::with_capacity(secrets.len());
    for (index, secret) in secrets.iter().enumerate() {
        match Key::new(algorithm, &table, secret) {
            Ok(key) => keys.push(key),
            Err((wrong, fix)) => reader.fault(format!("secrets[{index}]"), wrong, fix),
        }
    }
    keys
}

/// The URL's front in each form that is tried.
fn bases(
    table: &SchemeTable,
    template: &Template,
    public_url: Option<&PublicUrl>,
    reader: &mut Reader,
) -> Vec<String> {
    let variants = table.url_variants.as_deref().unwrap_or(&[UrlVariant::AsIs]);
    if variants.is_empty() {
        reader.fault("url_variants", "is empty", "remove it, or name at least \"as-is\"");
    }
    match (template.has_url(), public_url) {
        (false, _) => {
            if table.url_variants.is_some() && table.signed.is_some() {
                reader.fault(
                    "url_variants",
                    "has no meaning where no {url} is signed",
                    "remove it",
                );
            }
            vec![String::new()]
        }
        (true, Some(url)) => url.bases(variants),
        (true, None) => {
            let fix = "write public_url = \"https://…\": the URL that the sender was given";
            reader.fault("public_url", "is missing, and the URL is signed", fix);
            Vec::new()
        }
    }
}

fn handshake(scheme: &Scheme, reader: &mut Reader) {
    match scheme.handshake {
        Some(HandshakeKind::MetaHubChallenge) => {
            if scheme.verify_token.as_ref().is_some_and(Secret::is_empty) {
                reader.fault(
                    "verify_token",
                    "is empty",
                    "set it to the word given to Meta, or remove it",
                );
            }
        }
        other => {
            if scheme.verify_token.is_some() {
                reader.fault(
                    "verify_token",
                    "is only for the handshake meta-hub-challenge",
                    "remove it",
                );
            }
            if other == Some(HandshakeKind::ZoomUrlValidation)
                && scheme.algorithm != Algorithm::HmacSha256
            {
                reader.fault(
                    "handshake",
                    "zoom-url-validation answers with an hmac-sha256",
                    "use algorithm = \"hmac-sha256\"",
                );
            }
            if other.is_some() && !scheme.algorithm.signs() {
                reader.fault("handshake", "is answered only where the body is signed", "remove it");
            }
        }
    }
}

impl Scheme {
    fn bare(algorithm: Algorithm) -> Self {
        Self {
            algorithm,
            keys: Vec::new(),
            location: super::scheme::SignatureLocation::Absent,
            encoding: TagEncoding::Hex,
            timestamp: None,
            template: Template::default(),
            streams: false,
            id: None,
            id_required: false,
            public_url: None,
            bases: Vec::new(),
            body_hash: None,
            require: None,
            handshake: None,
            verify_token: None,
        }
    }
}

impl Algorithm {
    /// Whether it signs bytes, as against showing a token.
    pub(super) fn signs(self) -> bool {
        !matches!(self, Self::Token | Self::Bearer | Self::Basic | Self::None)
    }
}
