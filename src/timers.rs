//! Coarse deadlines: one sweep per worker instead of one timer per wait.
//!
//! A connection owns one or two [`Timer`]s for its life and moves their deadline with a store; the sweep wakes those that passed.
//! A deadline therefore fires up to one [`TICK`] late, and costs a request nothing but that store.

use slab::Slab;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// How often deadlines are looked at.
pub const TICK: Duration = Duration::from_millis(20);

const NEVER: u64 = u64::MAX;
/// What the sweep leaves behind: a poll then needs no clock.
const PASSED: u64 = 0;

#[derive(Debug)]
struct Entry {
    deadline: Cell<u64>,
    waker: RefCell<Option<Waker>>,
}

/// All deadlines of one worker.
#[derive(Debug, Default)]
pub struct Timers(RefCell<Slab<Rc<Entry>>>);

impl Timers {
    /// A new timer that is not set. Lives in the sweep until it is dropped.
    pub fn timer(self: &Rc<Self>) -> Timer {
        let entry = Rc::new(Entry {
            deadline: Cell::new(NEVER),
            waker: RefCell::new(None),
        });
        let key = self.0.borrow_mut().insert(entry.clone());
        Timer {
            entry,
            key,
            timers: self.clone(),
        }
    }

    /// Wakes every task whose deadline has passed.
    pub fn sweep(&self, now: u64) {
        for (_, entry) in &*self.0.borrow() {
            if entry.deadline.get() <= now {
                entry.deadline.set(PASSED);
                entry.wake();
            }
        }
    }

    /// Wakes every task that waits on a timer, due or not: something they all must look at has changed.
    pub fn wake_all(&self) {
        for (_, entry) in &*self.0.borrow() {
            entry.wake();
        }
    }
}

impl Entry {
    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

/// One deadline that can be moved.
#[derive(Debug)]
pub struct Timer {
    entry: Rc<Entry>,
    key: usize,
    timers: Rc<Timers>,
}

impl Timer {
    /// Sets the deadline, in nanoseconds of [`crate::clock::now`].
    pub fn set(&self, deadline: u64) {
        self.entry.deadline.set(deadline);
    }

    /// No deadline.
    pub fn clear(&self) {
        self.entry.deadline.set(NEVER);
    }

    /// Ready once the deadline has passed; otherwise the task is woken when it does.
    pub fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        if self.entry.deadline.get() == PASSED {
            return Poll::Ready(());
        }
        let mut waker = self.entry.waker.borrow_mut();
        if !waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.timers.0.borrow_mut().remove(self.key);
    }
}
