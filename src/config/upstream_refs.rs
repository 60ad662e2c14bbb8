//! `upstream` and `fallback`: which backends answer a bot, and whether they can.

use super::raw;
use super::raw::Upstreams;
use super::reader::Reading;
use super::schema_types::shown;
use super::scope::Scope;
use super::suggest::known_or_nearest;
use crate::codec::dialect::{self, Dialect};
use crate::codec::provider;
use crate::net::rendezvous::WeightedUpstream;
use crate::proxy::bot::Bot;
use ring::digest::{SHA256, digest};

/// What `upstream` and `fallback` resolve to: indices with weights, and indices.
pub(crate) struct Arms {
    pub(crate) upstreams: Vec<(usize, u32)>,
    pub(crate) fallback: Vec<usize>,
}

impl Arms {
    /// The weights, each with the upstream's share of all conversations.
    pub(crate) fn weights(&self, around: &Scope<'_>) -> Vec<WeightedUpstream> {
        let weighted = |(index, weight): &(usize, u32)| {
            let name = around.names.get(*index)?;
            Some(WeightedUpstream { seed: seed(name), weight: *weight })
        };
        self.upstreams.iter().filter_map(weighted).collect()
    }

    /// Every upstream that may be asked, each once.
    pub(crate) fn all(&self) -> Vec<usize> {
        let chosen = self.upstreams.iter().map(|(index, _)| *index);
        let mut all: Vec<_> = chosen.chain(self.fallback.iter().copied()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// Reads both keys of the bot at `at`; what is wrong is noted.
pub(crate) fn arms(
    reading: &mut Reading<'_>,
    at: &str,
    written: &raw::Bot,
    dialect: Option<&Dialect>,
    around: &Scope<'_>,
) -> Arms {
    let raw = dialect.is_some_and(|dialect| dialect.chat.is_none());
    let upstreams = match &written.upstream {
        None => {
            let needed =
                dialect.is_some_and(|dialect| dialect.chat.is_none_or(|chat| !chat.acknowledges()));
            if needed && !reading.has(&format!("{at}.upstream")) {
                reading.error_at_key(
                    at,
                    format!("`{}` has no `upstream`", shown(at)),
                    "add the line: upstream = \"backend\"",
                );
            }
            Vec::new()
        }
        Some(Upstreams::One(name)) => {
            let path = format!("{at}.upstream");
            let index = find(reading, at, &path, name, dialect, around);
            index.map(|index| (index, 1)).into_iter().collect()
        }
        Some(Upstreams::Weighted(_)) if raw => {
            reading.error(
                &format!("{at}.upstream"),
                format!("`{}.upstream`: a raw bot has one backend", shown(at)),
                "write its name: upstream = \"backend\"",
            );
            Vec::new()
        }
        Some(Upstreams::Weighted(list)) => weighted(reading, at, list, dialect, around),
    };
    let fallback = match written.fallback.as_deref() {
        Some([_, ..]) if raw => {
            reading.error(
                &format!("{at}.fallback"),
                format!("`{}.fallback`: what a raw bot was sent may have had an effect, so no second backend gets it", shown(at)),
                "leave it out",
            );
            Vec::new()
        }
        names => fallback(reading, at, names.unwrap_or_default(), &upstreams, dialect, around),
    };
    Arms { upstreams, fallback }
}

/// The same for the same name, in every process.
fn seed(name: &str) -> u64 {
    let hash = digest(&SHA256, name.as_bytes());
    u64::from_le_bytes(hash.as_ref().first_chunk().copied().unwrap_or_default())
}

/// Warns of every upstream that no bot uses.
pub(crate) fn unused(reading: &mut Reading<'_>, names: &[String], bots: &[Bot]) {
    // Where something is wrong, a bot may be missing.
    if bots.is_empty() || !reading.is_sound("bots") || !reading.is_sound("upstreams") {
        return;
    }
    for (index, name) in names.iter().enumerate() {
        let used = bots.iter().any(|bot| bot.upstreams().any(|used| used == index));
        if !used {
            reading.warning(
                &format!("upstreams.{name}"),
                format!("no bot uses `upstreams.{}`", shown(name)),
                "take it out, or name it in a bot: upstream = …",
            );
        }
    }
}

fn weighted(
    reading: &mut Reading<'_>,
    at: &str,
    list: &[raw::Weighted],
    dialect: Option<&Dialect>,
    around: &Scope<'_>,
) -> Vec<(usize, u32)> {
    let mut found: Vec<(usize, u32)> = Vec::with_capacity(list.len());
    for (place, one) in list.iter().enumerate() {
        let path = format!("{at}.upstream[{place}].name");
        let (Some(name), Some(weight)) = (&one.name, one.weight) else {
            continue;
        };
        let Some(index) = find(reading, at, &path, name, dialect, around) else {
            continue;
        };
        if found.iter().any(|(other, _)| *other == index) {
            reading.error(&path, "this upstream is there twice", "add the weights");
            continue;
        }
        found.push((index, weight));
    }
    let path = format!("{at}.upstream");
    if reading.is_sound(&path) && found.iter().all(|(_, weight)| *weight == 0) {
        reading.error(
            &path,
            format!("`{}`: with weights of 0 alone nothing is ever chosen", shown(&path)),
            "give one of them a weight",
        );
    }
    found
}

fn fallback(
    reading: &mut Reading<'_>,
    at: &str,
    names: &[String],
    upstreams: &[(usize, u32)],
    dialect: Option<&Dialect>,
    around: &Scope<'_>,
) -> Vec<usize> {
    let mut found = Vec::with_capacity(names.len());
    for (place, name) in names.iter().enumerate() {
        let path = format!("{at}.fallback[{place}]");
        let Some(index) = find(reading, at, &path, name, dialect, around) else {
            continue;
        };
        let alone = matches!(upstreams, [(only, _)] if *only == index);
        if alone || found.contains(&index) {
            reading.error(
                &path,
                "this upstream has failed already when its turn comes",
                "leave it out, or name another one",
            );
        }
        found.push(index);
    }
    if upstreams.is_empty() && !names.is_empty() && !reading.has(&format!("{at}.upstream")) {
        reading.error(
            &format!("{at}.fallback"),
            format!("`{}.fallback` without an `upstream` to fall back from", shown(at)),
            "add the line: upstream = \"backend\"",
        );
    }
    found
}

/// The upstream of that name, if it speaks what the bot's dialect needs.
fn find(
    reading: &mut Reading<'_>,
    at: &str,
    path: &str,
    name: &str,
    dialect: Option<&Dialect>,
    around: &Scope<'_>,
) -> Option<usize> {
    let index = around.names.iter().position(|known| known == name);
    let Some(index) = index else {
        if reading.has(&format!("upstreams.{name}")) {
            return None;
        }
        let known: Vec<_> = around.names.iter().map(String::as_str).collect();
        let fix = match known.as_slice() {
            [] => format!("add a table: [upstreams.{}]", shown(name)),
            known => known_or_nearest(name, known, |name| format!("{:?}", shown(name))),
        };
        let key = path.strip_prefix(at).unwrap_or(path);
        reading.error(path, format!("`{}{key}` names no upstream that is here", shown(at)), fix);
        return None;
    };
    let kind = around.upstream(index)?.kind();
    let dialect = dialect?;
    match (dialect.chat.is_none(), kind == provider::FORWARDING) {
        (true, false) => reading.error(
            path,
            format!("a raw bot's bytes go on as they are, and the upstream `{}` speaks {kind}", shown(name)),
            format!("name an upstream with kind = {:?}", provider::FORWARDING),
        ),
        (false, true) => reading.error(
            path,
            format!("the upstream `{}` hands on bytes as they are, so no {} message can be made of its answer", shown(name), dialect.name),
            format!("name an upstream of another kind, or write dialect = {:?}", dialect::FORWARDING.name),
        ),
        _ => return Some(index),
    }
    None
}
