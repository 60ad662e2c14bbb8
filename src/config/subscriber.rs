//! `[[subscribers]]`: who is told of which events, and by what name each is known.

use super::callback::{Own, callback};
use super::parse::ValueError;
use super::reader::Reading;
use super::schema_types::shown;
use super::{raw, url};
use crate::codec::bot_event::EventType;
use crate::proxy::bot::{Bot, Subscriber};
use ring::digest::{SHA256, digest};

/// The longest name that may be written, in bytes.
const MAX_NAME: usize = 64;
/// So much of a host stands in a name that is derived.
const MAX_HOST: usize = 200;

/// Reads all of them; what is wrong is noted.
pub(crate) fn subscribers(
    reading: &mut Reading<'_>,
    written: &[raw::Subscriber],
    bots: &[Bot],
) -> Vec<Subscriber> {
    let mut read: Vec<Subscriber> = Vec::with_capacity(written.len());
    let mut places: Vec<usize> = Vec::with_capacity(written.len());
    for (index, written) in written.iter().enumerate() {
        let at = format!("subscribers[{index}]");
        let secret = written.secret.as_deref();
        let callback = callback(reading, &at, &written.callback, secret, &Own::Unknown);
        let patterns = written.bots.as_deref().unwrap_or_default();
        let mut named = reading.values(&format!("{at}.bots"), patterns, pattern);
        unmatched(reading, &at, &named, bots);
        if written.bots.is_none() {
            named.push("*".to_owned());
        }
        let wanted = written.events.as_deref();
        let events = EventType::ALL.into_iter().filter(|kind| {
            wanted.is_none_or(|wanted| wanted.iter().any(|name| name == kind.name()))
        });
        let name = reading.value(&format!("{at}.name"), written.name.as_deref(), name);
        let Some(mut receiver) = callback else { continue };
        let Some(name) = name.or_else(|| derived(written.callback.url.as_deref()?)) else {
            continue;
        };
        receiver.name = format!("subscribers.{name}").into();
        let same = read.iter().position(|other| other.receiver.name == receiver.name);
        if let Some(other) = same.and_then(|same| places.get(same)) {
            taken(reading, &at, *other, written.name.is_some());
        }
        places.push(index);
        read.push(Subscriber { receiver, events: events.collect(), bots: named });
    }
    read
}

/// Warns where a pattern stands for no bot that is here.
fn unmatched(reading: &mut Reading<'_>, at: &str, patterns: &[String], bots: &[Bot]) {
    if !reading.is_sound("bots") {
        return;
    }
    for (index, pattern) in patterns.iter().enumerate() {
        let front = pattern.strip_suffix('*');
        let stands_for = |bot: &Bot| match (front, bot.template) {
            (Some(front), true) => bot.id.starts_with(front) || front.starts_with(&*bot.id),
            (Some(front), false) => bot.id.starts_with(front),
            (None, true) => pattern.starts_with(&*bot.id),
            (None, false) => **pattern == *bot.id,
        };
        if !bots.iter().any(stands_for) {
            let path = format!("{at}.bots[{index}]");
            reading.warning(
                &path,
                format!("`{}` stands for no bot that is here", shown(&path)),
                "write a bot's id, the front of several and \"*\", or \"*\" for all",
            );
        }
    }
}

/// A name that no place in the file could be meant by.
fn name(text: &str) -> Result<String, ValueError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let a_number = text.bytes().all(|byte| byte.is_ascii_digit());
    if (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(plain) && !a_number {
        return Ok(text.to_owned());
    }
    Err(ValueError::new(
        "no name of a subscriber",
        "write up to 64 letters, digits, \"_\" and \"-\", not digits alone",
    ))
}

/// The name of one that has none: its host, and enough of its URL's hash to tell it from others there. What the URL keeps secret is not
/// to be found in it.
fn derived(url: &str) -> Option<String> {
    let place = url::backend(url, true).ok()?;
    let scheme = if place.tls { "https" } else { "http" };
    let url = format!("{scheme}://{}", place.authority).to_ascii_lowercase();
    let path = place.whole_path();
    let hash = digest(&SHA256, &[b"subscriber\0", url.as_bytes(), path.as_bytes()].concat());
    let front = hash.as_ref().get(..4)?;
    let host = place.host.to_ascii_lowercase();
    let host = host.get(..MAX_HOST).unwrap_or(&host);
    Some(format!("{host}-{}", hex::encode(front)))
}

/// Notes that one has the name of another before it.
fn taken(reading: &mut Reading<'_>, at: &str, other: usize, has_name: bool) {
    let before = format!("subscribers[{other}]");
    let name = format!("{at}.name");
    if has_name {
        let other = [format!("{before}.name"), before.clone()];
        let other = other.into_iter().find(|path| reading.has(path));
        reading.clash(
            &name,
            &other.unwrap_or(before),
            "this one",
            format!("`{}` is taken", shown(&name)),
            "write another one".to_owned(),
        );
    } else {
        reading.clash(
            &format!("{at}.url"),
            &format!("{before}.url"),
            "this one",
            format!("`{}` and `{}` cannot be told apart", shown(at), shown(&before)),
            "give each a name: name = \"ops\"".to_owned(),
        );
    }
}

/// A bot's id, or the front of several and `*`.
fn pattern(text: &str) -> Result<String, ValueError> {
    let id = text.strip_suffix('*').unwrap_or(text);
    let least = usize::from(id.len() == text.len());
    let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if (least..=128).contains(&id.len()) && plain {
        return Ok(text.to_owned());
    }
    Err(ValueError::new(
        "no id of a bot",
        "write letters, digits, \"_\" and \"-\", with \"*\" at the end for all that begin so",
    ))
}
