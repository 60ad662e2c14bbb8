//! Working on a claimed job: a task for each, and what they share.

use super::in_flight::InFlightPermit;
use super::receiver_queue::{ReceiverQueue, ReceiverQueues};
use crate::clock;
use crate::net::client::breaker::{Breaker, Permit};
use crate::proxy::bot::Registry;
use crate::proxy::chat::{AnswerJob, Envelope, JobOutcome};
use crate::proxy::worker::Worker;
use crate::state::analytics::Happened;
use crate::state::jobs::{Head, Id, Jobs, JobsError, Stage};
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::Instant;

/// How long a job waits that could not be read or written, in milliseconds.
const RETRY_AFTER_ERROR_MS: u32 = 10_000;

#[derive(Debug)]
pub(super) struct Dispatcher {
    pub(super) worker: Rc<Worker>,
    pub(super) jobs: Arc<Jobs>,
    pub(super) queues: ReceiverQueues,
    /// A job is no longer in flight: another may be started.
    pub(super) permit_released: Rc<Notify>,
}

impl Dispatcher {
    pub(super) fn new(worker: Rc<Worker>) -> Self {
        Self {
            jobs: worker.shared.state.jobs.clone(),
            queues: ReceiverQueues::new(&worker),
            permit_released: Rc::default(),
            worker,
        }
    }

    /// Puts a configuration in force.
    pub(super) fn replace(&self, registry: Arc<Registry>) {
        self.worker.replace(registry);
        self.queues.replace(&self.worker);
    }

    /// Bounded work that comes due with time. `due`: when the tick was due.
    pub(super) fn tick(&self, due: Instant) {
        let now = clock::now();
        self.worker.cells.lag.observe(clock::nanos(due.elapsed()));
        self.worker.tick(now);
        self.queues.sweep(now);
    }

    /// Starts to answer a claimed job.
    pub(super) fn start_answer(
        self: &Rc<Self>,
        id: Id,
        queue: &Rc<ReceiverQueue>,
        permit: InFlightPermit,
    ) {
        let (this, queue) = (self.clone(), queue.clone());
        spawn_local(async move {
            let _permit = permit;
            let answered = this.attempt_answer(id).await;
            match answered {
                Ok(JobOutcome::Advanced) => queue.concurrency.increase(),
                Ok(JobOutcome::Requeued) => {
                    queue.concurrency.decrease(queue.answering.jobs(), clock::coarse());
                }
                Err(_) => {}
            }
            this.release_failed(id, answered.map(drop));
        });
    }

    /// Starts to deliver the answer of a claimed job.
    pub(super) fn start_delivery(
        self: &Rc<Self>,
        id: Id,
        queue: &Rc<ReceiverQueue>,
        breaker_permit: Option<Permit<Rc<Breaker>>>,
        permit: InFlightPermit,
    ) {
        let (this, queue) = (self.clone(), queue.clone());
        spawn_local(async move {
            let _permit = permit;
            let delivered = this.attempt_delivery(id, &queue, breaker_permit).await;
            this.release_failed(id, delivered);
        });
    }

    async fn attempt_answer(&self, id: Id) -> Result<JobOutcome, JobsError> {
        let jobs = &self.jobs;
        let details = jobs.details(id)?.ok_or(JobsError::Unknown(id))?;
        let head = details.head;
        let Some(envelope) = Envelope::read(&jobs.body(id, Stage::Answer)?) else {
            let reason = "what was kept of the message cannot be read by this version";
            self.give_up(id, &head, reason).await?;
            return Ok(JobOutcome::Advanced);
        };
        let snapshot = self.worker.snapshot();
        let Some(index) = snapshot.registry.place(&head.bot, &head.dialect) else {
            let reason = "its bot is not in the configuration any more";
            self.give_up(id, &head, reason).await?;
            return Ok(JobOutcome::Advanced);
        };
        let job = AnswerJob {
            worker: self.worker.clone(),
            snapshot,
            index,
            bot: head.bot.clone().into(),
            subject: head.subject,
            envelope,
            accepted_ms: head.accepted_ms,
        };
        let attempts = u32::try_from(details.attempts.len()).unwrap_or(u32::MAX);
        job.finish(jobs, id, attempts, head.since_ms).await
    }

    /// Counts an outcome among the bot's figures. A bot that has left the configuration is no longer counted.
    pub(super) fn record_analytics(&self, head: &Head, happened: Happened) {
        let snapshot = self.worker.snapshot();
        if let Some(index) = snapshot.registry.place(&head.bot, &head.dialect) {
            let (bot, at_ms) = (Arc::from(&*head.bot), clock::unix_ms());
            self.worker.record_analytics((&snapshot, index), &bot, true, happened, at_ms);
        }
    }

    /// Puts a job back in its queue that could not be read or written.
    fn release_failed(&self, id: Id, attempted: Result<(), JobsError>) {
        if let Err(error) = attempted {
            tracing::error!(%id, %error, "a job failed with an internal error and is retried");
            let _ = self.jobs.release(id, RETRY_AFTER_ERROR_MS, clock::unix_ms());
        }
    }
}
