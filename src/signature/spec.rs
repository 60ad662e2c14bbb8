//! How a scheme is written: the keys of a `verify` table and of a preset, as plain data without any secret.

use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;

/// A signature scheme as written. Every key may be left out where `extends` gives it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SchemeTable {
    /// The preset whose keys this table takes over where it has none of its own.
    pub extends: Option<String>,
    /// What proves the sender.
    pub algorithm: Option<Algorithm>,
    /// How a secret becomes key bytes.
    pub secret: Option<SecretTable>,
    /// Where the signature (or the token) stands.
    pub signature: Option<SignatureTable>,
    /// Where the time of signing stands.
    pub timestamp: Option<TimestampTable>,
    /// The signed bytes: literal text and {body} {timestamp} {id} {method} {url} {url_hubspot} {form_sorted} {header:NAME} {json:a.b}.
    pub signed: Option<String>,
    /// Where the id of a delivery stands.
    pub id: Option<IdTable>,
    /// A hash of the body that stands in the signed URL.
    pub body_hash: Option<BodyHashTable>,
    /// The forms of the URL that a sender may have signed; as it is by default.
    pub url_variants: Option<Vec<UrlVariant>>,
    /// A header that must confirm what is configured here.
    pub require: Option<RequireTable>,
    /// The sender's way of asking whether this address is ours.
    pub handshake: Option<HandshakeKind>,
    /// Says that a signature which does not cover the body is meant.
    pub body_unauthenticated: Option<bool>,
}

/// What proves the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// HMAC with SHA-1 (RFC 2104), for senders that offer nothing newer.
    HmacSha1,
    /// HMAC with SHA-256 (RFC 2104, FIPS 180-4).
    HmacSha256,
    /// HMAC with SHA-384.
    HmacSha384,
    /// HMAC with SHA-512.
    HmacSha512,
    /// Ed25519 (RFC 8032); the secret is the sender's public key, 32 bytes.
    Ed25519,
    /// ECDSA on P-256 with SHA-256, signatures in ASN.1 DER; the secret is the sender's public key as SubjectPublicKeyInfo DER.
    EcdsaP256Sha256,
    /// A shared token in a header of its own.
    Token,
    /// `Authorization: Bearer TOKEN` (RFC 6750).
    Bearer,
    /// `Authorization: Basic …` (RFC 7617); the secret is `user:password`.
    Basic,
    /// No proof at all: the preset `none`, which no table can write.
    #[serde(skip)]
    None,
}

/// How a secret becomes key bytes.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretTable {
    /// Text that is taken off the front first, where it is there.
    pub prefix: Option<String>,
    /// What the rest is written in; utf8 by default.
    pub encoding: Option<Encoding>,
}

/// How bytes are written as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// The text's own bytes; for secrets only.
    Utf8,
    /// Base 64 with its standard alphabet and padding (RFC 4648 §4).
    Base64,
    /// Base 16 (RFC 4648 §8).
    Hex,
}

/// Where the signature stands and how it is written.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignatureTable {
    /// The header that holds it.
    pub header: Option<String>,
    /// How that header is laid out; plain by default.
    pub format: Option<Format>,
    /// plain: text before the value.
    pub prefix: Option<String>,
    /// kv: what stands between pairs; "," by default.
    pub pair_sep: Option<String>,
    /// kv: the keys whose values are signatures.
    pub keys: Option<Vec<String>>,
    /// list: what stands between items; a space by default.
    pub item_sep: Option<String>,
    /// list: what stands between an item's version and its signature; "," by default.
    pub version_sep: Option<String>,
    /// list: the versions that are looked at.
    pub versions: Option<Vec<String>>,
    /// json: the path of the signature inside the body.
    pub json: Option<String>,
    /// What the signature is written in; hex by default.
    pub encoding: Option<Encoding>,
    /// hex: whether capital letters are taken; lower by default.
    pub hex_case: Option<HexCase>,
}

