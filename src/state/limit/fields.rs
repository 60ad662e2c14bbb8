//! What a caller is told: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10) and `Retry-After`.

use super::Rule;
use http::HeaderValue;

/// The names that the rules of one list have in the two fields: `default` for one alone, otherwise the key's word, numbered where
/// it repeats.
pub(super) fn names(rules: &[Rule]) -> Vec<String> {
    if rules.len() == 1 {
        return vec!["default".to_owned()];
    }
    rules
        .iter()
        .enumerate()
        .map(|(index, rule)| {
            let word = rule.key.word();
            match rules[..index].iter().filter(|other| other.key.word() == word).count() {
                0 => word.to_owned(),
                earlier => format!("{word}-{}", earlier + 1),
            }
        })
        .collect()
}

/// `"default";q=60;w=60`: the burst as the quota and the whole seconds that filling it takes, rounded up, as the window.
pub(super) fn policy(rules: &[Rule], names: &[String]) -> Option<HeaderValue> {
    let members: Vec<String> =
        rules.iter().zip(names).map(|(rule, name)| member(rule, name)).collect();
    if members.is_empty() { None } else { HeaderValue::from_str(&members.join(", ")).ok() }
}

fn member(rule: &Rule, name: &str) -> String {
    let window = rule.rate.period.as_nanos() * u128::from(rule.burst);
    let window = window.div_ceil(u128::from(rule.rate.count.max(1)) * 1_000_000_000).max(1);
    format!("\"{name}\";q={};w={window}", rule.burst)
}

/// `"default";r=59;t=1`: whole tokens left, and whole seconds until there is one more, rounded up.
pub(super) fn rate_limit(name: &str, remaining: u64, wait_us: u64) -> Option<HeaderValue> {
    let mut field = [0; 96];
    let mut used = 0;
    let (mut left, mut seconds) = (itoa::Buffer::new(), itoa::Buffer::new());
    let parts = [
        "\"",
        name,
        "\";r=",
        left.format(remaining),
        ";t=",
        seconds.format(whole_seconds(wait_us)),
    ];
    for part in parts {
        field.get_mut(used..used + part.len())?.copy_from_slice(part.as_bytes());
        used += part.len();
    }
    HeaderValue::from_bytes(field.get(..used)?).ok()
}

/// `Retry-After` in whole seconds (RFC 9110 §10.2.3), rounded up and never 0: a caller that obeys it is not told to wait again.
pub fn retry_after(wait_us: u64) -> HeaderValue {
    HeaderValue::from(whole_seconds(wait_us).max(1))
}

fn whole_seconds(us: u64) -> u64 {
    us.div_ceil(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::limit::{Key, Rate};
    use std::time::Duration;

    fn rule(count: u64, seconds: u64, burst: u64, key: Key) -> Rule {
        Rule { rate: Rate { count, period: Duration::from_secs(seconds) }, burst, key }
    }

    #[test]
    fn policies_name_burst_and_window() {
        let text = |rules: &[Rule]| {
            policy(rules, &names(rules)).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(text(&[]), None);
        assert_eq!(text(&[rule(60, 60, 60, Key::Bot)]).unwrap(), r#""default";q=60;w=60"#);
        assert_eq!(text(&[rule(1_000_000, 1, 1, Key::Bot)]).unwrap(), r#""default";q=1;w=1"#);
        let several = [
            rule(100, 1, 250, Key::Bot),
            rule(1_000, 3_600, 1_000, Key::Bot),
            rule(7, 3_600, 1, Key::Json("/t".to_owned())),
        ];
        assert_eq!(
            text(&several).unwrap(),
            r#""bot";q=250;w=3, "bot-2";q=1000;w=3600, "json";q=1;w=515"#
        );
    }

    #[test]
    fn standings_round_seconds_up() {
        let text = |remaining, wait| {
            rate_limit("default", remaining, wait).unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(text(59, 1_000_000), r#""default";r=59;t=1"#);
        assert_eq!(text(60, 0), r#""default";r=60;t=0"#);
        assert_eq!(
            text(u64::MAX, u64::MAX),
            r#""default";r=18446744073709551615;t=18446744073710"#
        );
        assert_eq!(rate_limit(&"x".repeat(97), 1, 1), None);
        for (wait, seconds) in
            [(0, "1"), (1, "1"), (1_000_000, "1"), (1_000_001, "2"), (3_600_000_000, "3600")]
        {
            assert_eq!(retry_after(wait), seconds);
        }
    }
}
