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
        let entry = Rc::new(Entry { deadline: Cell::new(NEVER), waker: RefCell::new(None) });
        let key = self.0.borrow_mut().insert(entry.clone());
        Timer { entry, key, timers: self.clone() }
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
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::task::Wake;

    /// Counts how often a task was woken.
    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    struct Task(Arc<Woken>, Waker);

    impl Task {
        fn new() -> Self {
            let woken = Arc::new(Woken::default());
            Self(woken.clone(), Waker::from(woken))
        }

        fn polls(&self, timer: &Timer) -> bool {
            timer.poll(&Context::from_waker(&self.1)).is_ready()
        }

        fn woken(&self) -> usize {
            self.0.0.swap(0, Relaxed)
        }
    }

    #[test]
    fn a_deadline_is_where_it_was_set_last_whoever_waits_already() {
        let timers = Rc::<Timers>::default();
        let (timer, task) = (timers.timer(), Task::new());
        assert!(!task.polls(&timer));
        timers.sweep(u64::MAX - 1);
        assert_eq!(task.woken(), 0, "it is not set");
        // Nobody polls between the store and the sweep: the waker of before serves.
        for (first, then) in [(10, 20), (20, 10)] {
            timer.set(first);
            timer.set(then);
            timers.sweep(then - 1);
            assert_eq!(task.woken(), 0);
            assert!(!task.polls(&timer));
            timers.sweep(then);
            assert_eq!(task.woken(), 1);
            assert!(task.polls(&timer));
        }
    }

    #[test]
    fn a_deadline_that_passed_is_told_until_it_is_moved() {
        let timers = Rc::<Timers>::default();
        let (timer, task) = (timers.timer(), Task::new());
        // It passes before anyone waits for it, and whoever comes then finds it so.
        timer.set(10);
        timers.sweep(10);
        assert!(task.polls(&timer));
        timer.set(20);
        assert!(!task.polls(&timer));
        for _ in 0..3 {
            timers.sweep(20);
            assert_eq!(task.woken(), 1, "it did not look yet, so it is woken again");
        }
        assert!(task.polls(&timer));
        timer.clear();
        timers.sweep(u64::MAX - 1);
        assert_eq!((task.woken(), task.polls(&timer)), (0, false));
    }

    #[test]
    fn who_polled_last_is_woken() {
        let timers = Rc::<Timers>::default();
        let timer = timers.timer();
        let (before, after) = (Task::new(), Task::new());
        timer.set(10);
        assert!(!before.polls(&timer) && !after.polls(&timer));
        timers.sweep(10);
        assert_eq!((before.woken(), after.woken()), (0, 1));
        timers.wake_all();
        assert_eq!((before.woken(), after.woken()), (0, 1));
        drop(timer);
        timers.sweep(10);
        assert_eq!(after.woken(), 0, "it is gone");
    }
}
