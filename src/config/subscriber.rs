//! `[[subscribers]]`: who is told of which events.

use super::callback::{Own, callback};
use super::kinds::shown;
use super::reading::Reading;
use super::values::Wrong;
use super::{Bot, Subscriber, shape};
use crate::dialect::event::Kind;

/// Reads all of them; what is wrong is noted.
pub(crate) fn subscribers(
    reading: &mut Reading<'_>,
    written: &[shape::Subscriber],
    bots: &[Bot],
) -> Vec<Subscriber> {
    let mut read = Vec::with_capacity(written.len());
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
        let events = Kind::ALL.into_iter().filter(|kind| {
            wanted.is_none_or(|wanted| wanted.iter().any(|name| name == kind.name()))
        });
        read.extend(callback.map(|callback| Subscriber {
            callback,
            events: events.collect(),
            bots: named,
        }));
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
            (Some(front), true) => bot.id.starts_with(front) || front.starts_with(&bot.id),
            (Some(front), false) => bot.id.starts_with(front),
            (None, true) => pattern.starts_with(&bot.id),
            (None, false) => *pattern == bot.id,
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

/// A bot's id, or the front of several and `*`.
fn pattern(text: &str) -> Result<String, Wrong> {
    let id = text.strip_suffix('*').unwrap_or(text);
    let least = usize::from(id.len() == text.len());
    let plain = id
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if (least..=128).contains(&id.len()) && plain {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(
        "no id of a bot",
        "write letters, digits, \"_\" and \"-\", with \"*\" at the end for all that begin so",
    ))
}
