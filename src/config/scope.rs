//! What a bot takes from the rest of the file.

use super::upstream::Backend;
use crate::proxy::bot::Upstream;
use crate::state::limit::Rule;

/// What a bot takes from the rest of the file.
pub(crate) struct Scope<'a> {
    /// The names of all upstreams written.
    pub(crate) names: &'a [String],
    /// The upstreams in the same order, without those that could not be read.
    pub(crate) upstreams: &'a [Option<Backend>],
    /// The rules of `[server]`.
    pub(crate) limits: &'a [Rule],
    /// The `public_url` of `[server]`.
    pub(crate) public_url: Option<&'a str>,
    /// Somebody is told of events.
    pub(crate) subscribed: bool,
}

impl Scope<'_> {
    /// The upstream at this place, where it could be read.
    pub(crate) fn upstream(&self, index: usize) -> Option<&Upstream> {
        Some(&self.upstreams.get(index)?.as_ref()?.upstream)
    }
}
