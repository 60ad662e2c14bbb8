//! `auth` of a callback: what authorises it beside its signature.

use super::Own;
use crate::config::parse::ValueError;
use crate::config::raw::{self, AuthWord};
use crate::config::reader::Reading;
use crate::config::schema_types::shown;
use crate::proxy::bot::receiver::{Shared, basic};
use crate::secret::Secret;

/// What authorises a callback's requests.
pub(super) enum Auth {
    None,
    /// This value of `Authorization`.
    Own(Secret),
    /// The bot's own secret.
    Shared(Shared),
}

/// Reads the key `auth` below `at`; `has_field` says that one of the headers authorises. Nothing where it is wrong, which is
/// noted.
pub(super) fn auth(
    reading: &mut Reading<'_>,
    at: &str,
    written: Option<&raw::Auth>,
    own: &Own,
    has_field: bool,
) -> Option<Auth> {
    let path = format!("{at}.auth");
    let word = match written {
        Some(raw::Auth::Own(table)) => {
            twice(reading, &path, has_field);
            return own_secret(reading, &path, table, own);
        }
        Some(raw::Auth::Word(word)) => *word,
        None if reading.has(&path) => return None,
        None => match own {
            Own::Unknown => AuthWord::None,
            _ if has_field => AuthWord::None,
            Own::Shown(..) => AuthWord::Bearer,
            Own::Hidden(_) => {
                reading.error(
                    at,
                    format!("`{}` needs an `auth`: its bot's callers do not show a secret that its receiver could be shown", shown(at)),
                    "add auth = { bearer = \"${env:CALLBACK_TOKEN}\" }, or \"none\" if you mean it",
                );
                return None;
            }
        },
    };
    if word == AuthWord::None {
        return Some(Auth::None);
    }
    twice(reading, &path, has_field);
    match own {
        Own::Shown(user, verifier) => Some(Auth::Shared(Shared {
            user: (word == AuthWord::Basic).then(|| (*user).to_owned()),
            verifier: verifier.clone()?,
        })),
        Own::Unknown | Own::Hidden(_) => {
            let fix = match word {
                AuthWord::Basic => "write auth = { basic = \"${env:USER_AND_PASSWORD}\" }",
                _ => "write auth = { bearer = \"${env:CALLBACK_TOKEN}\" }",
            };
            reading.error(
                &path,
                format!(
                    "`{}`: there is no secret of the bot's that its receiver could be shown",
                    shown(&path)
                ),
                fix,
            );
            None
        }
    }
}

fn twice(reading: &mut Reading<'_>, path: &str, has_field: bool) {
    if has_field {
        reading.error(
            path,
            format!("`{}` and the header `authorization` say the same", shown(path)),
            "leave one of them out",
        );
    }
}

fn own_secret(
    reading: &mut Reading<'_>,
    path: &str,
    table: &raw::AuthOwn,
    own: &Own,
) -> Option<Auth> {
    let has = |key: &str| reading.has(&format!("{path}.{key}"));
    if has("bearer") == has("basic") {
        reading.error(
            path,
            format!("`{}` needs one of `bearer` and `basic`", shown(path)),
            "write { bearer = \"${env:TOKEN}\" }, { basic = \"${env:USER_AND_PASSWORD}\" } or \"none\"",
        );
        return None;
    }
    let bearer = reading.value(&format!("{path}.bearer"), table.bearer.as_deref(), |text| {
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ValueError::new(
                "no header can carry it",
                "use printable ASCII without blanks",
            ));
        }
        Ok(Secret::new(&format!("Bearer {text}")))
    });
    let basic = reading.value(&format!("{path}.basic"), table.basic.as_deref(), |text| {
        let (user, password) = match (text.trim().split_once(':'), own) {
            (Some(pair), _) => pair,
            (None, Own::Shown(user, _) | Own::Hidden(user)) => (*user, text.trim()),
            (None, Own::Unknown) => {
                return Err(ValueError::new(
                    "not user:password",
                    "write the user's name, a colon and the password",
                ));
            }
        };
        let pair = basic(user, password.as_bytes());
        let value = [b"Basic ", pair.expose()].concat();
        Ok(Secret::new(&String::from_utf8_lossy(&value)))
    });
    bearer.or(basic).map(Auth::Own)
}
