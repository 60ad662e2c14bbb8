//! How money is written: prices in US cents per million tokens, caps in US dollars.

use super::parse::ValueError;
use crate::codec::price::{DOLLAR, MicroCents};

/// The highest price: a million US cents per million tokens.
const MAX_PRICE: f64 = 1e6;
/// The largest cap, in US dollars.
const MAX_AMOUNT: u64 = 1_000_000_000;

/// US cents per million tokens, in thousandths of a cent.
pub(crate) fn price(cents: f64) -> Result<u64, ValueError> {
    let thousandths = cents * 1000.0;
    let whole = thousandths.round();
    if !(0.0..=MAX_PRICE).contains(&cents) {
        return Err(ValueError::new(
            "not a price",
            "write US cents per million tokens, from 0 to 1000000",
        ));
    }
    // A fraction such as 0.075 has no exact form; its thousandths are whole but for the last bits.
    if (thousandths - whole).abs() > 1e-6 {
        return Err(ValueError::new(
            "a price with over three decimals",
            "write US cents per million tokens to a thousandth: 7.5 or 0.075",
        ));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole, not negative and far below 2^53"
    )]
    Ok(whole as u64)
}

/// `50.00 USD`: at most six decimals.
pub(crate) fn cap(text: &str) -> Result<MicroCents, ValueError> {
    let not_one = || ValueError::new("not an amount of money", "write US dollars: \"50.00 USD\"");
    let number = text.strip_suffix("USD").ok_or_else(not_one)?.trim_end();
    let (dollars, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !digits(dollars, 18) || !digits(decimals, 6) {
        return Err(not_one());
    }
    let dollars: u64 = dollars.parse().map_err(|_| not_one())?;
    // Six decimals of a dollar are ten-thousandths of a cent: a hundred millionths of a cent each.
    let decimals: u64 = format!("{decimals:0<6}").parse().map_err(|_| not_one())?;
    let all = dollars.saturating_mul(DOLLAR).saturating_add(decimals * (DOLLAR / 1_000_000));
    match all {
        0 => Err(ValueError::new(
            "a budget of nothing refuses every message",
            "write more, or leave the bot out",
        )),
        all if all > MAX_AMOUNT * DOLLAR => {
            Err(ValueError::new("too large an amount", "write at most \"1000000000 USD\""))
        }
        all => Ok(all),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_to_a_thousandth() {
        for (cents, thousandths) in [
            (0.0, 0),
            (250.0, 250_000),
            (7.5, 7_500),
            (0.075, 75),
            (0.001, 1),
            (1234.567, 1_234_567),
            (1e6, 1_000_000_000),
        ] {
            assert_eq!(price(cents), Ok(thousandths), "{cents}");
        }
        for cents in [-1.0, 1e6 + 1.0, 0.0001, 7.5005, f64::NAN, f64::INFINITY] {
            assert!(price(cents).is_err(), "{cents}");
        }
    }

    #[test]
    fn caps() {
        for (text, amount) in [
            ("50.00 USD", 50 * DOLLAR),
            ("50 USD", 50 * DOLLAR),
            ("0.5USD", DOLLAR / 2),
            ("0.000001 USD", 100),
            ("1000000000 USD", 1_000_000_000 * DOLLAR),
        ] {
            assert_eq!(cap(text), Ok(amount), "{text}");
        }
        for text in [
            "",
            "USD",
            "50",
            "50 EUR",
            "$50",
            "0 USD",
            "0.0 USD",
            "-1 USD",
            "1. USD",
            ".5 USD",
            "1.0000001 USD",
            "1,5 USD",
            "1e3 USD",
            "1000000001 USD",
            "999999999999999999 USD",
            "9999999999999999999 USD",
            "５ USD",
        ] {
            assert!(cap(text).is_err(), "{text}");
        }
    }
}
