//! The registry: which bot a path belongs to, and everything the line knows of a bot and its upstream.

use crate::client::Target;
use crate::dialect::Dialect;
use crate::limit::RuleSet;
use crate::signature::{IdSource, Verifier};
use crate::worker::Timeouts;
use http::{HeaderName, HeaderValue};
use ipnet::IpNet;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// One bot, resolved.
#[derive(Debug)]
pub struct Bot {
    /// Its id.
    pub id: Arc<str>,
    /// The format it is spoken to in.
    pub dialect: &'static Dialect,
    /// Who may speak for it.
    pub verifier: Arc<Verifier>,
    /// Its limits.
    pub rules: RuleSet,
    /// How a repeated delivery is known; `None`: it is not.
    pub duplicates: Option<Duplicates>,
    /// Index into [`Registry::upstreams`].
    pub upstream: usize,
    /// The upstream's `Host`.
    pub authority: HeaderValue,
    /// The path of the upstream's URL, without a slash at its end.
    pub prefix: String,
    /// What is taken off the caller's path first.
    pub strip: Option<String>,
    /// Header fields that the upstream gets on top.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// How a delivery that came before is known.
#[derive(Debug)]
pub struct Duplicates {
    /// Where its id stands.
    pub by: IdSource,
    /// The signature covers the id; otherwise the body's hash stands beside it.
    pub signed: bool,
    /// How long it is remembered.
    pub window: Duration,
}

/// One upstream, by name.
#[derive(Debug)]
pub struct Upstream {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Where it is.
    pub target: Target,
}

/// Where a bot is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Path {
    /// Exactly this path.
    Exact(String),
    /// This path and everything below it.
    Below(String),
}

/// All that a reload replaces, as one value.
#[derive(Debug)]
pub struct Registry {
    bots: Vec<Bot>,
    exact: HashMap<String, usize, foldhash::fast::RandomState>,
    below: HashMap<String, usize, foldhash::fast::RandomState>,
    longest: usize,
    /// The upstreams that the bots lead to.
    pub upstreams: Vec<Upstream>,
    /// The largest body, in bytes.
    pub max_body: u64,
    /// The caller's deadlines.
    pub timeouts: Timeouts,
    /// Whose `X-Forwarded-*` is believed.
    pub trusted: Vec<IpNet>,
}

impl Registry {
    /// Puts bots under their paths. Two with the same path are an error of the configuration, found before.
    pub fn new(
        bots: Vec<(Path, Bot)>,
        upstreams: Vec<Upstream>,
        max_body: u64,
        timeouts: Timeouts,
        trusted: Vec<IpNet>,
    ) -> Self {
        let mut registry = Self {
            bots: Vec::with_capacity(bots.len()),
            exact: HashMap::default(),
            below: HashMap::default(),
            longest: 0,
            upstreams,
            max_body,
            timeouts,
            trusted,
        };
        for (path, bot) in bots {
            let index = registry.bots.len();
            registry.bots.push(bot);
            match path {
                Path::Exact(path) => registry.exact.insert(path, index),
                Path::Below(path) => {
                    registry.longest = registry.longest.max(path.len());
                    registry.below.insert(path, index)
                }
            };
        }
        registry
    }

    /// The bot that a path belongs to: an exact one first, then the longest prefix.
    pub fn route(&self, path: &str) -> Option<(usize, &Bot)> {
        let found = self.exact.get(path).or_else(|| {
            if self.below.is_empty() {
                return None;
            }
            // A cut is at most one byte behind the longest prefix: a path of slashes alone costs no more than any other.
            let head = &path.as_bytes()[..path.len().min(self.longest + 1)];
            let whole = (head.len() == path.len()).then_some(path);
            let cuts = memchr::memrchr_iter(b'/', head).map(|cut| &path[..cut]);
            whole
                .into_iter()
                .chain(cuts)
                .find_map(|prefix| self.below.get(prefix))
        })?;
        Some((*found, self.bots.get(*found)?))
    }

    /// All bots, in the order of the configuration.
    pub fn bots(&self) -> &[Bot] {
        &self.bots
    }
}

#[cfg(test)]
pub(crate) mod tests;
