//! `sign` of a callback: the scheme and the secrets that sign it.

use crate::config::raw::{self, SignScheme};
use crate::config::reader::Reading;
use crate::config::schema_types::shown;
use crate::secret::Secret;
use crate::signature::{DatedSecret, Scheme, preset};
use std::sync::Arc;

/// Reads the key `sign` below `at`, or a subscriber's `secret`, which is short for it. Nothing where nothing signs; what is
/// wrong is noted.
pub(super) fn sign(
    reading: &mut Reading<'_>,
    at: &str,
    written: Option<&raw::Sign>,
    short: Option<&str>,
) -> Option<Arc<Scheme>> {
    let (path, short_at) = (format!("{at}.sign"), format!("{at}.secret"));
    if reading.has(&path) && reading.has(&short_at) {
        both(reading, &short_at, &path);
        return None;
    }
    if let Some(secret) = short {
        return scheme(reading, SignScheme::Hmac, &[(short_at, secret)]);
    }
    let written = written?;
    let kind = written.scheme.unwrap_or_default();
    let one_at = format!("{path}.secret");
    let many_at = format!("{path}.secrets");
    let wrong_scheme = !reading.is_sound(&format!("{path}.scheme"));
    if reading.has(&one_at) && reading.has(&many_at) {
        both(reading, &one_at, &many_at);
        return None;
    }
    let mut secrets: Vec<(String, &str)> = Vec::new();
    secrets.extend(written.secret.as_deref().map(|secret| (one_at, secret)));
    let many = written.secrets.iter().flatten().enumerate();
    secrets.extend(many.map(|(index, secret)| (format!("{many_at}[{index}]"), secret.as_str())));
    match (kind, secrets.is_empty()) {
        _ if wrong_scheme => None,
        (SignScheme::None, true) => None,
        (SignScheme::None, false) => {
            reading.error(
                &path,
                format!("`{}` has a secret that signs nothing", shown(&path)),
                "leave it out, or write scheme = \"hmac\"",
            );
            None
        }
        (_, true) => {
            if reading.is_sound(&path) {
                reading.error(
                    &path,
                    format!("`{}` has no secret", shown(&path)),
                    "add secret = \"${env:CALLBACK_SECRET}\"",
                );
            }
            None
        }
        (kind, false) => scheme(reading, kind, &secrets),
    }
}

fn both(reading: &mut Reading<'_>, path: &str, other: &str) {
    let message = format!("`{}` and `{}` say the same", shown(path), shown(other));
    let fix = "leave one of them out; several secrets stand in `secrets`".to_owned();
    reading.clash(path, other, "the other one", message, fix);
}

/// The scheme with its keys; each secret comes with its path.
fn scheme(
    reading: &mut Reading<'_>,
    kind: SignScheme,
    secrets: &[(String, &str)],
) -> Option<Arc<Scheme>> {
    let dated: Vec<_> = secrets
        .iter()
        .map(|(_, secret)| DatedSecret {
            value: Secret::new(secret),
            derive: false,
            not_after: None,
        })
        .collect();
    let name = match kind {
        SignScheme::StandardWebhooks => "standard-webhooks",
        SignScheme::Hmac | SignScheme::None => "hmac",
    };
    match preset(name)?.compile(&dated, None, None) {
        Ok(scheme) => Some(Arc::new(scheme)),
        Err(faults) => {
            for fault in faults {
                let index = fault.key.strip_prefix("secrets[");
                let index = index.and_then(|rest| rest.trim_end_matches(']').parse().ok());
                let index: usize = index.unwrap_or_default();
                if let Some((path, _)) = secrets.get(index) {
                    let message = format!("`{}` {}", shown(path), fault.message);
                    reading.error(path, message, fault.fix);
                }
            }
            None
        }
    }
}
