//! Money: whole millionths of a US cent, so that nothing is lost by adding.

use crate::message::Usage;

/// Millionths of a US cent.
pub type MicroCents = u64;

/// One US dollar.
pub const DOLLAR: MicroCents = 100_000_000;

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
    fn a_cost_is_exact_and_rounds_up() {
        let price = |input, output| Price { input, output };
        let usage = |input, output| Usage { input, output };
        // 485 tokens at 250 cents and 42 at 1000 cents a million: 0.16325 cents.
        assert_eq!(price(250_000, 1_000_000).of(usage(485, 42)), 163_250);
        assert_eq!(price(1, 0).of(usage(1, 0)), 1);
        assert_eq!(price(1, 1).of(usage(0, 0)), 0);
        assert_eq!(
            price(u64::MAX, u64::MAX).of(usage(u64::MAX, u64::MAX)),
            u64::MAX
        );
    }
}
