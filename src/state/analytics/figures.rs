//! What is counted of one bot in one hour, and how that is written down.

use super::latency::Latency;
use crate::codec::message::Usage;
use crate::codec::price::MicroCents;
use crate::state::store::STAMP;
use std::time::Duration;

/// The code words of refusals. On disk they stand by their place here, so a new one goes to the end.
pub const CODES: [&str; 18] = [
    "invalid_request",
    "unauthorized",
    "budget_exceeded",
    "forbidden",
    "not_found",
    "method_not_allowed",
    "timeout",
    "conflict",
    "too_large",
    "unsupported_media_type",
    "rate_limit",
    "headers_too_large",
    "internal",
    "upstream_error",
    "upstream_unreachable",
    "overloaded",
    "upstream_unavailable",
    "upstream_timeout",
];
/// The version of the records.
const VERSION: u8 = 1;

/// What happened to a bot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// A request was taken; how long its answer took, where that was the response.
    Accepted(Option<Duration>),
    /// A request was refused with this code word.
    Refused(&'static str),
    /// An AI answered.
    Spent(Usage, MicroCents),
    /// The answer of a message that is answered later was ready, so long after the message had come.
    Answered(Duration),
    /// A callback or event was delivered.
    Delivered,
    /// A message or a delivery was given up.
    Dead,
}

/// The counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Requests that were taken.
    pub accepted: u64,
    /// Requests that were refused, by the place of the word in [`CODES`].
    pub refused: [u64; CODES.len()],
    /// Tokens that AIs took.
    pub input: u64,
    /// Tokens that they gave.
    pub output: u64,
    /// What those cost.
    pub micro_cents: MicroCents,
    /// How long answers took.
    pub latency: Latency,
    /// Callbacks and events that were delivered.
    pub delivered: u64,
    /// What was given up.
    pub dead: u64,
}

impl Figures {
    pub(super) fn count(&mut self, happened: Happened) {
        match happened {
            Happened::Accepted(took) => {
                self.accepted += 1;
                took.into_iter().for_each(|took| self.latency.count(took));
            }
            Happened::Refused(code) => {
                let place = CODES.iter().position(|known| *known == code);
                debug_assert!(place.is_some(), "{code} is not in the list");
                if let Some(count) = place.and_then(|place| self.refused.get_mut(place)) {
                    *count += 1;
                }
            }
            Happened::Spent(usage, micro_cents) => {
                for (sum, more) in [
                    (&mut self.input, usage.input),
                    (&mut self.output, usage.output),
                    (&mut self.micro_cents, micro_cents),
                ] {
                    *sum = sum.saturating_add(more);
                }
            }
            Happened::Answered(took) => self.latency.count(took),
            Happened::Delivered => self.delivered += 1,
            Happened::Dead => self.dead += 1,
        }
    }

    /// Adds the counts of another hour, or of the same one.
    pub fn add(&mut self, other: &Self) {
        let more = other.counts().into_iter().chain(other.refused);
        for (sum, more) in self.counts_mut().zip(more) {
            *sum = sum.saturating_add(more);
        }
        let buckets = other.latency.buckets().iter();
        buckets.for_each(|(bucket, count)| self.latency.add(*bucket, *count));
    }

    /// The single numbers, in the order that they are written in.
    fn counts(&self) -> [u64; 6] {
        [self.accepted, self.input, self.output, self.micro_cents, self.delivered, self.dead]
    }

    /// The same to be changed, and behind them the refusals.
    fn counts_mut(&mut self) -> impl Iterator<Item = &mut u64> {
        let counts = [
            &mut self.accepted,
            &mut self.input,
            &mut self.output,
            &mut self.micro_cents,
            &mut self.delivered,
            &mut self.dead,
        ];
        counts.into_iter().chain(&mut self.refused)
    }

    /// The record of an hour, which expires at this time in milliseconds since 1970.
    pub(super) fn write(&self, hour: u32, expires_ms: u64) -> Vec<u8> {
        let mut out = expires_ms.to_be_bytes().to_vec();
        out.push(VERSION);
        out.extend_from_slice(&hour.to_le_bytes());
        for count in self.counts() {
            number(count, &mut out);
        }
        let refused = self.refused.iter().enumerate();
        let refused: Vec<_> = refused.filter(|(_, count)| **count > 0).collect();
        number(refused.len() as u64, &mut out);
        for (place, count) in refused {
            number(place as u64, &mut out);
            number(*count, &mut out);
        }
        for (bucket, count) in self.latency.buckets() {
            out.push(*bucket);
            number(*count, &mut out);
        }
        out
    }

    /// The hour of a record, and its counts; none of one that cannot be read.
    pub(super) fn read(record: &[u8]) -> Option<(u32, Self)> {
        let (&[VERSION], rest) = record.get(STAMP..)?.split_first_chunk()? else {
            return None;
        };
        let (hour, mut rest) = rest.split_first_chunk()?;
        let mut figures = Self::default();
        let singles = figures.counts().len();
        for count in figures.counts_mut().take(singles) {
            *count = take(&mut rest)?;
        }
        for _ in 0..take(&mut rest)? {
            let place = usize::try_from(take(&mut rest)?).ok()?;
            *figures.refused.get_mut(place)? = take(&mut rest)?;
        }
        while let Some((bucket, more)) = rest.split_first() {
            rest = more;
            figures.latency.add(*bucket, take(&mut rest)?);
        }
        Some((u32::from_le_bytes(*hour), figures))
    }
}

/// Writes a number, seven bits a byte, the lowest first; the last byte has no highest bit.
fn number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes such a number off.
fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Figures {
        let mut figures = Figures::default();
        for happened in [
            Happened::Accepted(Some(Duration::from_millis(3))),
            Happened::Accepted(None),
            Happened::Refused("rate_limit"),
            Happened::Refused("upstream_timeout"),
            Happened::Refused("rate_limit"),
            Happened::Spent(Usage { input: 485, output: u64::MAX }, 163_250),
            Happened::Answered(Duration::from_secs(2)),
            Happened::Delivered,
            Happened::Dead,
        ] {
            figures.count(happened);
        }
        figures
    }

    #[test]
    fn what_is_written_is_read_and_what_is_cut_or_mangled_is_not() {
        for figures in [Figures::default(), some()] {
            let record = figures.write(490_000, 7);
            assert_eq!(record[..STAMP], 7_u64.to_be_bytes());
            assert_eq!(Figures::read(&record), Some((490_000, figures)));
        }
        let record = some().write(490_000, 7);
        // Behind the single numbers it may end where a pair does.
        for end in 0..30 {
            assert_eq!(Figures::read(&record[..end]), None, "{end}");
        }
        for at in STAMP..record.len() {
            let mut mangled = record.clone();
            mangled[at] = 0xff;
            let _ = Figures::read(&mangled);
        }
        let mut newer = record;
        newer[STAMP] = VERSION + 1;
        assert_eq!(Figures::read(&newer), None);
    }

    #[test]
    fn sums_are_those_of_all_and_stop_at_the_most() {
        let (mut sum, one) = (some(), some());
        sum.add(&one);
        assert_eq!((sum.accepted, sum.delivered, sum.dead), (4, 2, 2));
        assert_eq!(sum.refused.iter().sum::<u64>(), 6);
        assert_eq!((sum.input, sum.output), (970, u64::MAX));
        assert_eq!(sum.micro_cents, 326_500);
        let counts = sum.latency.buckets().iter().map(|(_, count)| *count);
        assert_eq!(counts.collect::<Vec<_>>(), [2, 2]);
    }
}
