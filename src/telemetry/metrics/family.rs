//! One metric of one name as the encoder writes it: its help and type, then its series.

use super::cells::Histogram;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use std::fmt;

/// One metric of one name; every call writes a series of it.
pub(super) struct Family<'a>(MetricEncoder<'a>);

pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

impl<'a> Family<'a> {
    pub(super) fn new(
        out: &'a mut DescriptorEncoder<'_>,
        name: &'a str,
        help: &str,
        kind: MetricType,
    ) -> Result<Self, fmt::Error> {
        out.encode_descriptor(name, help, None, kind).map(Self)
    }

    pub(super) fn counter(&mut self, labels: Labels<'_>, value: u64) -> fmt::Result {
        if labels.is_empty() {
            return self.0.encode_counter::<NoLabelSet, u64, f64>(&value, None);
        }
        self.0.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, f64>(&value, None)
    }

    pub(super) fn gauge(&mut self, labels: Labels<'_>, value: u64) -> fmt::Result {
        if labels.is_empty() {
            return self.0.encode_gauge(&value);
        }
        self.0.encode_family(&labels)?.encode_gauge(&value)
    }

    pub(super) fn histogram<'b, const N: usize>(
        &mut self,
        labels: Labels<'_>,
        workers: impl IntoIterator<Item = &'b Histogram<N>>,
    ) -> fmt::Result {
        let (mut sum, mut buckets) = (0.0, Vec::new());
        for cells in workers {
            sum += cells.sum();
            buckets.resize(N + 1, (0.0, 0));
            for (total, (bound, count)) in buckets.iter_mut().zip(cells.buckets()) {
                *total = (bound, total.1 + count);
            }
        }
        let count = buckets.iter().map(|(_, count)| count).sum();
        let write = |out: &mut MetricEncoder<'_>| {
            out.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
        };
        if labels.is_empty() {
            return write(&mut self.0);
        }
        write(&mut self.0.encode_family(&labels)?)
    }

    /// Writes an info: one series whose labels say it all.
    pub(super) fn info(&mut self, labels: Labels<'_>) -> fmt::Result {
        self.0.encode_info(&labels)
    }
}
