//! The end of a job that comes to nothing, and who is told of it.

use super::Dispatcher;
use crate::clock;
use crate::codec::bot_event::{EventType, error};
use crate::proxy::bot::Subscriber;
use crate::proxy::chat::{EventDelivery, delivery_jobs, event_deliveries, retry_until_written};
use crate::state::analytics::Happened;
use crate::state::jobs::{Head, Id, JobsError};

impl Dispatcher {
    /// Ends a job without another attempt.
    pub(super) async fn give_up(&self, id: Id, head: &Head, reason: &str) -> Result<(), JobsError> {
        tracing::warn!(%id, reason, "a message is dead-lettered");
        let told = self.tell(id, head, reason);
        let jobs = delivery_jobs(&told, &head.bot, &head.dialect, head.subject);
        retry_until_written(|| self.jobs.give_up(id, reason, &jobs, clock::unix_ms())).await?;
        self.happened(head, Happened::Dead);
        Ok(())
    }

    /// Who is told that a job was given up: nobody where it was itself told to a subscriber, since that would have no end.
    pub(super) fn tell(&self, id: Id, head: &Head, why: &str) -> Vec<EventDelivery> {
        if Subscriber::has_name(&head.receiver) {
            return Vec::new();
        }
        let (view, id) = (self.worker.snapshot(), id.to_string());
        let (registry, now_ms) = (&view.registry, clock::unix_ms());
        event_deliveries(registry, EventType::Error, &head.bot, now_ms, |envelope, out| {
            error(envelope, &id, why, out);
        })
    }
}
