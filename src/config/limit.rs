//! `limit`: from written rules to counted ones.

use super::parse;
use super::raw::{Limit, OneOrMany};
use super::reader::Reading;
use super::schema_types::shown;
use crate::state::limit::{Key, Rate, Rule, RuleError};
use std::time::Duration;

/// Reads the rules at `path`; the wrong ones are noted and left out.
pub(crate) fn rules(
    reading: &mut Reading<'_>,
    path: &str,
    written: &OneOrMany<Limit>,
) -> Vec<Rule> {
    written.at(path).into_iter().filter_map(|(path, limit)| rule(reading, &path, limit)).collect()
}

/// What a dialect sets for its bots: so many a minute, all of which may come at once.
pub(crate) fn per_minute(count: u64) -> Rule {
    Rule { rate: Rate { count, period: Duration::from_secs(60) }, burst: count, key: Key::Bot }
}

fn rule(reading: &mut Reading<'_>, path: &str, written: &Limit) -> Option<Rule> {
    let key = match &written.key {
        None => Some(Key::Bot),
        Some(key) => reading.value(&format!("{path}.key"), Some(key), parse::limit_key),
    };
    let rate = reading.value(&format!("{path}.rate"), written.rate.as_deref(), parse::rate)?;
    let rule = Rule { rate, burst: written.burst.unwrap_or(rate.count), key: key? };
    match rule.check() {
        Ok(()) => Some(rule),
        Err(error) => {
            let (key, fix) = match error {
                RuleError::Burst { most } => ("burst", format!("write a `burst` from 1 to {most}")),
                _ => ("rate", "write a rate such as \"60/min\"".to_owned()),
            };
            let at = format!("{path}.{key}");
            let at = if reading.has(&at) { at } else { format!("{path}.rate") };
            reading.error(&at, format!("`{}`: {error}", shown(&at)), fix);
            None
        }
    }
}
