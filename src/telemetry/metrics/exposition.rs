//! The metrics page: every name and its help in one place, the workers' cells added up.

use super::cells::{Cell, STATUS_CLASSES, STATUS_CODES};
use super::family::Family;
use super::{BotCells, Metrics, StateFigures, WorkerCells, lock};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// The type of the page, for its `Content-Type`.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the stores say at the moment of a look; the page's owner asks them.
#[derive(Clone, Debug, Default)]
pub struct Readings {
    /// Bytes of request bodies held now.
    pub buffer_bytes: u64,
    /// Bytes that may be held at once.
    pub buffer_limit: u64,
    /// Buckets there are now.
    pub limit_keys: u64,
    /// Buckets made.
    pub limit_made: u64,
    /// Idle buckets forgotten.
    pub limit_swept: u64,
    /// Requests charged to a shared bucket because there were too many keys.
    pub limit_overflowed: u64,
    /// Deliveries remembered or in the making now.
    pub duplicates_held: u64,
    /// Bytes of answers kept for repetition.
    pub duplicates_bytes: u64,
    /// (outcome, count) of every idempotency lookup.
    pub duplicates: [(&'static str, u64); 5],
    /// Access log lines lost because the log could not keep up.
    pub access_log_dropped: u64,
    /// Of each upstream: its name, whether its breaker is open (1) or probes (2), how often it has opened.
    pub breakers: Vec<(Box<str>, u64, u64)>,
    /// What outlives the process.
    pub state: StateFigures,
}

pub(super) fn render(metrics: &Arc<Metrics>, readings: Readings) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape { metrics: Arc::clone(metrics), readings }));
    let mut page = String::with_capacity(16 * 1024);
    // Writing to a String cannot fail.
    let _ = encode(&mut page, &registry);
    page
}

#[derive(Debug)]
pub(super) struct Scrape {
    pub(super) metrics: Arc<Metrics>,
    pub(super) readings: Readings,
}

/// Names without `_total` and `_info`: the encoder appends them by type.
impl Collector for Scrape {
    fn encode(&self, mut out: DescriptorEncoder<'_>) -> fmt::Result {
        self.workers(&mut out)?;
        self.bots(&mut out)?;
        self.upstreams(&mut out)?;
        self.stores(&mut out)?;
        self.readings.state.encode(&mut out)?;
        self.process(&mut out)
    }
}

impl Scrape {
    fn workers(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        use MetricType::{Counter, Gauge, Histogram};
        let workers = &self.metrics.workers;
        Family::new(out, "botgate_connections", "Callers' connections open now", Gauge)?
            .gauge(&[], total(workers, |cells: &WorkerCells| &cells.connections))?;
        Family::new(out, "botgate_in_flight", "Requests being served now", Gauge)?
            .gauge(&[], total(workers, |cells: &WorkerCells| &cells.in_flight))?;
        let mut refusals =
            Family::new(out, "botgate_refusals", "Requests refused, by reason", Counter)?;
        for (place, reason) in self.metrics.reasons.iter().enumerate() {
            let count = total(workers, |cells: &WorkerCells| &cells.refusals[place]);
            refusals.counter(&[("reason", reason)], count)?;
        }
        let mut request = Family::new(
            out,
            "botgate_request_seconds",
            "From head to the end of the answer",
            Histogram,
        )?;
        request.histogram(&[], workers.iter().map(|cells| &cells.request))?;
        let mut lag = Family::new(
            out,
            "botgate_loop_lag_seconds",
            "How late a worker's loop came round",
            Histogram,
        )?;
        for cells in workers {
            lag.histogram(&[("worker", &cells.index.to_string())], [&cells.lag])?;
        }
        Ok(())
    }

    fn bots(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let bots = lock(&self.metrics.bots);
        let labels: Vec<String> = STATUS_CODES
            .iter()
            .map(u16::to_string)
            .chain(STATUS_CLASSES.map(str::to_owned))
            .collect();
        let mut requests = Family::new(
            out,
            "botgate_requests",
            "Requests answered, by status; no bot: none was found",
            MetricType::Counter,
        )?;
        let mut write = |bot: &str, cells: &[&BotCells]| -> fmt::Result {
            let mut sums = vec![0_u64; labels.len()];
            for cells in cells {
                sums.iter_mut().zip(cells.answers()).for_each(|(sum, count)| *sum += count);
            }
            let seen = labels.iter().zip(sums).filter(|(_, sum)| *sum > 0);
            seen.into_iter()
                .try_for_each(|(code, sum)| requests.counter(&[("bot", bot), ("code", code)], sum))
        };
        for (bot, cells) in bots.iter() {
            write(bot, &cells.iter().map(Arc::as_ref).collect::<Vec<_>>())?;
        }
        write("", &self.metrics.workers.iter().map(|cells| &cells.unrouted).collect::<Vec<_>>())?;

        for (name, help, cell) in [
            (
                "botgate_tokens_in",
                "Tokens of requests that an AI answered",
                (|cells| &cells.tokens_in) as fn(&BotCells) -> &Cell,
            ),
            ("botgate_tokens_out", "Tokens of an AI's answers", |cells| &cells.tokens_out),
            ("botgate_cost_microcents", "What answers cost, in millionths of a US cent", |cells| {
                &cells.micro_cents
            }),
        ] {
            let mut family = Family::new(out, name, help, MetricType::Counter)?;
            for (bot, cells) in bots.iter() {
                let sum = total(cells, cell);
                if sum > 0 {
                    family.counter(&[("bot", bot)], sum)?;
                }
            }
        }

        let help = "Unix time at which a secret, by its place in the list, last verified a request; absent: not since the start";
        let mut used = Family::new(
            out,
            "botgate_signature_secret_last_used_seconds",
            help,
            MetricType::Gauge,
        )?;
        for (bot, cells) in bots.iter() {
            let mut last = Vec::new();
            for cells in cells {
                last.resize(cells.secrets().count(), 0);
                last.iter_mut().zip(cells.secrets()).for_each(|(last, at)| *last = at.max(*last));
            }
            for (place, at) in last.into_iter().enumerate().filter(|(_, at)| *at > 0) {
                used.gauge(&[("bot", bot), ("secret", &place.to_string())], at)?;
            }
        }
        Ok(())
    }

