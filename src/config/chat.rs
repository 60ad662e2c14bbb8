//! What a bot has because its messages are understood: conversations, a budget, its way of answering.

use super::money;
use super::parse;
use super::raw::{self, Per};
use super::reader::Reading;
use super::schema_types::shown;
use super::scope::Scope;
use crate::codec::dialect::Dialect;
use crate::codec::price::Period;
use crate::proxy::bot::SpendLimit;
use crate::state::conversation::Policy;
use std::time::Duration;

/// How long a conversation is kept unless the file says otherwise.
const DEFAULT_TTL: Duration = Duration::from_secs(86_400);
/// How many past messages go along unless the file says otherwise.
const DEFAULT_WINDOW: u32 = 20;

/// Whether and how the bot's conversations are kept. A bot that asks no AI has none.
pub(crate) fn conversation(
    reading: &mut Reading<'_>,
    at: &str,
    written: Option<&raw::Conversation>,
    dialect: &Dialect,
    asks: bool,
) -> Option<Policy> {
    let path = format!("{at}.conversation");
    let acknowledges = dialect.chat.is_some_and(|chat| chat.acknowledges()) && !asks;
    let keeps = dialect.chat.is_some_and(|chat| chat.keeps_history()) && !acknowledges;
    match written {
        Some(raw::Conversation::Off(_)) => None,
        Some(raw::Conversation::Settings(_)) if !keeps => {
            let why = match dialect.chat {
                None => "are handed on as they are",
                Some(_) if acknowledges => "are only acknowledged without an upstream",
                Some(_) => "bring their whole history along",
            };
            reading.error(
                &path,
                format!(
                    "`{}`: {} messages {why}, so nothing is kept here",
                    shown(&path),
                    dialect.name
                ),
                "leave it out",
            );
            None
        }
        Some(raw::Conversation::Settings(kept)) => {
            let ttl = reading.value(&format!("{path}.ttl"), kept.ttl.as_deref(), parse::duration);
            Some(Policy {
                ttl: ttl.unwrap_or(DEFAULT_TTL),
                window: kept.window.unwrap_or(DEFAULT_WINDOW),
            })
        }
        None => keeps.then_some(Policy { ttl: DEFAULT_TTL, window: DEFAULT_WINDOW }),
    }
}

/// What the bot may spend; every upstream that it may ask must have a price.
pub(crate) fn budget(
    reading: &mut Reading<'_>,
    at: &str,
    written: Option<&raw::Budget>,
    upstreams: &[usize],
    around: &Scope<'_>,
) -> Option<SpendLimit> {
    let written = written?;
    let path = format!("{at}.budget");
    let unpriced = upstreams.iter().find_map(|index| {
        let upstream = around.upstream(*index)?;
        upstream.ai.as_ref().is_none_or(|ai| ai.price.is_none()).then_some(&upstream.name)
    });
    if let Some(name) = unpriced
        && !reading.has(&format!("upstreams.{name}.price"))
    {
        let name = shown(name);
        reading.error(
            &path,
            format!("`{}`: what the upstream `{name}` costs is not known, so nothing would ever be spent", shown(&path)),
            format!("add to [upstreams.{name}], in US cents per million tokens: price = {{ input = 250, output = 1000 }}"),
        );
    }
    Some(SpendLimit {
        most: reading.value(&format!("{path}.cap"), written.cap.as_deref(), money::cap)?,
        per: match written.per? {
            Per::Day => Period::Day,
            Per::Month => Period::Month,
            Per::Total => Period::Total,
        },
    })
}
