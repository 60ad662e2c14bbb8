//! `reply`: whether an answer is the response or comes later, and what goes with that.

use super::reader::Reading;
use super::schema_types::shown;
use super::scope::Scope;
use super::{parse, raw};
use crate::codec::dialect::Dialect;
use crate::proxy::bot::DeferredReply;
use std::time::Duration;

/// How long `auto` waits with its response unless the file says otherwise.
const DEFAULT_WITHIN: Duration = Duration::from_secs(25);
/// For how long an AI that fails is asked again unless the file says otherwise.
const DEFAULT_ANSWER_WITHIN: Duration = Duration::from_secs(15 * 60);
/// How to give a bot a callback.
const ADD: &str = "callback = { url = \"https://crm.example/botgate\", sign = { secret = \"${env:CALLBACK_SECRET}\" } }";

/// Where an answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Into the response.
    Sync,
    /// To the callback.
    Callback,
    /// Into the response where it is ready within this time, else to the callback.
    Auto(Duration),
}

/// How the bot at `at` answers, and how later; what does not go together is noted.
pub(crate) fn reply(
    reading: &mut Reading<'_>,
    at: &str,
    written: &raw::Bot,
    dialect: &Dialect,
    around: &Scope<'_>,
) -> (Mode, Option<DeferredReply>) {
    let none = raw::Reply::default();
    let own = written.reply.as_ref().unwrap_or(&none);
    let path = |key: &str| format!("{at}.reply.{key}");
    let mut duration =
        |key: &str, text: Option<&str>| reading.value(&path(key), text, parse::duration);
    let within = duration("within", own.within.as_deref()).unwrap_or(DEFAULT_WITHIN);
    let answer_within = duration("answer_within", own.answer_within.as_deref());
    let mode = match own.mode.as_deref() {
        Some("callback") => Mode::Callback,
        Some("auto") => Mode::Auto(within),
        Some(_) => Mode::Sync,
        None => default(reading, at, dialect),
    };
    check(reading, at, written, dialect, mode);
    let events = dialect.chat.is_some_and(|chat| chat.acknowledges());
    let meant = [
        ("within", own.within.is_some(), matches!(mode, Mode::Auto(_))),
        ("answer_within", own.answer_within.is_some(), mode != Mode::Sync || events),
        ("failure_text", own.failure_text.is_some(), mode != Mode::Sync || events),
    ];
    for (key, written, used) in meant {
        if written && !used {
            let fix = match key {
                "within" => "write mode = \"auto\", or leave it out",
                _ => "write mode = \"callback\" or \"auto\", or leave it out",
            };
            reading.error(
                &path(key),
                format!("`{}` has no meaning with this way of answering", shown(&path(key))),
                fix,
            );
        }
    }
    let by_events = events && around.subscribed;
    let later = (by_events || mode != Mode::Sync).then(|| DeferredReply {
        within: match mode {
            Mode::Auto(within) => Some(within),
            Mode::Sync | Mode::Callback => None,
        },
        answer_within: answer_within.unwrap_or(DEFAULT_ANSWER_WITHIN),
        failure_text: own.failure_text.clone(),
        receiver: if by_events { format!("{at}.events") } else { format!("{at}.callback") }.into(),
    });
    (mode, later)
}

/// The dialect's own way, which may ask for a callback.
fn default(reading: &Reading<'_>, at: &str, dialect: &Dialect) -> Mode {
    let has_callback = reading.has(&format!("{at}.callback"));
    match dialect.chat {
        Some(chat) if chat.answers_later() => Mode::Callback,
        Some(chat) if chat.prefers_callback() && has_callback => Mode::Callback,
        _ => Mode::Sync,
    }
}

/// Notes what this way of answering lacks, and what speaks against it.
fn check(reading: &mut Reading<'_>, at: &str, written: &raw::Bot, dialect: &Dialect, mode: Mode) {
    let (callback_at, mode_at) = (format!("{at}.callback"), format!("{at}.reply.mode"));
    if !reading.is_sound(&mode_at) {
        return;
    }
    let has_callback = reading.has(&callback_at);
    let never = match dialect.chat {
        None => Some((
            "a raw bot's caller gets its backend's response",
            "leave it out, or name the dialect that the callers speak",
        )),
        Some(chat) if chat.acknowledges() => Some((
            "this dialect acknowledges at once, and its answers leave as events",
            "leave it out, and add [[subscribers]] with a url",
        )),
        Some(_) => None,
    };
    if let Some((why, fix)) = never {
        for (path, there) in [(&callback_at, has_callback), (&mode_at, mode != Mode::Sync)] {
            if there {
                reading.error(path, format!("`{}`: {why}", shown(path)), fix);
            }
        }
        return;
    }
    match mode {
        Mode::Sync if has_callback => reading.warning(
            &callback_at,
            format!("`{}` is never used: every answer is the response", shown(&callback_at)),
            "leave it out, or add reply = { mode = \"auto\" } or \"callback\"",
        ),
        Mode::Sync => {}
        _ if reading.has(&mode_at) && !has_callback => reading.error(
            &mode_at,
            format!("`{}` needs a callback", shown(&mode_at)),
            format!("add to the bot: {ADD}"),
        ),
        _ if !has_callback => reading.error_at_key(
            at,
            format!(
                "`{}`: {} answers by a callback unless told otherwise, and it has none",
                shown(at),
                dialect.name
            ),
            format!("add the line: {ADD}; or: reply = {{ mode = \"sync\" }}"),
        ),
        _ if written.stream == Some(true) => reading.clash(
            &mode_at,
            &format!("{at}.stream"),
            "the stream",
            format!("`{}`: an answer that streams is always the response", shown(&mode_at)),
            "write mode = \"sync\", or leave `stream` out".to_owned(),
        ),
        _ => {}
    }
}
