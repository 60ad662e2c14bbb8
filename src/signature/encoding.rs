//! Bytes written as text: strict where a caller wrote them, since a second spelling of one signature is a second request.

use super::spec::{Encoding, HexCase};
use super::verify_error::VerifyError;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_PAD_INDIFFERENT};

/// The longest signature: ECDSA P-256 in DER has at most 72 bytes, SHA-512 and Ed25519 have 64.
const MAX_TAG: usize = 72;

/// A decoded signature, on the stack.
pub(super) struct Tag {
    bytes: [u8; MAX_TAG],
    length: usize,
}

impl Tag {
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// How signatures are written.
#[derive(Clone, Copy)]
pub(super) enum TagEncoding {
    /// Lower case only.
    Hex,
    /// Both cases.
    HexAny,
    /// The standard alphabet, padded, no stray bits.
    Base64,
}

impl TagEncoding {
    pub(super) fn of(encoding: Encoding, case: HexCase) -> Option<Self> {
        match (encoding, case) {
            (Encoding::Hex, HexCase::Lower) => Some(Self::Hex),
            (Encoding::Hex, HexCase::Any) => Some(Self::HexAny),
            (Encoding::Base64, _) => Some(Self::Base64),
            (Encoding::Utf8, _) => None,
        }
    }

    /// Decodes a caller's signature of at least `least` and at most `most` bytes.
    pub(super) fn read(self, text: &str, least: usize, most: usize) -> Result<Tag, VerifyError> {
        let mut tag = Tag { bytes: [0; MAX_TAG], length: 0 };
        tag.length = match self {
            Self::Hex => unhex(text.as_bytes(), &mut tag.bytes, &LOWER),
            Self::HexAny => unhex(text.as_bytes(), &mut tag.bytes, &ANY),
            // Longer text is refused first, so the estimate of the decoded length never exceeds the room.
            Self::Base64 if text.len() > MAX_TAG / 3 * 4 => None,
            Self::Base64 => STANDARD.decode_slice(text, &mut tag.bytes).ok(),
        }
        .filter(|length| (least..=most).contains(length))
        .ok_or(VerifyError::MalformedSignature)?;
        Ok(tag)
    }

    pub(super) fn write(self, bytes: &[u8]) -> String {
        match self {
            Self::Hex | Self::HexAny => hex::encode(bytes),
            Self::Base64 => STANDARD.encode(bytes),
        }
    }
}

/// How signatures are written: hex in lower case unless said otherwise.
pub(super) fn case(case: Option<HexCase>) -> HexCase {
    case.unwrap_or(HexCase::Lower)
}

const LOWER: [u8; 256] = digits(b"0123456789abcdef", [BAD; 256]);
const ANY: [u8; 256] = digits(b"0123456789ABCDEF", LOWER);
const BAD: u8 = 0xff;

/// The value of each digit, laid over a table of others.
const fn digits(alphabet: &[u8; 16], mut table: [u8; 256]) -> [u8; 256] {
    let mut value = 0;
    while value < 16 {
        table[alphabet[value] as usize] = value as u8;
        value += 1;
    }
    table
}

/// Without a branch for each digit: it is a tenth of what a small request's verification costs.
fn unhex(text: &[u8], room: &mut [u8], table: &[u8; 256]) -> Option<usize> {
    let (pairs, odd) = text.as_chunks::<2>();
    if !odd.is_empty() || pairs.len() > room.len() {
        return None;
    }
    let mut bad = 0;
    for (&[high, low], byte) in pairs.iter().zip(room) {
        let (high, low) = (table[usize::from(high)], table[usize::from(low)]);
        bad |= high | low;
        *byte = high << 4 | low;
    }
    // A digit's value has only low bits.
    (bad < 16).then_some(pairs.len())
}

/// Decodes a configured secret: padding is not insisted on, the text comes from its owner.
pub(super) fn key_bytes(encoding: Encoding, text: &[u8]) -> Option<Vec<u8>> {
    match encoding {
        Encoding::Utf8 => Some(text.to_vec()),
        Encoding::Hex => hex::decode(text).ok(),
        Encoding::Base64 => STANDARD_PAD_INDIFFERENT.decode(text).ok(),
    }
}

/// Base 64 as RFC 7617 wants it.
pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_for_each_signature() {
        let bytes: Vec<u8> = (0..32).map(|n| n * 7 + 1).collect();
        let (hex, base) = (hex::encode(&bytes), STANDARD.encode(&bytes));
        let upper = hex.to_uppercase();
        let ok = |spelling: TagEncoding, text: &str| {
            spelling.read(text, 32, 32).is_ok_and(|tag| tag.as_bytes() == bytes)
        };
        assert!(
            ok(TagEncoding::Hex, &hex)
                && ok(TagEncoding::HexAny, &upper)
                && ok(TagEncoding::Base64, &base)
        );
        let (odd, long) = (hex.replacen('0', "", 1), format!("{hex}00"));
        for text in [upper.as_str(), &odd, &long, "", "zz", &"0".repeat(10_000)] {
            assert!(!ok(TagEncoding::Hex, text), "{text}");
        }
        let unpadded = base.trim_end_matches('=');
        let stray = base.replace("A=", "B=");
        for text in [
            unpadded,
            &format!("{base}\n"),
            &format!(" {base}"),
            &"A".repeat(10_000),
            &base.replace('+', "-"),
        ] {
            assert!(text == base || !ok(TagEncoding::Base64, text), "{text}");
        }
        assert!(stray == base || !ok(TagEncoding::Base64, &stray));
    }
}
