//! `[bots.ID]`: what its values mean.

use super::kinds::shown;
use super::reading::Reading;
use super::shape::{self, OneOrMany};
use super::upstream::Read;
use super::values::{self, Wrong};
use super::verify::verify;
use super::{Bot, PathPattern, duplicates, limit, url};
use crate::dialect::DIALECTS;
use crate::limit::Rule;
use crate::signature::{PublicUrl, Scheme, Verifier};
use std::sync::Arc;

/// What a bot takes from the rest of the file.
pub(crate) struct Around<'a> {
    /// The names of all upstreams written, in the order of `upstreams`.
    pub(crate) names: &'a [String],
    /// Those that could be read; shorter than `names` when one could not, and then no bot gets any.
    pub(crate) upstreams: &'a [Read],
    /// The rules of `[server]`.
    pub(crate) limits: &'a [Rule],
    /// The `public_url` of `[server]`.
    pub(crate) public_url: Option<&'a str>,
}

/// Reads the table of a bot; nothing when something is wrong, which is noted.
pub(crate) fn bot(
    reading: &mut Reading<'_>,
    id: &str,
    written: shape::Bot,
    around: &Around<'_>,
) -> Option<Bot> {
    let at = format!("bots.{id}");
    let path_at = format!("{at}.path");
    check_id(reading, &at, id);
    let path = reading.value(&path_at, written.path.as_deref(), pattern);
    let upstream = written
        .upstream
        .as_deref()
        .and_then(|name| upstream(reading, &at, name, around.names));
    let own_url = url::public(
        reading,
        &format!("{at}.public_url"),
        written.public_url.as_deref(),
    );
    let public_url = match (&own_url, &written.path) {
        (Some(url), Some(path)) => Some(PublicUrl::of_bot(url, path)),
        _ => around.public_url.map(PublicUrl::of_server),
    };
    let schemes = schemes(reading, id, &at, written.verify, public_url.as_ref());
    let limits = match &written.limit {
        Some(own) => limit::rules(reading, &format!("{at}.limit"), own),
        None => around.limits.to_vec(),
    };
    let duplicates = schemes.as_deref().and_then(|schemes| {
        duplicates::duplicates(reading, &at, written.duplicates.as_ref(), schemes)
    });
    let strip = reading.value(&format!("{at}.strip"), written.strip.as_deref(), |text| {
        strip(text, path.as_ref())
    });
    let upstream = upstream?;
    Some(Bot {
        id: id.to_owned(),
        template: false,
        name: written.name,
        dialect: DIALECTS
            .iter()
            .find(|known| Some(known.name) == written.dialect.as_deref())?
            .name,
        path: path?,
        upstreams: vec![(upstream, 1)],
        fallback: Vec::new(),
        headers: around.upstreams.get(upstream)?.headers_for(id),
        verifier: Arc::new(Verifier::new(schemes?)),
        limits,
        duplicates,
        strip,
        system: None,
        stream: false,
        twiml: false,
        conversation: None,
        budget: None,
        cors: None,
        allow_from: Vec::new(),
    })
}

fn check_id(reading: &mut Reading<'_>, at: &str, id: &str) {
    if id.contains('*') {
        let fix = "write one table for each bot, with its whole id";
        reading.error_at_key(
            at,
            format!(
                "`{}` stands for many bots, which this version does not know",
                shown(at)
            ),
            fix,
        );
    } else if !(matches!(id.len(), 1..=128)
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')))
    {
        let fix = "write 1 to 128 letters, digits, \"_\" and \"-\": [bots.bt_support]";
        reading.error_at_key(at, format!("`{}`: not a bot's id", shown(at)), fix);
    }
}

/// An exact path, or a prefix and `/*`.
fn pattern(text: &str) -> Result<PathPattern, Wrong> {
    let (path, prefix) = match text.strip_suffix("/*") {
        Some(before) => (before, true),
        None => (text, false),
    };
    if !(prefix && path.is_empty()) {
        values::path(path)?;
    }
    Ok(PathPattern {
        text: path.to_owned(),
        prefix,
    })
}

/// What is taken off must be there on every path of the bot, in whole steps.
fn strip(text: &str, path: Option<&PathPattern>) -> Result<String, Wrong> {
    values::path(text)?;
    let text = text.trim_end_matches('/');
    if text.is_empty() {
        return Err(Wrong::new("nothing to take off", "leave it out"));
    }
    let never = || {
        Wrong::new(
            "never stands before the bot's `path`",
            "write the front of `path`, in whole steps",
        )
    };
    match path.map(|path| path.text.strip_prefix(text)) {
        Some(None) => Err(never()),
        Some(Some(rest)) if !(rest.is_empty() || rest.starts_with('/')) => Err(never()),
        _ => Ok(text.to_owned()),
    }
}

fn upstream(reading: &mut Reading<'_>, at: &str, name: &str, names: &[String]) -> Option<usize> {
    let index = names.iter().position(|known| known == name);
    if index.is_none() && !reading.has(&format!("upstreams.{name}")) {
        let known: Vec<_> = names.iter().map(String::as_str).collect();
        let fix = match known.as_slice() {
            [] => format!("add a table: [upstreams.{}]", shown(name)),
            known => {
                super::example::known_or_nearest(name, known, |name| format!("{:?}", shown(name)))
            }
        };
        reading.error(
            &format!("{at}.upstream"),
            format!("`{}.upstream` names no upstream that is here", shown(at)),
            fix,
        );
    }
    index
}

fn schemes(
    reading: &mut Reading<'_>,
    id: &str,
    at: &str,
    written: Option<serde_json::Value>,
    url: Option<&PublicUrl>,
) -> Option<Vec<Scheme>> {
    let at = format!("{at}.verify");
    let (tables, is_list) = match written? {
        serde_json::Value::Array(tables) => (tables, true),
        table => (vec![table], false),
    };
    let count = tables.len();
    let mut schemes = Vec::with_capacity(count);
    for (index, table) in tables.into_iter().enumerate() {
        let at = if is_list {
            format!("{at}[{index}]")
        } else {
            at.clone()
        };
        let serde_json::Value::Object(table) = table else {
            continue;
        };
        schemes.extend(verify(reading, id, &at, table, url));
    }
    (schemes.len() == count).then_some(schemes)
}

/// Two bots cannot answer to the same path.
pub(crate) fn check_paths(reading: &mut Reading<'_>, bots: &[Bot]) {
    let mut taken = std::collections::HashMap::new();
    for bot in bots {
        let Some(other) = taken.insert(&bot.path, bot) else {
            continue;
        };
        let message = format!(
            "`bots.{}` and `bots.{}` have the same path",
            other.id, bot.id
        );
        let (path, other) = (
            format!("bots.{}.path", bot.id),
            format!("bots.{}.path", other.id),
        );
        reading.clash(
            &path,
            &other,
            "the other one",
            message,
            "give one of them a path of its own".to_owned(),
        );
    }
}

impl OneOrMany<shape::Limit> {
    /// The items, each with its path.
    pub(crate) fn at(&self, path: &str) -> Vec<(String, &shape::Limit)> {
        match self {
            Self::One(one) => vec![(path.to_owned(), one)],
            Self::Many(items) => items
                .iter()
                .enumerate()
                .map(|(index, item)| (format!("{path}[{index}]"), item))
                .collect(),
        }
    }
}
