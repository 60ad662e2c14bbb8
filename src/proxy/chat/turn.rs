//! Whose conversation a message belongs to, when its answer must be there, and the wait for its turn.

use crate::clock;
use crate::codec::message::Event;
use crate::net::timers::Timer;
use crate::proxy::reject::Reject;
use crate::proxy::worker::ConfigSnapshot;
use crate::state::conversation::{Begin, Conversations, Key, Policy, TurnGuard};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

/// Which conversation a message belongs to, where it says who wrote it.
pub(super) fn conversation_key(id: &str, event: &Event<'_>) -> Option<Key> {
    let user = event.user.id.as_deref()?;
    Some(Key::of_user(id, user, event.channel.as_deref()))
}

/// What decides which of several AIs is asked; `alone` for a message that belongs to no conversation.
pub(super) fn routing_key(id: &str, event: &Event<'_>, key: &Option<Key>, alone: u64) -> u64 {
    match (key, event.conversation.as_deref()) {
        (_, Some(own)) => Key::of_conversation(id, own).hash(),
        (Some(key), None) => key.hash(),
        (None, None) => alone,
    }
}

/// When the answer must be there: the first AI's total, counted from `start`, in nanoseconds of [`clock::now`].
pub(super) fn answer_deadline(snapshot: &ConfigSnapshot, candidates: &[usize], start: u64) -> u64 {
    let upstreams = &snapshot.registry.upstreams;
    let first = candidates.first().and_then(|index| upstreams.get(*index));
    first.map_or(u64::MAX, |upstream| {
        start.saturating_add(clock::nanos(upstream.target.timeouts.total))
    })
}

/// Waits for a message's turn in its conversation.
pub(super) async fn wait_for_turn(
    timer: &Timer,
    conversations: &Arc<Conversations>,
    key: Key,
    policy: Policy,
    by: u64,
    now_ms: u64,
) -> Result<TurnGuard, Reject> {
    let mut wait = match conversations.begin(key, policy, now_ms).await {
        Begin::Ready(held) => return Ok(held),
        Begin::Full => return Err(Reject::ConversationFull),
        Begin::Waiting(wait) => wait,
    };
    timer.set(by);
    let held = poll_fn(|cx| match Pin::new(&mut wait).poll(cx) {
        Poll::Ready(held) => Poll::Ready(Ok(held)),
        Poll::Pending => timer.poll(cx).map(|()| Err(Reject::TurnTimeout)),
    })
    .await;
    timer.clear();
    held
}
