//! `path` and `strip`: which requests are a bot's.

use super::parse::{self, ValueError};
use super::reader::Reading;
use super::schema_types::shown;
use super::{Bot, PathPattern, raw};
use crate::codec::dialect::{self, BotIdLocation, Dialect};
use std::collections::HashMap;

/// Where the bot's id stands in a path.
const PLACE: &str = "{bot}";

/// The path of a bot: as written, or its dialect's own.
pub(crate) fn path(
    reading: &mut Reading<'_>,
    at: &str,
    id: &str,
    template: bool,
    written: &raw::Bot,
    dialect: Option<&Dialect>,
) -> Option<PathPattern> {
    let path_at = format!("{at}.path");
    let Some(dialect) = dialect else {
        // What can be said without knowing the dialect.
        return reading.value(&path_at, written.path.as_deref(), |text| pattern(text, true));
    };
    let raw = dialect.chat.is_none();
    let Some(text) = written.path.as_deref().or(dialect.path) else {
        if !reading.has(&path_at) {
            reading.error_at_key(
                at,
                format!("`{}` has no `path`", shown(at)),
                "add the line: path = \"/hooks/support\"",
            );
        }
        return None;
    };
    let pattern = reading.value(&path_at, Some(text), |text| pattern(text, raw))?;
    let places = pattern.text.matches(PLACE).count();
    let wrong = match (dialect.bot_id, template) {
        (BotIdLocation::Body(field), _) if places > 0 => Some((
            format!("the id of a {} bot stands in the body, as `{field}`", dialect.name),
            "leave {bot} out",
        )),
        (BotIdLocation::Path, true)
            if places != 1 || !pattern.text.split('/').any(|step| step == PLACE) =>
        {
            Some((
                format!("`{}` stands for many bots, which only their paths tell apart", shown(at)),
                "write {bot} as one step of the path, in the place of the id: path = \"/chat/{bot}\"",
            ))
        }
        _ => None,
    };
    if let Some((message, fix)) = wrong {
        reading.error(&path_at, message, fix);
        return None;
    }
    if template {
        return Some(pattern);
    }
    Some(PathPattern { text: pattern.text.replace(PLACE, id), ..pattern })
}

/// An exact path, or, where bytes are only handed on, a prefix and `/*`.
fn pattern(text: &str, raw: bool) -> Result<PathPattern, ValueError> {
    let (path, prefix) = match text.strip_suffix("/*") {
        Some(before) => (before, true),
        None => (text, false),
    };
    if !(prefix && path.is_empty()) {
        parse::path(path)?;
    }
    if prefix && !raw {
        return Err(ValueError::new(
            "a dialect has one path, not all below it",
            "leave out the \"/*\", or write dialect = \"raw\"",
        ));
    }
    Ok(PathPattern { text: path.to_owned(), prefix })
}

/// What is taken off must be there on every path of the bot, in whole steps.
pub(crate) fn strip(text: &str, path: Option<&PathPattern>) -> Result<String, ValueError> {
    parse::path(text)?;
    let text = text.trim_end_matches('/');
    if text.is_empty() {
        return Err(ValueError::new("nothing to take off", "leave it out"));
    }
    let never = || {
        ValueError::new(
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

/// Two bots cannot answer to the same path, unless an id tells them apart: in the body, or in the path of two templates.
pub(crate) fn check_paths(reading: &mut Reading<'_>, bots: &[Bot]) {
    let mut taken: HashMap<&PathPattern, &Bot> = HashMap::new();
    for bot in bots {
        let Some(other) = taken.insert(&bot.path, bot) else {
            continue;
        };
        let in_body = dialect::find(bot.dialect)
            .is_some_and(|dialect| matches!(dialect.bot_id, BotIdLocation::Body(_)));
        if bot.dialect == other.dialect && (in_body || (bot.template && other.template)) {
            continue;
        }
        let key = |bot: &Bot| format!("bots.{}{}", bot.id, if bot.template { "*" } else { "" });
        let (key, other) = (key(bot), key(other));
        reading.clash(
            &format!("{key}.path"),
            &format!("{other}.path"),
            "the other one",
            format!("`{other}` and `{key}` have the same path"),
            "give one of them a path of its own".to_owned(),
        );
    }
}
