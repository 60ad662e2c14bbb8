//! The number of callers that the limit on open files allows.

use super::background::receiver_sockets;
use crate::config::Settings;
use tokio::sync::Semaphore;

/// Descriptors for neither callers nor upstreams: listeners, logs, the runtime.
const SPARE_DESCRIPTORS: u64 = 128;

/// The number of callers that may be connected: what is configured, but no more than the descriptors left beside the upstreams'.
pub(super) fn connections(settings: &Settings) -> usize {
    let limit = raise_descriptors();
    let upstreams: usize = settings.upstreams.iter().map(|it| it.target.max_connections).sum();
    let upstreams = upstreams + receiver_sockets(settings);
    let left = usize::try_from(limit.saturating_sub(SPARE_DESCRIPTORS)).unwrap_or(usize::MAX);
    let room = left.saturating_sub(upstreams).max(left / 4).max(1);
    let wanted = settings.server.max_connections.unwrap_or(room.min(20_000));
    if wanted > room {
        tracing::warn!(
            wanted,
            room,
            "max_connections is more than the limit on open files allows; raise it with ulimit -n"
        );
    }
    wanted.min(room).min(Semaphore::MAX_PERMITS)
}

/// Raises the soft limit on open files to the hard one and returns it.
fn raise_descriptors() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let in_force =
        if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    in_force.unwrap_or(1 << 20)
}
