//! Which job is started next: receivers with a job due take turns, each with a quantum of bytes (deficit round robin), within what
//! may be in flight for each and in all.

use super::dispatcher::Dispatcher;
use super::in_flight::{InFlight, InFlightPermit};
use super::receiver_queue::ReceiverQueue;
use crate::clock;
use crate::net::client::breaker::Breaker;
use crate::state::jobs::{Claim, Receiver, Stage};
use std::collections::VecDeque;
use std::rc::Rc;

/// The bytes of jobs that are started for a receiver before the next one has its turn.
pub const QUANTUM: i64 = 16 * 1024;

/// The longest that an open breaker delays an attempt, in milliseconds, so that every retry schedule ends.
pub const MAX_BREAKER_DELAY_MS: u64 = 60_000;

/// The turns of one stage.
#[derive(Debug)]
pub(super) struct Scheduler {
    stage: Stage,
    active: VecDeque<ActiveReceiver>,
    in_flight: Rc<InFlight>,
}

/// A receiver with jobs due.
#[derive(Debug)]
struct ActiveReceiver {
    receiver: Receiver,
    /// The bytes that it may still start; below zero it has started more than its share.
    credit: i64,
    /// Claimed, and delayed by the receiver's breaker.
    delayed: Option<Claim>,
}

impl Scheduler {
    pub(super) fn new(stage: Stage) -> Self {
        Self { stage, active: VecDeque::new(), in_flight: Rc::default() }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    fn is_full(&self) -> bool {
        !self.in_flight.has_room(self.stage)
    }

    /// Starts every job that is due and has room.
    pub(super) async fn dispatch(&mut self, dispatcher: &Rc<Dispatcher>) {
        let now_ms = clock::unix_ms();
        while let Some(receiver) = dispatcher.jobs.next_receiver(self.stage, now_ms).await {
            self.active.push_back(ActiveReceiver { receiver, credit: 0, delayed: None });
        }
        let mut turns_without_start = 0;
        while turns_without_start < self.active.len() && !self.is_full() {
            let Some(mut active) = self.active.pop_front() else {
                return;
            };
            active.credit = active.credit.saturating_add(QUANTUM).min(QUANTUM);
            match self.serve(&mut active, dispatcher, now_ms).await {
                Progress::Drained => continue,
                Progress::Started => turns_without_start = 0,
                // One in debt is working it off.
                Progress::Blocked => turns_without_start += usize::from(active.credit > 0),
            }
            self.active.push_back(active);
        }
    }

    /// One receiver's turn.
    async fn serve(
        &self,
        active: &mut ActiveReceiver,
        dispatcher: &Rc<Dispatcher>,
        now_ms: u64,
    ) -> Progress {
        let queue = &dispatcher.queues.get(&active.receiver.name);
        let in_flight = match self.stage {
            Stage::Answer => &queue.answering,
            Stage::Deliver => &queue.delivering,
        };
        let mut progress = Progress::Blocked;
        while active.credit > 0 && !self.is_full() && self.receiver_has_room(queue, in_flight) {
            let claim = match active.delayed.take() {
                Some(delayed) => Some(delayed),
                None => dispatcher.jobs.claim(self.stage, &active.receiver, now_ms).await,
            };
            let Some(claim) = claim else {
                return Progress::Drained;
            };
            let breaker_permit = match self.stage {
                Stage::Answer => None,
                Stage::Deliver => Breaker::admit(queue.breaker.clone(), clock::coarse()),
            };
            let is_delayed = self.stage == Stage::Deliver
                && breaker_permit.is_none()
                && now_ms.saturating_sub(claim.due_ms) < MAX_BREAKER_DELAY_MS
                && queue.target.is_some();
            if is_delayed {
                active.delayed = Some(claim);
                break;
            }
            active.credit -= i64::from(claim.size);
            let permit = InFlightPermit::acquire(
                [self.in_flight.clone(), in_flight.clone()],
                claim.size.into(),
                dispatcher.permit_released.clone(),
            );
            match self.stage {
                Stage::Answer => dispatcher.start_answer(claim.id, queue, permit),
                Stage::Deliver => {
                    dispatcher.start_delivery(claim.id, queue, breaker_permit, permit);
                }
            }
            progress = Progress::Started;
        }
        progress
    }

    fn receiver_has_room(&self, queue: &ReceiverQueue, in_flight: &InFlight) -> bool {
        in_flight.receiver_has_room(self.stage)
            && match self.stage {
                Stage::Answer => queue.concurrency.admits(in_flight.jobs(), clock::coarse()),
                Stage::Deliver => true,
            }
    }
}

/// What came of a receiver's turn.
enum Progress {
    /// Nothing was started: there is no room.
    Blocked,
    /// Something was started, and there may be more.
    Started,
    /// Nothing more is due.
    Drained,
}
