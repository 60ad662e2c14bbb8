//! How long answers took: counted in buckets that grow with the time, so that a percentile is off by 6 % at the most.
//!
//! Up to 16 µs each microsecond has a bucket of its own; from there on each doubling has [`PARTS`], up to [`MAX_LATENCY_US`]. A time is
//! told as the one between its bucket's ends that is off by the same part from both: by 1/17 where the bucket is widest.

use std::time::Duration;

/// How many buckets each doubling has.
const PARTS: u64 = 8;
/// What is longer counts as this long: 2 h 23 min, in microseconds.
const MAX_LATENCY_US: u64 = (1 << 33) - 1;

/// How many answers fell into which bucket, by the bucket; those without any are not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latency(Vec<(u8, u64)>);

impl Latency {
    /// Counts an answer that took so long.
    pub(super) fn count(&mut self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.add(bucket(us), 1);
    }

    /// Counts so many in a bucket.
    pub(super) fn add(&mut self, bucket: u8, count: u64) {
        match self.0.binary_search_by_key(&bucket, |(known, _)| *known) {
            Ok(at) => self.0[at].1 = self.0[at].1.saturating_add(count),
            Err(at) => self.0.insert(at, (bucket, count)),
        }
    }

    /// Each bucket that has any, and how many.
    pub(super) fn buckets(&self) -> &[(u8, u64)] {
        &self.0
    }

    /// The time that so many per cent of the answers did not exceed, in microseconds (nearest rank); none without answers.
    pub fn percentile(&self, per_cent: u64) -> Option<u64> {
        let all: u128 = self.0.iter().map(|(_, count)| u128::from(*count)).sum();
        let rank = (all * u128::from(per_cent)).div_ceil(100).max(1);
        let mut below = 0;
        let reached = |(_, count): &&(u8, u64)| {
            below += u128::from(*count);
            below >= rank
        };
        self.0.iter().find(reached).map(|(bucket, _)| told(*bucket))
    }
}

fn bucket(us: u64) -> u8 {
    let us = us.min(MAX_LATENCY_US);
    let place = if us < 2 * PARTS {
        us
    } else {
        let octave = u64::from(us.ilog2());
        // The four highest bits say which doubling and which part of it.
        PARTS * (octave - 3) + (us >> (octave - 3))
    };
    u8::try_from(place).unwrap_or(u8::MAX)
}

/// What is told of the times in a bucket, in microseconds.
fn told(bucket: u8) -> u64 {
    let place = u64::from(bucket);
    if place < 2 * PARTS {
        return place;
    }
    let (part, width) = (PARTS + place % PARTS, 1 << (place / PARTS - 1));
    2 * part * (part + 1) * width / (2 * part + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same times each run, from a microsecond to an hour, as many of each size.
    fn times(count: u64) -> Vec<u64> {
        let mut state = 7_u64;
        let mut next = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state >> 33
        };
        let mut times: Vec<u64> = (0..count)
            .map(|_| {
                let size = next() % 32;
                (1 << size) + next() % (1 << size)
            })
            .collect();
        times.sort_unstable();
        times
    }

    #[test]
    fn a_percentile_is_off_by_six_per_cent_at_the_most() {
        for count in [1, 2, 10, 99, 100, 101, 10_000] {
            let times = times(count);
            let mut latency = Latency::default();
            times.iter().for_each(|us| latency.count(Duration::from_micros(*us)));
            for per_cent in [1, 50, 90, 99, 100] {
                let rank = (count * per_cent).div_ceil(100).max(1);
                let exact = times[usize::try_from(rank).unwrap() - 1] as f64;
                let told = latency.percentile(per_cent).unwrap() as f64;
                let off = (told - exact).abs() / exact;
                assert!(off <= 0.06, "p{per_cent} of {count}: {told} for {exact}");
            }
        }
        assert_eq!(Latency::default().percentile(50), None);
    }

    #[test]
    fn every_time_has_its_bucket_and_no_bucket_tells_of_another() {
        let edges = (0..33).flat_map(|size| {
            let edge = 1_u64 << size;
            [edge.saturating_sub(1), edge, edge + 1, edge + edge / 2]
        });
        for us in edges.chain(0..5000).chain([MAX_LATENCY_US]) {
            let told = told(bucket(us));
            assert!(told.abs_diff(us) as f64 <= us as f64 * 0.06, "{us}: {told}");
            assert_eq!(bucket(told), bucket(us), "{us}: {told}");
        }
        assert!(bucket(MAX_LATENCY_US) < u8::MAX);
        for longer in [MAX_LATENCY_US + 1, u64::MAX] {
            assert_eq!(bucket(longer), bucket(MAX_LATENCY_US));
        }
        let mut latency = Latency::default();
        latency.count(Duration::MAX);
        assert_eq!(latency.buckets(), [(bucket(MAX_LATENCY_US), 1)]);
    }
}
