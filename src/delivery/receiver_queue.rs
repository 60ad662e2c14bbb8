//! What is known of each receiver: where it is, how it has been of late, what is in flight to it.

use super::concurrency::ConcurrencyLimit;
use super::in_flight::Load;
use crate::net::client::Pool;
use crate::net::client::breaker::Breaker;
use crate::proxy::bot::Registry;
use crate::proxy::bot::receiver::Receiver;
use crate::proxy::worker::Worker;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// One receiver.
#[derive(Debug)]
pub(super) struct ReceiverQueue {
    /// Where it is; `None`: the configuration does not have it any more.
    pub(super) way: Option<(Receiver, Rc<Pool>)>,
    pub(super) breaker: Rc<Breaker>,
    /// Messages that are being answered for it.
    pub(super) asked: Rc<Load>,
    /// Deliveries in flight to it.
    pub(super) sent: Rc<Load>,
    /// How many of its messages may be answered at once.
    pub(super) pace: Rc<ConcurrencyLimit>,
}

impl ReceiverQueue {
    /// One that leads nowhere.
    fn without(asked: Rc<Load>) -> Self {
        Self { way: None, breaker: Rc::default(), asked, sent: Rc::default(), pace: Rc::default() }
    }
}

/// Whom the bots' answers are kept for.
fn answered(registry: &Registry) -> impl Iterator<Item = &Arc<str>> {
    registry.bots().iter().filter_map(|bot| bot.later().map(|later| &later.receiver))
}

/// All of them.
#[derive(Debug)]
pub(super) struct Lanes(RefCell<HashMap<Arc<str>, Rc<ReceiverQueue>>>);

impl Lanes {
    /// Those of the configuration that is in force.
    pub(super) fn new(worker: &Worker) -> Self {
        let lanes = Self(RefCell::default());
        lanes.replace(worker);
        lanes
    }

    /// Puts the configuration that is in force now in the place of the one before. A receiver that has not moved keeps its
    /// connections; what is in flight goes on counting.
    pub(super) fn replace(&self, worker: &Worker) {
        let view = worker.snapshot();
        let mut lanes = self.0.borrow_mut();
        let mut before = std::mem::take(&mut *lanes);
        for receiver in view.registry.receivers() {
            let old = before.remove(&receiver.name);
            let kept = old.as_ref().and_then(|old| old.way.as_ref());
            let kept = kept.filter(|(_, pool)| *pool.target() == receiver.target);
            let stays = kept.is_some();
            let pool = kept.map(|(_, pool)| pool.clone()).unwrap_or_else(|| {
                let cells = worker.shared.metrics.upstream(&worker.cells, &receiver.name);
                let witness = worker.shared.observer.as_ref();
                let witness = witness.map(|it| it.for_upstream(&receiver.name));
                Pool::new(receiver.target.clone(), 1, cells, witness)
            });
            let breaker = old.as_ref().filter(|_| stays);
            let lane = ReceiverQueue {
                way: Some((receiver.clone(), pool)),
                breaker: breaker.map(|old| old.breaker.clone()).unwrap_or_default(),
                asked: old.as_ref().map(|old| old.asked.clone()).unwrap_or_default(),
                sent: old.as_ref().map(|old| old.sent.clone()).unwrap_or_default(),
                pace: old.map(|old| old.pace.clone()).unwrap_or_default(),
            };
            lanes.insert(receiver.name.clone(), Rc::new(lane));
        }
        // A version that knew subscribers by their place alone may have left jobs.
        for (index, subscriber) in view.registry.subscribers.iter().enumerate() {
            if let Some(lane) = lanes.get(&subscriber.receiver.name).cloned() {
                lanes.insert(format!("subscribers[{index}]").into(), lane);
            }
        }
        // Answers that leave as events have no receiver; what is asked for them counts all the same.
        for name in answered(&view.registry) {
            let old = before.remove(name);
            lanes.entry(name.clone()).or_insert_with(|| {
                let asked = old.map(|old| old.asked.clone());
                Rc::new(ReceiverQueue::without(asked.unwrap_or_default()))
            });
        }
    }

    /// The receiver of that name.
    pub(super) fn of(&self, name: &str) -> Rc<ReceiverQueue> {
        let lane = self.0.borrow().get(name).cloned();
        // What is left for a receiver that is gone ends at once.
        lane.unwrap_or_else(|| Rc::new(ReceiverQueue::without(Rc::default())))
    }

    /// Closes what has lain idle too long.
    pub(super) fn sweep(&self, now: u64) {
        for lane in self.0.borrow().values() {
            if let Some((_, pool)) = &lane.way {
                pool.sweep(now);
            }
        }
    }
}
