//! The courier: a thread that has what was accepted answered, and takes the answers to their receivers.
//!
//! It works off the journal: whatever is due is taken, receiver by receiver, and every step is on disk before the next. A receiver
//! that is slow or gone holds up nobody else: what is in flight to it is bounded, and its breaker keeps the others' places free.

mod attempt;
mod concurrency;
mod dead_letter;
mod in_flight;
mod receiver_queue;
mod scheduler;

pub use in_flight::{
    MAX_ANSWERS, MAX_ANSWERS_PER_RECEIVER, MAX_BYTES, MAX_BYTES_PER_RECEIVER, MAX_DELIVERIES,
};
pub use scheduler::{MAX_BREAKER_DELAY_MS, QUANTUM};

use crate::clock;
use crate::net::client::breaker::{Breaker, Permit};
use crate::net::runtime;
use crate::net::timers::TICK;
use crate::proxy::bot::Registry;
use crate::proxy::chat::{AnswerJob, Envelope, JobOutcome};
use crate::proxy::worker::{SharedState, Worker};
use crate::state::analytics::Happened;
use crate::state::jobs::{Head, Id, Jobs, JobsError, Stage};
use in_flight::Place;
use receiver_queue::{Lanes, ReceiverQueue};
use scheduler::Scheduler;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::spawn_local;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Orders that may wait.
const MAX_ORDERS: usize = 16;

/// What the courier is told.
#[derive(Debug)]
pub enum Order {
    /// Put this in force, and say when that is done.
    Replace(Arc<Registry>, oneshot::Sender<()>),
    /// Begin nothing more, and end with what is in flight, by this instant at the latest.
    Drain(Instant),
}

/// The running courier, seen from outside.
#[derive(Debug)]
pub struct Handle {
    /// Its orders. Closed: it stops at once.
    pub orders: mpsc::Sender<Order>,
    /// Its thread.
    pub thread: JoinHandle<()>,
}

/// Starts it beside so many `workers`, with which it shares the upstreams' connections. The store is open.
///
/// # Errors
/// No thread can be started.
pub fn start(
    shared: Arc<SharedState>,
    registry: Arc<Registry>,
    workers: usize,
) -> io::Result<Handle> {
    let (orders, inbox) = mpsc::channel(MAX_ORDERS);
    let thread = runtime::start("courier".to_owned(), move || {
        let cells = shared.metrics.background_worker(workers);
        run(Worker::new(shared, registry, cells, None, workers + 1), inbox)
    })?;
    Ok(Handle { orders, thread })
}

async fn run(worker: Rc<Worker>, mut inbox: mpsc::Receiver<Order>) {
    let courier = Rc::new(Dispatcher {
        jobs: worker.shared.state.jobs.clone(),
        lanes: Lanes::new(&worker),
        more: Notify::new(),
        worker,
    });
    let mut rounds = [Scheduler::new(Stage::Answer), Scheduler::new(Stage::Deliver)];
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut end: Option<Instant> = None;
    loop {
        tokio::select! {
            due = ticks.tick() => {
                let now = clock::now();
                courier.worker.cells.lag.observe(clock::nanos(due.elapsed()));
                courier.worker.tick(now);
                courier.lanes.sweep(now);
                let idle = rounds.iter().all(Scheduler::is_idle);
                if end.is_some_and(|end| idle || Instant::now() >= end) {
                    return;
                }
            }
            () = courier.more.notified() => {}
            () = courier.jobs.changed(Stage::Answer) => {}
            () = courier.jobs.changed(Stage::Deliver) => {}
            order = inbox.recv() => match order {
                Some(Order::Replace(registry, done)) => {
                    courier.worker.replace(registry);
                    courier.lanes.replace(&courier.worker);
                    let _ = done.send(());
                }
                Some(Order::Drain(by)) => end = Some(by),
                None => return,
            },
        }
        if end.is_none() {
            rounds.iter_mut().for_each(|round| round.go(&courier));
        }
    }
}

