//! Reads the tables of a scheme one by one and gathers their faults.

use super::encoding::{TagEncoding, case};
use super::field::FieldPath;
use super::id::IdSource;
use super::layout::Layout;
use super::scheme::{BodyHash, Require, SignatureLocation, Timestamp, TimestampLocation};
use super::scheme_error::SchemeError;
use super::spec::{Algorithm, Encoding, Format, HexCase, SchemeTable, SignatureTable, TimeUnit};
use super::template::{Piece, Template};
use http::HeaderName;
use http::header::AUTHORIZATION;

/// The faults found so far.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) faults: Vec<SchemeError>,
}

impl Reader {
    pub(super) fn fault(
        &mut self,
        key: impl Into<String>,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.faults.push(SchemeError::new(key, message, fix));
    }

    fn header(&mut self, key: &str, name: Option<&String>) -> Option<HeaderName> {
        let Some(name) = name else {
            self.fault(key, "is missing", "name the header");
            return None;
        };
        let parsed = name.parse().ok();
        if parsed.is_none() {
            self.fault(
                key,
                format!("is {name:?}, which cannot be a header's name"),
                "letters, digits and - only",
            );
        }
        parsed
    }

    fn path(&mut self, key: &str, path: &str) -> Option<FieldPath> {
        let parsed = FieldPath::parse(path);
        if parsed.is_none() {
            self.fault(
                key,
                format!("is {path:?}, which cannot be a path"),
                "write the names with dots between: \"data.id\"",
            );
        }
        parsed
    }

    /// Where signatures stand and how they are written.
    pub(super) fn place(&mut self, table: &SchemeTable) -> (SignatureLocation, TagEncoding) {
        let signature = table.signature.clone().unwrap_or_default();
        let format = signature.format.unwrap_or(Format::Plain);
        self.foreign_keys(&signature, format);
        let encoding = signature.encoding.unwrap_or(Encoding::Hex);
        let spelling = TagEncoding::of(encoding, case(signature.hex_case)).unwrap_or_else(|| {
            self.fault("signature.encoding", "cannot be utf8", "hex or base64");
            TagEncoding::Hex
        });
        if encoding != Encoding::Hex && signature.hex_case == Some(HexCase::Any) {
            self.fault("signature.hex_case", "has no meaning for base64", "remove it");
        }
        let place = match format {
            Format::Json => match signature.json.as_deref() {
                Some(path) => self.path("signature.json", path).map(SignatureLocation::Field),
                None => {
                    self.fault(
                        "signature.json",
                        "is missing",
                        "name the field that holds the signature",
                    );
                    None
                }
            },
            Format::Plain | Format::Kv | Format::List => {
                let layout = self.layout(&signature, format);
                self.header("signature.header", signature.header.as_ref())
                    .map(|name| SignatureLocation::Header { name, layout })
            }
        };
        (place.unwrap_or(SignatureLocation::Absent), spelling)
    }

    fn layout(&mut self, signature: &SignatureTable, format: Format) -> Layout {
        let text =
            |text: &Option<String>, usual: &str| text.clone().unwrap_or_else(|| usual.to_owned());
        for (key, separator) in [
            ("pair_sep", &signature.pair_sep),
            ("item_sep", &signature.item_sep),
            ("version_sep", &signature.version_sep),
        ] {
            if separator.as_deref() == Some("") {
                self.fault(
                    format!("signature.{key}"),
                    "is empty",
                    "leave it out for the usual one",
                );
            }
        }
        let mut names = |key: &str, names: &Option<Vec<String>>| match names {
            Some(names) if !names.is_empty() => names.clone(),
            _ => {
                self.fault(
                    format!("signature.{key}"),
                    "is missing",
                    format!("write {key} = [\"v1\"], or what the sender writes"),
                );
                Vec::new()
            }
        };
        match format {
            Format::Kv => Layout::Kv {
                keys: names("keys", &signature.keys),
                pair_sep: text(&signature.pair_sep, ","),
            },
            Format::List => Layout::List {
                versions: names("versions", &signature.versions),
                item_sep: text(&signature.item_sep, " "),
                version_sep: text(&signature.version_sep, ","),
            },
            Format::Plain | Format::Json => Layout::Plain { prefix: text(&signature.prefix, "") },
        }
    }

    /// A key of another format would be read by nobody.
    fn foreign_keys(&mut self, signature: &SignatureTable, format: Format) {
        for (key, there, home) in [
            ("prefix", signature.prefix.is_some(), Format::Plain),
            ("pair_sep", signature.pair_sep.is_some(), Format::Kv),
            ("keys", signature.keys.is_some(), Format::Kv),
            ("item_sep", signature.item_sep.is_some(), Format::List),
            ("version_sep", signature.version_sep.is_some(), Format::List),
            ("versions", signature.versions.is_some(), Format::List),
            ("json", signature.json.is_some(), Format::Json),
        ] {
            if there && home != format {
                let fix = format!("remove it, or write format = \"{home:?}\"").to_lowercase();
                self.fault(
                    format!("signature.{key}"),
                    format!("has no meaning in this format ({format:?})").to_lowercase(),
                    fix,
                );
            }
        }
    }

