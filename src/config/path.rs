//! `path` and `strip`: which requests are a bot's.

use super::parse::{self, ValueError};
use super::raw;
use super::reader::Reading;
use super::schema_types::shown;
use crate::codec::dialect::{self, BotIdLocation, Dialect};
use crate::proxy::bot::{Bot, Path};
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
) -> Option<Path> {
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
    let path = reading.value(&path_at, Some(text), |text| pattern(text, raw))?;
    let text = path.to_string();
    let places = text.matches(PLACE).count();
    let in_path = places == 1 && text.split('/').any(|step| step == PLACE);
    let (message, fix) = match (dialect.bot_id, template) {
        (BotIdLocation::Body(field), _) if places > 0 => (
            format!("the id of a {} bot stands in the body, as `{field}`", dialect.name),
            "leave {bot} out",
        ),
        (BotIdLocation::Body(field), _) => return Some(Path::Body(text, field)),
        (BotIdLocation::Path, true) if in_path => {
            let (before, after) = text.split_once(PLACE)?;
            return Some(Path::Named(before.to_owned(), after.to_owned()));
        }
        (BotIdLocation::Path, true) => (
            format!("`{}` stands for many bots, which only their paths tell apart", shown(at)),
            "write {bot} as one step of the path, in the place of the id: path = \"/chat/{bot}\"",
        ),
        (BotIdLocation::Path, false) => {
            return Some(match path {
                Path::Below(front) => Path::Below(front.replace(PLACE, id)),
                _ => Path::Exact(text.replace(PLACE, id)),
            });
        }
    };
    reading.error(&path_at, message, fix);
    None
}

/// An exact path, or, where bytes are only handed on, a prefix and `/*`.
fn pattern(text: &str, raw: bool) -> Result<Path, ValueError> {
    let Some(front) = text.strip_suffix("/*") else {
        return parse::path(text).map(|()| Path::Exact(text.to_owned()));
    };
    if !front.is_empty() {
        parse::path(front)?;
    }
    if raw {
        return Ok(Path::Below(front.to_owned()));
    }
    Err(ValueError::new(
        "a dialect has one path, not all below it",
        format!("leave out the \"/*\", or write dialect = {:?}", dialect::FORWARDING.name),
    ))
}

/// What is taken off must be there on every path of the bot, in whole steps.
pub(crate) fn strip(text: &str, path: Option<&Path>) -> Result<String, ValueError> {
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
    let path = path.map(Path::to_string);
    match path.as_ref().map(|path| path.strip_prefix(text)) {
        Some(None) => Err(never()),
        Some(Some(rest)) if !(rest.is_empty() || rest.starts_with('/')) => Err(never()),
        _ => Ok(text.to_owned()),
    }
}

/// Two bots cannot answer to the same path, unless an id tells them apart: in the body, or in the path of two templates.
pub(crate) fn check_paths(reading: &mut Reading<'_>, bots: &[Bot]) {
    let mut taken: HashMap<String, &Bot> = HashMap::new();
    for bot in bots {
        let Some(other) = taken.insert(bot.path.to_string(), bot) else {
            continue;
        };
        let in_body = matches!(bot.path, Path::Body(..));
        if bot.dialect.name == other.dialect.name && (in_body || (bot.template && other.template)) {
            continue;
        }
        let (key, other) = (format!("bots.{}", bot.label()), format!("bots.{}", other.label()));
        reading.clash(
            &format!("{key}.path"),
            &format!("{other}.path"),
            "the other one",
            format!("`{other}` and `{key}` have the same path"),
            "give one of them a path of its own".to_owned(),
        );
    }
}
