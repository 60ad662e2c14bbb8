//! The signatures that a header offers.

use super::encoding::{Tag, TagEncoding};
use super::verify_error::VerifyError;
use smallvec::SmallVec;

/// The most signatures in one header: two during a rotation, so this is ample.
const MAX_CANDIDATES: usize = 8;

/// The decoded signatures of one request.
pub(super) type Tags = SmallVec<[Tag; 1]>;

/// How a signature header is laid out.
pub(super) enum Layout {
    /// `sha256=…`
    Plain { prefix: String },
    /// An authentication scheme, in any case, and blanks before the value (RFC 9110 §11.4).
    Auth { scheme: &'static str },
    /// `t=…,v1=…`
    Kv { pair_sep: String, keys: Vec<String> },
    /// `v1,… v1,…`
    List { item_sep: String, version_sep: String, versions: Vec<String> },
}

impl Layout {
    /// Puts every signature in the header's value into `tags`, decoded; what is not a signature of ours is skipped, what is must be well made.
    pub(super) fn tags(
        &self,
        value: &str,
        spelling: TagEncoding,
        least: usize,
        most: usize,
        tags: &mut Tags,
    ) -> Result<(), VerifyError> {
        let mut add = |text: &str| {
            if tags.len() == MAX_CANDIDATES {
                return Err(VerifyError::TooManySignatures);
            }
            tags.push(spelling.read(text, least, most)?);
            Ok(())
        };
        match self {
            Self::Plain { .. } | Self::Auth { .. } => add(self.value(value)?)?,
            Self::Kv { pair_sep, keys } => {
                for pair in value.split(pair_sep.as_str()) {
                    let (key, text) = split_pair(pair)?;
                    if keys.iter().any(|known| known == key) {
                        add(text)?;
                    }
                }
            }
            Self::List { item_sep, version_sep, versions } => {
                for item in value.split(item_sep.as_str()) {
                    let (version, text) = item
                        .split_once(version_sep.as_str())
                        .ok_or(VerifyError::MalformedSignature)?;
                    if versions.iter().any(|known| known == version) {
                        add(text)?;
                    }
                }
            }
        }
        if tags.is_empty() { Err(VerifyError::MalformedSignature) } else { Ok(()) }
    }

    /// The one value after the prefix.
    pub(super) fn value<'h>(&self, value: &'h str) -> Result<&'h str, VerifyError> {
        let rest = match self {
            Self::Plain { prefix } => value.strip_prefix(prefix.as_str()),
            Self::Auth { scheme } => value
                .split_at_checked(scheme.len())
                .filter(|(word, rest)| word.eq_ignore_ascii_case(scheme) && rest.starts_with(' '))
                .map(|(_, rest)| rest.trim_start_matches(' ')),
            Self::Kv { .. } | Self::List { .. } => None,
        };
        rest.ok_or(VerifyError::MalformedSignature)
    }

    /// The value of the one pair with this key; twice is ambiguous, since parsers differ on which they take.
    pub(super) fn pair<'h>(&self, value: &'h str, key: &str) -> Result<&'h str, VerifyError> {
        let Self::Kv { pair_sep, .. } = self else {
            return Err(VerifyError::MalformedSignature);
        };
        one_pair(value, pair_sep, key)?.ok_or(VerifyError::MalformedTimestamp)
    }

    /// What stands between two signatures of one header.
    pub(super) fn between(&self) -> &str {
        match self {
            Self::List { item_sep, .. } => item_sep,
            Self::Kv { pair_sep, .. } => pair_sep,
            Self::Plain { .. } | Self::Auth { .. } => ",",
        }
    }

    /// How a sender writes it.
    pub(super) fn write(&self, signature: &str, timestamp: Option<(&str, &str)>) -> String {
        let first = |words: &[String]| words.first().cloned().unwrap_or_default();
        match self {
            Self::Plain { prefix } => format!("{prefix}{signature}"),
            Self::Auth { scheme } => format!("{scheme} {signature}"),
            Self::Kv { pair_sep, keys } => match timestamp {
                Some((key, time)) => format!("{key}={time}{pair_sep}{}={signature}", first(keys)),
                None => format!("{}={signature}", first(keys)),
            },
            Self::List { version_sep, versions, .. } => {
                format!("{}{version_sep}{signature}", first(versions))
            }
        }
    }
}

/// The value of the one pair with this key, `None` where there is none.
pub(super) fn one_pair<'h>(
    value: &'h str,
    pair_sep: &str,
    key: &str,
) -> Result<Option<&'h str>, VerifyError> {
    let mut found = None;
    for pair in value.split(pair_sep) {
        let (name, text) = split_pair(pair)?;
        if name == key && found.replace(text).is_some() {
            return Err(VerifyError::MalformedSignature);
        }
    }
    Ok(found)
}

fn split_pair(pair: &str) -> Result<(&str, &str), VerifyError> {
    pair.trim_matches(' ').split_once('=').ok_or(VerifyError::MalformedSignature)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(layout: &Layout, value: &str) -> Result<usize, VerifyError> {
        let mut tags = Tags::new();
        layout.tags(value, TagEncoding::Hex, 2, 2, &mut tags)?;
        Ok(tags.len())
    }

    #[test]
    fn takes_what_is_ours_and_bounds_it() {
        let kv = Layout::Kv { pair_sep: ",".into(), keys: vec!["v1".into()] };
        let list = Layout::List {
            item_sep: " ".into(),
            version_sep: ",".into(),
            versions: vec!["v1".into()],
        };
        let auth = Layout::Auth { scheme: "HMAC" };
        for (layout, value, verdict) in [
            (&kv, "t=1,v1=abcd, v1=0000,v0=zz", Ok(2)),
            (&kv, "t=1,v1=abcd,v1=zz", Err(VerifyError::MalformedSignature)),
            (&kv, "t=1", Err(VerifyError::MalformedSignature)),
            (&kv, "not a header", Err(VerifyError::MalformedSignature)),
            (&kv, &"v1=abcd,".repeat(8)[..63], Ok(8)),
            (&kv, &"v1=abcd,".repeat(9)[..71], Err(VerifyError::TooManySignatures)),
            (&list, "v1a,zz v1,abcd", Ok(1)),
            (&list, "v1,abcd  v1,abcd", Err(VerifyError::MalformedSignature)),
            (&auth, "hmac  abcd", Ok(1)),
            (&auth, "HMACabcd", Err(VerifyError::MalformedSignature)),
            (&auth, "HM", Err(VerifyError::MalformedSignature)),
        ] {
            assert_eq!(count(layout, value), verdict, "{value}");
        }
        assert_eq!(kv.pair("t=1,v1=abcd,t=1", "t"), Err(VerifyError::MalformedSignature));
        assert_eq!(kv.pair("v1=abcd", "t"), Err(VerifyError::MalformedTimestamp));
    }
}
