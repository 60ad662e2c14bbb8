//! Delivery: a thread that has accepted messages answered, and sends the answers to their receivers.
//!
//! It works through the jobs of [`crate::state`]: what is due is claimed receiver by receiver, and every step is on disk before the
//! next. A slow or unreachable receiver holds up nobody else: what is in flight to it is bounded, and its breaker leaves the rest
//! of the bound to the others.

mod attempt;
mod concurrency;
mod dead_letter;
mod dispatcher;
mod in_flight;
mod receiver_queue;
mod scheduler;

pub use in_flight::{
    MAX_ANSWERS, MAX_ANSWERS_PER_RECEIVER, MAX_BYTES, MAX_BYTES_PER_RECEIVER, MAX_DELIVERIES,
};
pub use scheduler::{MAX_BREAKER_DELAY_MS, QUANTUM};

use crate::net::runtime;
use crate::net::timers::TICK;
use crate::proxy::bot::Registry;
use crate::proxy::worker::{SharedState, Worker};
use crate::state::jobs::Stage;
use dispatcher::Dispatcher;
use scheduler::Scheduler;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// The most orders that wait to be obeyed.
const MAX_ORDERS: usize = 16;

#[derive(Debug)]
pub enum Order {
    /// Put this configuration in force; the sender is used once it is.
    Replace(Arc<Registry>, oneshot::Sender<()>),
    /// Start nothing more, and end with what is in flight, by this instant at the latest.
    Drain(Instant),
}

/// The running thread.
#[derive(Debug)]
pub struct Handle {
    /// Closed: the thread ends at once.
    pub orders: mpsc::Sender<Order>,
    pub thread: JoinHandle<()>,
}

/// Starts the thread beside this many `workers`, with which it shares the upstreams' connections. The state has its folder.
///
/// # Errors
/// No thread can be started.
pub fn start(
    shared: Arc<SharedState>,
    registry: Arc<Registry>,
    workers: usize,
) -> io::Result<Handle> {
    let (orders, inbox) = mpsc::channel(MAX_ORDERS);
    let thread = runtime::start("delivery".to_owned(), move || {
        let cells = shared.metrics.background_worker(workers);
        run(Worker::new(shared, registry, cells, None, workers + 1), inbox)
    })?;
    Ok(Handle { orders, thread })
}

async fn run(worker: Rc<Worker>, mut inbox: mpsc::Receiver<Order>) {
    let dispatcher = Rc::new(Dispatcher::new(worker));
    let mut schedulers = [Scheduler::new(Stage::Answer), Scheduler::new(Stage::Deliver)];
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut drain_until: Option<Instant> = None;
    loop {
        tokio::select! {
            due = ticks.tick() => {
                dispatcher.tick(due);
                let idle = schedulers.iter().all(Scheduler::is_idle);
                if drain_until.is_some_and(|end| idle || Instant::now() >= end) {
                    return;
                }
            }
            () = dispatcher.permit_released.notified() => {}
            () = dispatcher.jobs.changed(Stage::Answer) => {}
            () = dispatcher.jobs.changed(Stage::Deliver) => {}
            order = inbox.recv() => match order {
                Some(Order::Replace(registry, done)) => {
                    dispatcher.replace(registry);
                    let _ = done.send(());
                }
                Some(Order::Drain(by)) => drain_until = Some(by),
                None => return,
            },
        }
        if drain_until.is_none() {
            for scheduler in &mut schedulers {
                scheduler.dispatch(&dispatcher).await;
            }
        }
    }
}