/// How a signature header is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// One value after a prefix: `sha256=…`.
    Plain,
    /// Pairs: `t=1760000000,v1=…,v1=…`.
    Kv,
    /// Versioned items: `v1,… v1,…`.
    List,
    /// A value inside the body.
    Json,
}

/// Which hexadecimal digits are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HexCase {
    /// 0-9 a-f.
    Lower,
    /// 0-9 a-f A-F.
    Any,
}

/// Where the time of signing stands.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimestampTable {
    /// The header that holds it.
    pub header: Option<String>,
    /// The signature header holds it, under `key`.
    pub from: Option<TimestampFrom>,
    /// The key of the pair that holds it.
    pub key: Option<String>,
    /// The path inside the body that holds it.
    pub json: Option<String>,
    /// What it counts; s by default.
    pub unit: Option<TimeUnit>,
    /// How far it may be from now, to both sides; without it there is no window.
    pub tolerance: Option<Tolerance>,
}

/// The one place beside a header and the body that holds timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TimestampFrom {
    /// The signature header, in its `kv` format.
    Signature,
}

/// What a timestamp counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TimeUnit {
    /// Seconds since 1970.
    S,
    /// Milliseconds since 1970.
    Ms,
    /// A date and time as in RFC 3339.
    Iso8601,
}

/// How far a timestamp may be from now: a number of seconds, or a duration such as `5m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "WrittenTolerance")]
#[schemars(with = "WrittenTolerance")]
pub struct Tolerance(pub Duration);

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Tolerance")]
enum WrittenTolerance {
    /// Seconds.
    Seconds(u32),
    /// A duration: 250ms, 30s, 2m, 24h.
    Text(String),
}

impl TryFrom<WrittenTolerance> for Tolerance {
    type Error = String;

    fn try_from(written: WrittenTolerance) -> Result<Self, String> {
        match written {
            WrittenTolerance::Seconds(count) => Ok(Self(Duration::from_secs(count.into()))),
            WrittenTolerance::Text(text) => {
                let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
                let (count, unit) = text.split_at(split);
                let unit = match unit {
                    "ms" => Duration::from_millis(1),
                    "s" => Duration::from_secs(1),
                    "m" => Duration::from_secs(60),
                    "h" => Duration::from_secs(3600),
                    _ => return Err(format!("{text:?} is no duration such as \"5m\"")),
                };
                let count: u32 =
                    count.parse().map_err(|_| format!("{text:?} is no duration such as \"5m\""))?;
                unit.checked_mul(count).map(Self).ok_or_else(|| format!("{text:?} is too long"))
            }
        }
    }
}

/// Where the id of a delivery stands.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IdTable {
    /// The header that holds it.
    pub header: Option<String>,
    /// The path inside the body that holds it.
    pub json: Option<String>,
    /// Whether a delivery without it is refused; only for a header. An id that is signed is always required.
    pub required: Option<bool>,
}

/// A hash of the body that stands in the query of the signed URL.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BodyHashTable {
    /// The query parameter.
    pub query: Option<String>,
    /// sha256, the only one.
    pub algorithm: Option<HashAlgorithm>,
    /// What it is written in; hex by default.
    pub encoding: Option<Encoding>,
}

/// A plain hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HashAlgorithm {
    /// SHA-256 (FIPS 180-4).
    Sha256,
}

/// A form of the URL that a sender may have signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UrlVariant {
    /// As `public_url` says.
    AsIs,
    /// Without a port.
    WithoutPort,
    /// With a port: the one there, or the scheme's own.
    WithPort,
}

/// A header that must confirm what is configured.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequireTable {
    /// The header.
    pub header: Option<String>,
    /// A pair `key=value` that must be among its comma separated pairs, exactly once by its key.
    pub contains_kv: Option<String>,
}

/// A sender's way of asking whether an address is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HandshakeKind {
    /// Meta's GET with hub.challenge, proven by `verify_token`.
    MetaHubChallenge,
    /// Slack's signed url_verification.
    SlackUrlVerification,
    /// Zoom's signed endpoint.url_validation.
    ZoomUrlValidation,
    /// Discord's signed PING.
    DiscordPing,
}
