//! Events for subscribers: one delivery for each subscriber that wants the event, each a job of its own.

use crate::codec::bot_event::{Envelope, EventType};
use crate::proxy::bot::Registry;
use crate::state::jobs::{Id, Job, Stage, Subject};
use std::sync::Arc;

/// An event on its way to one subscriber.
#[derive(Clone)]
pub struct EventDelivery {
    id: Id,
    receiver: Arc<str>,
    body: Arc<[u8]>,
}

/// What was said stays out of every log.
impl std::fmt::Debug for EventDelivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EventDelivery({}, {})", self.id, self.receiver)
    }
}

impl EventDelivery {
    /// What it says, in bytes.
    pub fn size(&self) -> usize {
        self.body.len()
    }
}

/// Whether anybody is told of such an event of this bot.
pub fn is_subscribed(registry: &Registry, kind: EventType, bot: &str) -> bool {
    let mut subscribers = registry.subscribers.iter();
    subscribers.any(|subscriber| subscriber.wants(kind, bot))
}

/// An event delivery for each subscriber that wants the event, under an id of its own, which is its job's too.
pub fn event_deliveries(
    registry: &Registry,
    kind: EventType,
    bot: &str,
    now_ms: u64,
    write: impl Fn(&Envelope<'_>, &mut Vec<u8>),
) -> Vec<EventDelivery> {
    let subscribers = registry.subscribers.iter();
    let wants = subscribers.filter(|subscriber| subscriber.wants(kind, bot));
    let letter = wants.map(|subscriber| {
        let id = Id::new(now_ms);
        let text = id.to_string();
        let envelope = Envelope { id: &text, bot, now_ms };
        let mut body = Vec::new();
        write(&envelope, &mut body);
        EventDelivery { id, receiver: subscriber.receiver.name.clone(), body: body.into() }
    });
    letter.collect()
}

/// The jobs of these event deliveries, about a bot of that dialect and one of its users, to their receivers.
pub fn delivery_jobs<'a>(
    letters: &'a [EventDelivery],
    bot: &'a str,
    dialect: &'a str,
    subject: Subject,
) -> Vec<Job<'a>> {
    let job = |letter: &'a EventDelivery| Job {
        id: letter.id,
        bot,
        subject,
        dialect,
        receiver: &letter.receiver,
        stage: Stage::Deliver,
        body: letter.body.clone(),
        claimed: false,
        event: true,
    };
    letters.iter().map(job).collect()
}
