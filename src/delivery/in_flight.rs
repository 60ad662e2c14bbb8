//! How many jobs and bytes are in flight, in all and for each receiver, and whether another job may be started.

use crate::proxy::bot::receiver;
use crate::state::jobs::Stage;
use std::cell::Cell;
use std::rc::Rc;
use tokio::sync::Notify;

/// The most messages that are answered at the same time, in all.
pub const MAX_ANSWERS: usize = 1024;
/// The most messages that are answered at the same time for one receiver.
pub const MAX_ANSWERS_PER_RECEIVER: usize = 256;
/// The most deliveries in flight, in all; to one receiver: [`receiver::MAX_CONNECTIONS`].
pub const MAX_DELIVERIES: usize = 1024;
/// The most bytes of jobs in flight at each of the two stages; a single larger one still passes.
pub const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// The same of those of one receiver, so that one that is slow cannot hold all of them.
pub const MAX_BYTES_PER_RECEIVER: u64 = MAX_BYTES / 8;

/// Jobs in flight, and their bytes.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    jobs: Cell<usize>,
    bytes: Cell<u64>,
}

impl InFlight {
    pub(super) fn is_empty(&self) -> bool {
        self.jobs.get() == 0
    }

    pub(super) fn jobs(&self) -> usize {
        self.jobs.get()
    }

    /// Whether another job of this stage may be started, where this counts the jobs of all receivers.
    pub(super) fn has_room(&self, stage: Stage) -> bool {
        self.is_below(MAX_BYTES, stage, MAX_ANSWERS, MAX_DELIVERIES)
    }

    /// Whether another job of this stage may be started, where this counts the jobs of one receiver.
    pub(super) fn receiver_has_room(&self, stage: Stage) -> bool {
        self.is_below(
            MAX_BYTES_PER_RECEIVER,
            stage,
            MAX_ANSWERS_PER_RECEIVER,
            receiver::MAX_CONNECTIONS,
        )
    }

    fn is_below(&self, bytes: u64, stage: Stage, answers: usize, deliveries: usize) -> bool {
        let jobs = match stage {
            Stage::Answer => answers,
            Stage::Deliver => deliveries,
        };
        self.jobs.get() < jobs && self.bytes.get() < bytes
    }
}

/// Counts a job as in flight, in all and with its receiver, until it is dropped.
#[derive(Debug)]
pub(super) struct InFlightPermit {
    counted_in: [Rc<InFlight>; 2],
    bytes: u64,
    released: Rc<Notify>,
}

impl InFlightPermit {
    /// `released` is notified when the permit is dropped.
    pub(super) fn acquire(counted_in: [Rc<InFlight>; 2], bytes: u64, released: Rc<Notify>) -> Self {
        for in_flight in &counted_in {
            in_flight.jobs.set(in_flight.jobs.get() + 1);
            in_flight.bytes.set(in_flight.bytes.get() + bytes);
        }
        Self { counted_in, bytes, released }
    }
}

impl Drop for InFlightPermit {
    fn drop(&mut self) {
        for in_flight in &self.counted_in {
            in_flight.jobs.set(in_flight.jobs.get() - 1);
            in_flight.bytes.set(in_flight.bytes.get() - self.bytes);
        }
        self.released.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::jobs::MAX_JOB;

    #[test]
    fn a_receiver_of_large_jobs_leaves_room_for_the_others() {
        for stage in [Stage::Answer, Stage::Deliver] {
            for bytes in [1 << 20, MAX_JOB as u64] {
                let [all, slow, other]: [Rc<InFlight>; 3] = Default::default();
                let mut permits = Vec::new();
                while all.has_room(stage) && slow.receiver_has_room(stage) {
                    let counted_in = [all.clone(), slow.clone()];
                    permits.push(InFlightPermit::acquire(counted_in, bytes, Rc::default()));
                }
                assert!(!permits.is_empty(), "a single one always passes");
                assert!(all.has_room(stage) && other.receiver_has_room(stage));
                permits.pop();
                assert!(slow.receiver_has_room(stage));
                drop(permits);
                assert!(all.is_empty() && slow.is_empty());
                assert_eq!((all.bytes.get(), slow.bytes.get()), (0, 0));
            }
        }
    }
}
