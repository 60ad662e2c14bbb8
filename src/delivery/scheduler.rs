//! Who is next: the receivers with something due, in turn, each for so many bytes (deficit round robin), within what may be in
//! flight to each and in all.

use super::in_flight::{Load, Place};
use super::receiver_queue::ReceiverQueue;
use super::{Dispatcher, InFlightPermit};
use crate::clock;
use crate::net::client::breaker::Breaker;
use crate::state::jobs::{Claim, Receiver, Stage};
use std::collections::VecDeque;
use std::rc::Rc;

/// So many bytes of jobs are begun for a receiver before the next one has its turn.
pub const QUANTUM: i64 = 16 * 1024;

/// A receiver's breaker puts an attempt off by so many milliseconds at the most, so that every schedule has its end.
pub const MAX_BREAKER_DELAY_MS: u64 = 60_000;

/// One stage's turns.
#[derive(Debug)]
pub(super) struct Scheduler {
    stage: Stage,
    turns: VecDeque<Turn>,
    in_flight: Rc<Load>,
}

#[derive(Debug)]
struct Turn {
    receiver: Receiver,
    /// What it may begin yet, in bytes; below zero it has begun more than its share.
    credit: i64,
    /// Taken, and waiting for the receiver's breaker.
    next: Option<Claim>,
}

impl Scheduler {
    pub(super) fn new(stage: Stage) -> Self {
        Self { stage, turns: VecDeque::new(), in_flight: Rc::default() }
    }

    /// Nothing is in flight.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    fn is_full(&self) -> bool {
        !self.in_flight.has_room(self.stage)
    }

    /// Begins whatever is due and has room.
    pub(super) fn go(&mut self, courier: &Rc<Dispatcher>) {
        let now_ms = clock::unix_ms();
        while let Some(receiver) = courier.jobs.next_receiver(self.stage, now_ms) {
            self.turns.push_back(Turn { receiver, credit: 0, next: None });
        }
        // So many turns in a row have begun nothing.
        let mut in_vain = 0;
        while in_vain < self.turns.len() && !self.is_full() {
            let Some(mut turn) = self.turns.pop_front() else {
                return;
            };
            turn.credit = turn.credit.saturating_add(QUANTUM).min(QUANTUM);
            let lane = courier.lanes.of(&turn.receiver.name);
            match self.turn(&mut turn, &lane, courier, now_ms) {
                Progress::All => continue,
                Progress::Some => in_vain = 0,
                // Whoever is in debt is getting out of it.
                Progress::None => in_vain += usize::from(turn.credit > 0),
            }
            self.turns.push_back(turn);
        }
    }

    fn turn(
        &self,
        turn: &mut Turn,
        lane: &Rc<ReceiverQueue>,
        courier: &Rc<Dispatcher>,
        now_ms: u64,
    ) -> Progress {
        let mut took = Progress::None;
        let in_flight = match self.stage {
            Stage::Answer => &lane.asked,
            Stage::Deliver => &lane.sent,
        };
        let paced = || match self.stage {
            Stage::Answer => lane.pace.admits(in_flight.jobs(), clock::coarse()),
            Stage::Deliver => true,
        };
        let has_room = || in_flight.has_room_each(self.stage) && paced();
        while turn.credit > 0 && !self.is_full() && has_room() {
            let next = turn.next.take();
            let taken = next.or_else(|| courier.jobs.claim(self.stage, &turn.receiver, now_ms));
            let Some(taken) = taken else {
                return Progress::All;
            };
            let pass = match self.stage {
                Stage::Answer => None,
                Stage::Deliver => Breaker::admit(lane.breaker.clone(), clock::coarse()),
            };
            let late = now_ms.saturating_sub(taken.due_ms) >= MAX_BREAKER_DELAY_MS;
            if self.stage == Stage::Deliver && pass.is_none() && !late && lane.way.is_some() {
                turn.next = Some(taken);
                break;
            }
            turn.credit -= i64::from(taken.size);
            let loads = [self.in_flight.clone(), in_flight.clone()];
            let seat = InFlightPermit {
                place: Some(Place::take(loads, u64::from(taken.size))),
                courier: courier.clone(),
            };
            match self.stage {
                Stage::Answer => courier.answer(taken.id, lane, seat),
                Stage::Deliver => courier.deliver(taken.id, lane, pass, seat),
            }
            took = Progress::Some;
        }
        took
    }
}

/// What a turn has begun.
enum Progress {
    /// Nothing: there is no room for it.
    None,
    /// Something, and there may be more.
    Some,
    /// All that was due.
    All,
}
