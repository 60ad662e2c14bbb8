//! A value under a lock that the threads of a test wait on: each change wakes them.

use super::TIMEOUT;
use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// A shared value; whoever waits on it is woken by each change.
pub(crate) struct Monitor<T>(Arc<(Mutex<T>, Condvar)>);

impl<T> Clone for Monitor<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Monitor<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Arc::new((Mutex::new(value), Condvar::new())))
    }

    /// The value, locked. A thread that panicked elsewhere does not hide what it had gathered.
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the value and wakes all who wait.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let result = change(&mut self.lock());
        self.0.1.notify_all();
        result
    }

    /// Waits until `wanted` finds what it looks for; `None` once `limit` has passed.
    pub(crate) fn find_within<R>(
        &self,
        limit: Duration,
        mut wanted: impl FnMut(&T) -> Option<R>,
    ) -> Option<R> {
        let end = Instant::now() + limit;
        let mut value = self.lock();
        loop {
            if let Some(found) = wanted(&value) {
                return Some(found);
            }
            let left = end.checked_duration_since(Instant::now())?;
            value = self.0.1.wait_timeout(value, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// As [`Self::find_within`], and the test fails with `what` when it does not come.
    #[track_caller]
    pub(crate) fn find<R>(&self, what: &str, wanted: impl FnMut(&T) -> Option<R>) -> R {
        self.find_within(TIMEOUT, wanted)
            .unwrap_or_else(|| panic!("waited {TIMEOUT:?} in vain for {what}"))
    }

    /// Waits until the value is as wished, and fails the test when it does not get so.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str, mut wanted: impl FnMut(&T) -> bool) {
        self.find(what, |value| wanted(value).then_some(()));
    }
}