/// What its tasks share.
#[derive(Debug)]
struct Dispatcher {
    worker: Rc<Worker>,
    jobs: Arc<Jobs>,
    lanes: Lanes,
    /// Something has ended: there may be room for more.
    more: Notify,
}

/// A place in flight. Dropped, it is free, and the courier is told.
struct InFlightPermit {
    place: Option<Place>,
    courier: Rc<Dispatcher>,
}

impl Drop for InFlightPermit {
    fn drop(&mut self) {
        self.place.take();
        self.courier.more.notify_one();
    }
}

impl Dispatcher {
    /// Has a job answered that was taken.
    fn answer(self: &Rc<Self>, id: Id, lane: &Rc<ReceiverQueue>, seat: InFlightPermit) {
        let (courier, lane) = (self.clone(), lane.clone());
        spawn_local(async move {
            let _seat = seat;
            let answered = courier.try_to_answer(id).await;
            match answered {
                Ok(JobOutcome::Advanced) => lane.pace.faster(),
                Ok(JobOutcome::Requeued) => lane.pace.slower(lane.asked.jobs(), clock::coarse()),
                Err(_) => {}
            }
            courier.note(id, answered.map(drop));
        });
    }

    /// Has the answer of a job delivered that was taken.
    fn deliver(
        self: &Rc<Self>,
        id: Id,
        lane: &Rc<ReceiverQueue>,
        pass: Option<Permit<Rc<Breaker>>>,
        seat: InFlightPermit,
    ) {
        let (courier, lane) = (self.clone(), lane.clone());
        spawn_local(async move {
            let _seat = seat;
            let tried = courier.try_to_deliver(id, &lane, pass).await;
            courier.note(id, tried);
        });
    }

    async fn try_to_answer(&self, id: Id) -> Result<JobOutcome, JobsError> {
        let journal = &self.jobs;
        let shown = journal.details(id)?.ok_or(JobsError::Unknown(id))?;
        let head = shown.head;
        let tried = shown.attempts.len();
        let Some(envelope) = Envelope::read(&journal.body(id, Stage::Answer)?) else {
            let unreadable = "what was kept of the message cannot be read by this version";
            self.give_up(id, &head, unreadable).await?;
            return Ok(JobOutcome::Advanced);
        };
        let view = self.worker.snapshot();
        let Some(index) = view.registry.place(&head.bot, &head.dialect) else {
            let gone = "its bot is not in the configuration any more";
            self.give_up(id, &head, gone).await?;
            return Ok(JobOutcome::Advanced);
        };
        let errand = AnswerJob {
            worker: self.worker.clone(),
            snapshot: view,
            index,
            bot: head.bot.clone().into(),
            subject: head.subject,
            envelope,
            accepted_ms: head.accepted_ms,
        };
        let tried = u32::try_from(tried).unwrap_or(u32::MAX);
        errand.finish(journal, id, tried, head.since_ms).await
    }

    /// Counts what has become of a job among its bot's figures; those of one that is not in the configuration any more have ended.
    fn happened(&self, head: &Head, happened: Happened) {
        let view = self.worker.snapshot();
        if let Some(index) = view.registry.place(&head.bot, &head.dialect) {
            let (bot, at_ms) = (Arc::from(&*head.bot), clock::unix_ms());
            self.worker.record_analytics((&view, index), &bot, true, happened, at_ms);
        }
    }

    /// What cannot be worked on now goes back, to be tried again in a while.
    fn note(&self, id: Id, done: Result<(), JobsError>) {
        const RETRY_AFTER_ERROR_MS: u32 = 10_000;
        if let Err(error) = done {
            tracing::error!(%id, %error, "a job failed with an internal error and is retried");
            let _ = self.jobs.release(id, RETRY_AFTER_ERROR_MS, clock::unix_ms());
        }
    }
}
