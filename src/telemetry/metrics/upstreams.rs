//! The metrics page's part about upstreams.

use super::cells::{Cell, UpstreamCells};
use super::exposition::{Scrape, total};
use super::family::Family;
use super::lock;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use std::fmt;

impl Scrape {
    pub(super) fn upstreams(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        use MetricType::{Counter, Gauge};
        let upstreams = lock(&self.metrics.upstreams);
        let mut open = Family::new(
            out,
            "botgate_upstream_connections",
            "Connections to an upstream open now",
            Gauge,
        )?;
        for (name, cells) in upstreams.iter() {
            open.gauge(
                &[("upstream", name)],
                total(cells, |cells: &UpstreamCells| &cells.connections),
            )?;
        }
        let mut opened = Family::new(
            out,
            "botgate_upstream_opened",
            "Connections made to an upstream",
            Counter,
        )?;
        for (name, cells) in upstreams.iter() {
            opened.counter(
                &[("upstream", name)],
                total(cells, |cells: &UpstreamCells| &cells.opened),
            )?;
        }
        let mut reused = Family::new(
            out,
            "botgate_upstream_reused",
            "Requests sent over an idle connection",
            Counter,
        )?;
        for (name, cells) in upstreams.iter() {
            reused.counter(
                &[("upstream", name)],
                total(cells, |cells: &UpstreamCells| &cells.reused),
            )?;
        }
        for (name, help, cell) in [
            (
                "botgate_upstream_retries",
                "Calls put to the same AI again",
                (|cells| &cells.retried) as fn(&UpstreamCells) -> &Cell,
            ),
            (
                "botgate_upstream_passed_over",
                "Calls that failed and were put to it again or to another",
                |cells| &cells.passed_over,
            ),
        ] {
            let mut family = Family::new(out, name, help, Counter)?;
            for (upstream, cells) in upstreams.iter() {
                family.counter(&[("upstream", upstream)], total(cells, cell))?;
            }
        }
        let mut state = Family::new(
            out,
            "botgate_upstream_breaker",
            "Whether an upstream is left alone: 0 no, 1 yes, 2 probed",
            Gauge,
        )?;
        for (name, now, _) in &self.readings.breakers {
            state.gauge(&[("upstream", name)], *now)?;
        }
        let mut opened = Family::new(
            out,
            "botgate_upstream_breaker_opened",
            "How often an upstream's breaker has opened",
            Counter,
        )?;
        for (name, _, times) in &self.readings.breakers {
            opened.counter(&[("upstream", name)], *times)?;
        }
        let mut errors = Family::new(
            out,
            "botgate_upstream_errors",
            "Exchanges that failed, by what went wrong",
            Counter,
        )?;
        for (name, cells) in upstreams.iter() {
            for (place, word) in self.metrics.errors.iter().enumerate() {
                let count = total(cells, |cells: &UpstreamCells| &cells.errors[place]);
                errors.counter(&[("upstream", name), ("word", word)], count)?;
            }
        }
        Ok(())
    }
}
