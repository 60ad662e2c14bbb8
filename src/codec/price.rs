//! Money: whole millionths of a US cent, so that nothing is lost by adding.

use crate::codec::message::Usage;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use std::io::Write as _;

/// Millionths of a US cent.
pub type MicroCents = u64;

/// One US dollar.
pub const DOLLAR: MicroCents = 100_000_000;

/// An amount that is written as a number of cents with up to six decimals, exactly: `0`, `1`, `0.16325`. For JSON alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cents(pub MicroCents);

impl Serialize for Cents {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut room = [0; 32];
        let mut rest = &mut room[..];
        let (whole, part) = (self.0 / 1_000_000, self.0 % 1_000_000);
        // 14 digits before the point at most and 6 behind it: they fit.
        let _ = match part {
            0 => write!(rest, "{whole}"),
            _ => write!(rest, "{whole}.{part:06}"),
        };
        let left = rest.len();
        let text = std::str::from_utf8(&room[..room.len() - left]).unwrap_or("0");
        let text = match part {
            0 => text,
            _ => text.trim_end_matches('0'),
        };
        let number: &RawValue = serde_json::from_str(text).unwrap_or(RawValue::NULL);
        number.serialize(serializer)
    }
}

/// What an upstream's tokens cost, in thousandths of a US cent per million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// Of the request.
    pub input: u64,
    /// Of the answer.
    pub output: u64,
}

impl Price {
    /// What that many tokens cost, rounded up.
    pub fn of(&self, usage: Usage) -> MicroCents {
        let cost = |tokens: u64, price: u64| u128::from(tokens) * u128::from(price);
        let input = cost(usage.input, self.input);
        let thousandths = input.saturating_add(cost(usage.output, self.output));
        u64::try_from(thousandths.div_ceil(1000)).unwrap_or(u64::MAX)
    }
}

/// How long a budget lasts until it begins anew. Days and months are those of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// From midnight to midnight.
    Day,
    /// From the first of a month.
    Month,
    /// For ever.
    Total,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_written_to_the_last_of_its_millionths() {
        for (amount, text) in [
            (0, "0"),
            (1, "0.000001"),
            (163_250, "0.16325"),
            (1_000_000, "1"),
            (10_000_000, "10"),
            (12_500_000, "12.5"),
            (u64::MAX, "18446744073709.551615"),
        ] {
            assert_eq!(serde_json::to_string(&Cents(amount)).unwrap(), text);
        }
    }

    #[test]
    fn a_cost_is_exact_and_rounds_up() {
        let price = |input, output| Price { input, output };
        let usage = |input, output| Usage { input, output };
        // 485 tokens at 250 cents and 42 at 1000 cents a million: 0.16325 cents.
        assert_eq!(price(250_000, 1_000_000).of(usage(485, 42)), 163_250);
        assert_eq!(price(1, 0).of(usage(1, 0)), 1);
        assert_eq!(price(1, 1).of(usage(0, 0)), 0);
        assert_eq!(price(u64::MAX, u64::MAX).of(usage(u64::MAX, u64::MAX)), u64::MAX);
    }
}
