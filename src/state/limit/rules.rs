//! A bot's rules made ready: each with its pace and its buckets' prefix, those that the head decides first.

use super::bucket::Pace;
use super::key::{self, Prefix};
use super::{Key, Rule, RuleError, Standing, fields};
use http::HeaderValue;

/// One rule, ready to be charged.
#[derive(Clone, Debug)]
pub struct Compiled {
    pub(super) key: Key,
    pub(super) pace: Pace,
    pub(super) prefix: Prefix,
    /// Where its name stands in [`RuleSet::names`].
    pub(super) index: usize,
}

/// All rules of one bot; every one must admit.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    rules: Vec<Compiled>,
    heads: usize,
    names: Vec<String>,
    policy: Option<HeaderValue>,
}

impl RuleSet {
    /// Makes a bot's rules ready. A rule written twice counts once.
    ///
    /// # Errors
    /// The first rule that cannot be counted.
    pub fn new(rules: &[Rule], bot: &str, dialect: &str) -> Result<Self, RuleError> {
        let mut once: Vec<Rule> = Vec::with_capacity(rules.len());
        for rule in rules {
            if !once.contains(rule) {
                once.push(rule.clone());
            }
        }
        let names = fields::names(&once);
        let policy = fields::policy(&once, &names);
        let mut compiled = Vec::with_capacity(once.len());
        for (index, rule) in once.iter().enumerate() {
            let prefix = key::prefix(rule, bot, dialect);
            compiled.push(Compiled { key: rule.key.clone(), pace: rule.pace()?, prefix, index });
        }
        compiled.sort_by_key(|rule| !rule.key.is_head());
        let heads = compiled.iter().filter(|rule| rule.key.is_head()).count();
        Ok(Self { rules: compiled, heads, names, policy })
    }

    /// The rules that the head of a request decides.
    pub fn head(&self) -> &[Compiled] {
        &self.rules[..self.heads]
    }

    /// The rules that need the body.
    pub fn body(&self) -> &[Compiled] {
        &self.rules[self.heads..]
    }

    /// All of them, those of the head first.
    pub fn all(&self) -> &[Compiled] {
        &self.rules
    }

    /// `RateLimit-Policy`, the same for every answer; `None` without rules.
    pub fn policy(&self) -> Option<&HeaderValue> {
        self.policy.as_ref()
    }

    /// `RateLimit` for where a caller stands.
    pub fn rate_limit(&self, standing: &Standing) -> Option<HeaderValue> {
        fields::rate_limit(self.names.get(standing.rule)?, standing.remaining, standing.wait_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::limit::Rate;
    use std::time::Duration;

    #[test]
    fn head_rules_come_first_and_twins_count_once() {
        let rule = |count, key| Rule {
            rate: Rate { count, period: Duration::from_secs(1) },
            burst: 1,
            key,
        };
        let rules = [
            rule(1, Key::Json("/a".to_owned())),
            rule(2, Key::Bot),
            rule(2, Key::Bot),
            rule(4, Key::User),
            rule(3, Key::Peer),
        ];
        let set = RuleSet::new(&rules, "b", "raw").unwrap();
        assert_eq!(
            set.head().iter().map(|rule| rule.key.word()).collect::<Vec<_>>(),
            ["bot", "peer"]
        );
        assert_eq!(
            set.body().iter().map(|rule| rule.key.word()).collect::<Vec<_>>(),
            ["json", "user"]
        );
        assert_eq!(set.all().len(), 4);
        let standing = Standing { rule: set.body()[0].index, remaining: 0, wait_us: 1 };
        assert_eq!(set.rate_limit(&standing).unwrap(), r#""json";r=0;t=1"#);
        assert!(RuleSet::new(&[rule(0, Key::Bot)], "b", "raw").is_err());
    }
}
