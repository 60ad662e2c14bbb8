//! The API's analytics of a bot: the sum of all hours, and each hour that has any figures.

use super::error::ApiError;
use super::query::Query;
use super::{AdminServer, Inventory};
use crate::clock;
use crate::codec::price::Cents;
use crate::proxy::bot::is_id;
use crate::signature::UnixTime;
use crate::state::analytics::{CODES, Figures, MAX_HOURS, hour};
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::Range;
use tokio::task;

/// Hours shown by default.
const DEFAULT_HOURS: u32 = 24;

#[derive(Serialize)]
pub(super) struct Analytics {
    bot: String,
    from: String,
    to: String,
    #[serde(flatten)]
    all: FiguresView,
    series: Vec<Hour>,
}

#[derive(Serialize)]
struct Hour {
    at: String,
    #[serde(flatten)]
    figures: FiguresView,
}

#[derive(Serialize)]
struct FiguresView {
    requests: Requests,
    tokens: Tokens,
    cost_cents: Cents,
    latency_ms: Percentiles,
    callbacks: Callbacks,
}

#[derive(Serialize)]
struct Requests {
    accepted: u64,
    refused: BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
struct Tokens {
    input: u64,
    output: u64,
}

#[derive(Serialize)]
struct Percentiles {
    p50: Option<f64>,
    p90: Option<f64>,
    p99: Option<f64>,
}

#[derive(Serialize)]
struct Callbacks {
    delivered: u64,
    /// The current number; absent in the hours of the series.
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<u32>,
    dead: u64,
}

/// The figures of a bot, also of a removed one as long as they are kept.
pub(super) async fn show(
    server: &AdminServer,
    bot: &str,
    query: &Query<'_>,
) -> Result<Analytics, ApiError> {
    let now_ms = clock::unix_ms();
    let hours = hours(query, now_ms)?;
    let missing = || ApiError::not_found("there is no such bot; GET /api/bots lists them");
    let state = server.state();
    let found = task::block_in_place(|| state.analytics.of(bot, hours.clone(), now_ms));
    let found = found.map_err(|error| ApiError::internal(error.to_string()))?;
    let known = || is_known(&server.inventory(), bot).then(BTreeMap::new);
    let found = found.or_else(known).ok_or_else(missing)?;
    let mut all = Figures::default();
    found.values().for_each(|figures| all.add(figures));
    let series =
        found.iter().map(|(hour, figures)| Hour { at: at(*hour), figures: shown(figures, None) });
    Ok(Analytics {
        bot: bot.to_owned(),
        from: at(hours.start),
        to: at(hours.end),
        all: shown(&all, Some(state.jobs.pending(bot))),
        series: series.collect(),
    })
}

fn hours(query: &Query<'_>, now_ms: u64) -> Result<Range<u32>, ApiError> {
    let to = query.hour("to")?;
    let to = to.unwrap_or_else(|| hour(now_ms).saturating_add(1));
    let from = query.hour("from")?;
    let from = from.unwrap_or_else(|| to.saturating_sub(DEFAULT_HOURS));
    if from >= to {
        let error = "from is not before to; write the earlier time as from";
        return Err(ApiError::invalid(error));
    }
    if to - from > MAX_HOURS {
        return Err(ApiError::invalid(format!(
            "from and to are {} hours apart, and figures are kept for {MAX_HOURS}; ask for no more",
            to - from
        )));
    }
    Ok(from..to)
}

/// True for a bot's id, a template's key and any id that a template stands for.
fn is_known(inventory: &Inventory, id: &str) -> bool {
    let stands_for = |front: &str| id.starts_with(front) && is_id(id);
    let mut bots = inventory.bots.iter();
    bots.any(|bot| bot.id == id || bot.id.strip_suffix('*').is_some_and(stands_for))
}

fn at(hour: u32) -> String {
    UnixTime::from_seconds(i64::from(hour) * 3600).iso()
}

fn shown(figures: &Figures, pending: Option<u32>) -> FiguresView {
    let refused = CODES.into_iter().zip(figures.refused);
    let millis = |per_cent| {
        let us = figures.latency.percentile(per_cent)?;
        Some(us as f64 / 1000.0)
    };
    FiguresView {
        requests: Requests {
            accepted: figures.accepted,
            refused: refused.filter(|(_, count)| *count > 0).collect(),
        },
        tokens: Tokens { input: figures.input, output: figures.output },
        cost_cents: Cents(figures.micro_cents),
        latency_ms: Percentiles { p50: millis(50), p90: millis(90), p99: millis(99) },
        callbacks: Callbacks { delivered: figures.delivered, pending, dead: figures.dead },
    }
}