    /// Where a token stands.
    pub(super) fn token_place(
        &mut self,
        table: &SchemeTable,
        algorithm: Algorithm,
    ) -> SignatureLocation {
        let signature = table.signature.clone().unwrap_or_default();
        let scheme = match algorithm {
            Algorithm::Bearer => "Bearer",
            Algorithm::Basic => "Basic",
            Algorithm::None => return SignatureLocation::Absent,
            _ => {
                if signature.format.is_some_and(|format| format != Format::Plain) {
                    self.fault("signature.format", "can only be plain for a token", "remove it");
                }
                self.foreign_keys(&signature, Format::Plain);
                let layout = Layout::Plain { prefix: signature.prefix.clone().unwrap_or_default() };
                let name = self.header("signature.header", signature.header.as_ref());
                return name.map_or(SignatureLocation::Absent, |name| SignatureLocation::Header {
                    name,
                    layout,
                });
            }
        };
        if table.signature.is_some() {
            self.fault(
                "signature",
                format!("has no meaning for {scheme}: it stands in Authorization"),
                "remove it, or use \"token\"",
            );
        }
        SignatureLocation::Header { name: AUTHORIZATION, layout: Layout::Auth { scheme } }
    }

    /// Where the time of signing stands; a window is only worth something over a time that is signed.
    pub(super) fn timestamp(
        &mut self,
        table: &SchemeTable,
        template: &Template,
    ) -> Option<Timestamp> {
        let timestamp = table.timestamp.as_ref()?;
        let place = match (&timestamp.header, timestamp.from, &timestamp.json) {
            (Some(_), None, None) => self
                .header("timestamp.header", timestamp.header.as_ref())
                .map(TimestampLocation::Header),
            (None, Some(_), None) => {
                if table.signature.as_ref().and_then(|signature| signature.format)
                    != Some(Format::Kv)
                {
                    self.fault(
                        "timestamp.from",
                        "needs pairs in the signature header",
                        "write format = \"kv\" in signature",
                    );
                }
                if timestamp.key.is_none() {
                    self.fault(
                        "timestamp.key",
                        "is missing",
                        "name the pair that holds the time: key = \"t\"",
                    );
                }
                timestamp.key.clone().map(TimestampLocation::Pair)
            }
            (None, None, Some(path)) => {
                self.path("timestamp.json", path).map(TimestampLocation::Field)
            }
            _ => {
                self.fault(
                    "timestamp",
                    "stands in one place",
                    "write one of header, from (with key) and json",
                );
                None
            }
        }?;
        if timestamp.key.is_some() && timestamp.from.is_none() {
            self.fault(
                "timestamp.key",
                "has no meaning here",
                "write from = \"signature\" with it, or remove it",
            );
        }
        let signed = match &place {
            TimestampLocation::Header(name) => {
                template.has(&Piece::Timestamp) || template.has(&Piece::Header(name.clone()))
            }
            TimestampLocation::Pair(_) => template.has(&Piece::Timestamp),
            TimestampLocation::Field(path) => {
                template.has(&Piece::Timestamp)
                    || template.has(&Piece::Body)
                    || template.fields.contains(path)
            }
        };
        let tolerance = timestamp.tolerance.map(|tolerance| tolerance.0);
        if tolerance.is_some() && !signed {
            self.fault(
                "timestamp.tolerance",
                "is worth nothing: the timestamp is not signed",
                "put {timestamp} into signed",
            );
        }
        Some(Timestamp { location: place, unit: timestamp.unit.unwrap_or(TimeUnit::S), tolerance })
    }

    /// Where the id of a delivery stands.
    pub(super) fn id(&mut self, table: &SchemeTable) -> Option<IdSource> {
        let id = table.id.as_ref()?;
        match (&id.header, &id.json) {
            (Some(_), None) => self.header("id.header", id.header.as_ref()).map(IdSource::Header),
            (None, Some(path)) => {
                if id.required == Some(true) {
                    self.fault("id.required", "is only for an id in a header", "remove it");
                }
                self.path("id.json", path).map(IdSource::Field)
            }
            _ => {
                self.fault("id", "stands in one place", "write either header or json");
                None
            }
        }
    }

    /// The hash of the body in the signed URL.
    pub(super) fn body_hash(
        &mut self,
        table: &SchemeTable,
        template: &Template,
    ) -> Option<BodyHash> {
        let hash = table.body_hash.as_ref()?;
        if !template.has_url() {
            self.fault(
                "body_hash",
                "is worth nothing: the URL is not signed",
                "put {url} into signed",
            );
        }
        let Some(query) = hash.query.clone().filter(|query| !query.is_empty()) else {
            self.fault(
                "body_hash.query",
                "is missing",
                "name the query parameter that holds the hash",
            );
            return None;
        };
        let spelling = TagEncoding::of(hash.encoding.unwrap_or(Encoding::Hex), HexCase::Lower);
        if spelling.is_none() {
            self.fault("body_hash.encoding", "cannot be utf8", "hex or base64");
        }
        spelling.map(|spelling| BodyHash { query, encoding: spelling })
    }

    /// The header that must confirm the configuration.
    pub(super) fn require(&mut self, table: &SchemeTable) -> Option<Require> {
        let require = table.require.as_ref()?;
        let header = self.header("require.header", require.header.as_ref());
        let pair = require.contains_kv.as_deref().and_then(|pair| pair.split_once('='));
        if pair.is_none() {
            self.fault("require.contains_kv", "is no pair", "write key=value");
        }
        let (header, (key, value)) = (header?, pair?);
        Some(Require { header, key: key.to_owned(), value: value.to_owned() })
    }
}