    fn stores(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let now = &self.readings;
        for (name, help, value) in [
            ("botgate_buffer_bytes", "Bytes of request bodies held now", now.buffer_bytes),
            (
                "botgate_buffer_limit_bytes",
                "Bytes of request bodies that may be held at once",
                now.buffer_limit,
            ),
            ("botgate_limit_keys", "Buckets there are now", now.limit_keys),
            (
                "botgate_duplicates_held",
                "Deliveries remembered or in the making",
                now.duplicates_held,
            ),
            (
                "botgate_duplicates_bytes",
                "Bytes of answers kept for repetition",
                now.duplicates_bytes,
            ),
        ] {
            Family::new(out, name, help, MetricType::Gauge)?.gauge(&[], value)?;
        }
        for (name, help, value) in [
            ("botgate_limit_keys_made", "Buckets made", now.limit_made),
            ("botgate_limit_keys_swept", "Idle buckets forgotten", now.limit_swept),
            (
                "botgate_limit_overflowed",
                "Requests charged to a shared bucket: too many keys",
                now.limit_overflowed,
            ),
            (
                "botgate_access_log_dropped",
                "Access log lines lost: the log could not keep up",
                now.access_log_dropped,
            ),
        ] {
            Family::new(out, name, help, MetricType::Counter)?.counter(&[], value)?;
        }
        let mut duplicates = Family::new(
            out,
            "botgate_duplicates",
            "Deliveries looked up in the ledger, by outcome",
            MetricType::Counter,
        )?;
        let known = now.duplicates.iter().filter(|(outcome, _)| !outcome.is_empty());
        known
            .into_iter()
            .try_for_each(|(outcome, count)| duplicates.counter(&[("outcome", outcome)], *count))
    }

    fn process(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut reloads = Family::new(
            out,
            "botgate_reload",
            "Reloads of the configuration, by result",
            MetricType::Counter,
        )?;
        reloads.counter(&[("result", "ok")], self.metrics.reloaded.load(Relaxed))?;
        reloads.counter(&[("result", "refused")], self.metrics.refused_reloads.load(Relaxed))?;
        Family::new(out, "botgate_build", "Which build this is", MetricType::Info)?
            .info(&[("version", env!("CARGO_PKG_VERSION"))])
    }
}

pub(super) fn total<'a, T: 'a>(workers: &'a [Arc<T>], cell: impl Fn(&'a T) -> &'a Cell) -> u64 {
    workers.iter().map(|cells| cell(cells).get()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REASONS: &[&str] = &["signature", "limit"];
    const WORDS: &[&str] = &["connect", "total"];

    #[test]
    fn the_page_adds_up_the_workers_and_survives_a_reload() {
        let metrics = Metrics::new(2, REASONS, WORDS);
        for (worker, cells) in metrics.workers().iter().enumerate() {
            cells.connections.add(3);
            cells.in_flight.increment();
            cells.refused("limit");
            cells.request.observe(700_000);
            cells.lag.observe(2_000_000_000 * worker as u64);
            cells.unrouted.answered(404);
            let bot = metrics.bot(cells, "b");
            bot.answered(200);
            bot.answered(207);
            bot.secret_used(worker, 1_800_000_000);
            let upstream = metrics.upstream(cells, "u");
            upstream.opened.increment();
            upstream.connections.increment();
            upstream.failed("total");
        }
        // A reload asks again.
        metrics.bot(&metrics.workers()[0], "b").answered(200);
        metrics.upstream(&metrics.workers()[1], "u").reused.add(5);
        metrics.record_reload(true);
        let readings = Readings {
            buffer_bytes: 7,
            access_log_dropped: 9,
            breakers: vec![("u".into(), 1, 3)],
            duplicates: [("fresh", 4), ("", 0), ("", 0), ("", 0), ("", 0)],
            ..Readings::default()
        };
        let page = metrics.page(readings.clone()).replace(env!("CARGO_PKG_VERSION"), "VERSION");
        assert_eq!(page, include_str!("../../../tests/fixtures/metrics.txt"));

        metrics.forget_secrets("b");
        assert!(!metrics.page(readings.clone()).contains("last_used_seconds{"));
        metrics.retain(|_| false, |_| true);
        let page = metrics.page(readings);
        assert!(!page.contains("bot=\"b\"") && page.contains("upstream=\"u\""));
    }
}
