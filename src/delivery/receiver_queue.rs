//! Each receiver's connections, breaker, and counts of what is in flight for it.

use super::concurrency::ConcurrencyLimit;
use super::in_flight::InFlight;
use crate::net::client::Pool;
use crate::net::client::breaker::Breaker;
use crate::proxy::bot::Registry;
use crate::proxy::bot::receiver::Receiver;
use crate::proxy::worker::Worker;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct ReceiverQueue {
    /// `None`: it is not in the configuration, or its answers leave as events.
    pub(super) target: Option<(Receiver, Rc<Pool>)>,
    pub(super) breaker: Rc<Breaker>,
    /// Messages that are answered for it now.
    pub(super) answering: Rc<InFlight>,
    /// Deliveries to it now.
    pub(super) delivering: Rc<InFlight>,
    /// How many of its messages may be answered at once.
    pub(super) concurrency: Rc<ConcurrencyLimit>,
}

impl ReceiverQueue {
    fn without_target(answering: Rc<InFlight>) -> Self {
        Self {
            target: None,
            breaker: Rc::default(),
            answering,
            delivering: Rc::default(),
            concurrency: Rc::default(),
        }
    }
}

/// The receivers of the bots' deferred answers.
fn deferred_receivers(registry: &Registry) -> impl Iterator<Item = &Arc<str>> {
    registry.bots().iter().filter_map(|bot| bot.later().map(|later| &later.receiver))
}

/// By the receiver's name.
#[derive(Debug)]
pub(super) struct ReceiverQueues(RefCell<HashMap<Arc<str>, Rc<ReceiverQueue>>>);

impl ReceiverQueues {
    pub(super) fn new(worker: &Worker) -> Self {
        let queues = Self(RefCell::default());
        queues.replace(worker);
        queues
    }

    /// Follows the worker's configuration. A receiver whose target is the same keeps its connections and its breaker; what is in
    /// flight still counts.
    pub(super) fn replace(&self, worker: &Worker) {
        let snapshot = worker.snapshot();
        let mut queues = self.0.borrow_mut();
        let mut before = std::mem::take(&mut *queues);
        for receiver in snapshot.registry.receivers() {
            let old = before.remove(&receiver.name);
            let kept = old.as_ref().and_then(|old| old.target.as_ref());
            let kept = kept.filter(|(_, pool)| *pool.target() == receiver.target);
            let unmoved = kept.is_some();
            let pool = kept.map(|(_, pool)| pool.clone()).unwrap_or_else(|| {
                let cells = worker.shared.metrics.upstream(&worker.cells, &receiver.name);
                Pool::new(receiver.target.clone(), 1, cells)
            });
            let breaker = old.as_ref().filter(|_| unmoved);
            let queue = ReceiverQueue {
                target: Some((receiver.clone(), pool)),
                breaker: breaker.map(|old| old.breaker.clone()).unwrap_or_default(),
                answering: old.as_ref().map(|old| old.answering.clone()).unwrap_or_default(),
                delivering: old.as_ref().map(|old| old.delivering.clone()).unwrap_or_default(),
                concurrency: old.map(|old| old.concurrency.clone()).unwrap_or_default(),
            };
            queues.insert(receiver.name.clone(), Rc::new(queue));
        }
        // An earlier version named subscribers by their index, and may have left jobs for them.
        for (index, subscriber) in snapshot.registry.subscribers.iter().enumerate() {
            if let Some(queue) = queues.get(&subscriber.receiver.name).cloned() {
                queues.insert(format!("subscribers[{index}]").into(), queue);
            }
        }
        // Answers that leave as events have no receiver; what is answering for them counts all the same.
        for name in deferred_receivers(&snapshot.registry) {
            let old = before.remove(name);
            queues.entry(name.clone()).or_insert_with(|| {
                let answering = old.map(|old| old.answering.clone());
                Rc::new(ReceiverQueue::without_target(answering.unwrap_or_default()))
            });
        }
    }

    /// The receiver of that name; one without a target where the configuration has none.
    pub(super) fn get(&self, name: &str) -> Rc<ReceiverQueue> {
        let queue = self.0.borrow().get(name).cloned();
        // Jobs of a receiver that has left the configuration are given up at their next attempt.
        queue.unwrap_or_else(|| Rc::new(ReceiverQueue::without_target(Rc::default())))
    }

    /// Closes connections that have been idle for too long.
    pub(super) fn sweep(&self, now: u64) {
        for queue in self.0.borrow().values() {
            if let Some((_, pool)) = &queue.target {
                pool.sweep(now);
            }
        }
    }
}
