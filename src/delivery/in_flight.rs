//! What is in flight, in all and for each receiver, and whether there is room for more.

use crate::proxy::bot::receiver;
use crate::state::jobs::Stage;
use std::cell::Cell;
use std::rc::Rc;

/// The most messages that AIs are asked at once, in all.
pub const MAX_ANSWERS: usize = 1024;
/// The same of messages whose answers go to one receiver.
pub const MAX_ANSWERS_PER_RECEIVER: usize = 256;
/// The most deliveries in flight, in all; to one receiver: [`SOCKETS`](crate::proxy::bot::receiver::SOCKETS).
pub const MAX_DELIVERIES: usize = 1024;
/// The most bytes of jobs in flight at each of the two stages; a single larger one still passes.
pub const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// The same of those of one receiver, so that one that is slow cannot hold all of them.
pub const MAX_BYTES_PER_RECEIVER: u64 = MAX_BYTES / 8;

/// Jobs in flight, and their bytes.
#[derive(Debug, Default)]
pub(super) struct Load {
    jobs: Cell<usize>,
    bytes: Cell<u64>,
}

impl Load {
    /// Nothing is in flight.
    pub(super) fn is_empty(&self) -> bool {
        self.jobs.get() == 0
    }

    /// How many jobs are in flight.
    pub(super) fn jobs(&self) -> usize {
        self.jobs.get()
    }

    /// Whether another job of this stage may be begun, if these are all.
    pub(super) fn has_room(&self, stage: Stage) -> bool {
        self.is_below(MAX_BYTES, stage, MAX_ANSWERS, MAX_DELIVERIES)
    }

    /// Whether another job of this stage may be begun, if these are one receiver's.
    pub(super) fn has_room_each(&self, stage: Stage) -> bool {
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

/// A job's place in flight, in all and with its receiver; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    loads: [Rc<Load>; 2],
    bytes: u64,
}

impl Place {
    pub(super) fn take(loads: [Rc<Load>; 2], bytes: u64) -> Self {
        for load in &loads {
            load.jobs.set(load.jobs.get() + 1);
            load.bytes.set(load.bytes.get() + bytes);
        }
        Self { loads, bytes }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for load in &self.loads {
            load.jobs.set(load.jobs.get() - 1);
            load.bytes.set(load.bytes.get() - self.bytes);
        }
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
                let [all, slow, other]: [Rc<Load>; 3] = Default::default();
                let mut places = Vec::new();
                while all.has_room(stage) && slow.has_room_each(stage) {
                    places.push(Place::take([all.clone(), slow.clone()], bytes));
                }
                assert!(!places.is_empty(), "a single one always passes");
                assert!(all.has_room(stage) && other.has_room_each(stage));
                places.pop();
                assert!(slow.has_room_each(stage));
                drop(places);
                assert!(all.is_empty() && slow.is_empty());
                assert_eq!((all.bytes.get(), slow.bytes.get()), (0, 0));
            }
        }
    }
}
