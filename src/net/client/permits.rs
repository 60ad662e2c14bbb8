//! The sockets that a pool may have open, and who waits for one: first come, first served.
//!
//! A turn is a value. Whoever holds one and leaves drops it, and so it passes on.

use crate::telemetry::metrics::UpstreamCells;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// The permits of one pool. While somebody waits, none is free and no connection lies idle.
#[derive(Debug)]
pub(super) struct Permits<T> {
    cap: usize,
    taken: Cell<usize>,
    waiting: RefCell<VecDeque<Rc<Waiter<T>>>>,
    cells: Arc<UpstreamCells>,
}

/// The right to have one socket open.
#[derive(Debug)]
pub(super) struct ConnectionPermit<T>(Rc<Permits<T>>);

/// What the first in the queue is handed: nobody who comes later can take it.
#[derive(Debug)]
pub(super) enum TurnPass<T> {
    /// A connection that has just become idle.
    Reuse(T),
    /// The right to open one.
    Dial(ConnectionPermit<T>),
}

/// A place in the queue.
#[derive(Debug)]
struct Waiter<T> {
    turn: RefCell<Option<TurnPass<T>>>,
    waker: RefCell<Option<Waker>>,
}

/// Somebody in the queue.
#[derive(Debug)]
pub(super) struct QueueTicket<T> {
    permits: Rc<Permits<T>>,
    place: Rc<Waiter<T>>,
}

impl<T> Permits<T> {
    /// `cap` free permits.
    pub(super) fn new(cap: usize, cells: Arc<UpstreamCells>) -> Rc<Self> {
        Rc::new(Self { cap, taken: Cell::new(0), waiting: RefCell::default(), cells })
    }

    /// What the pool counts.
    pub(super) fn cells(&self) -> &UpstreamCells {
        &self.cells
    }

    /// A free permit, if there is any.
    pub(super) fn take(self: &Rc<Self>) -> Option<ConnectionPermit<T>> {
        let taken = self.taken.get();
        if taken >= self.cap {
            return None;
        }
        self.taken.set(taken + 1);
        self.cells.connections.increment();
        Some(ConnectionPermit(self.clone()))
    }

    /// The last place in the queue, unless as many wait as there are permits.
    pub(super) fn queue(self: &Rc<Self>) -> Option<QueueTicket<T>> {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.len() >= self.cap {
            return None;
        }
        let place = Rc::new(Waiter { turn: RefCell::default(), waker: RefCell::default() });
        waiting.push_back(place.clone());
        Some(QueueTicket { permits: self.clone(), place })
    }

    /// Hands a connection to the first who waits; back where nobody does.
    pub(super) fn offer(&self, up: T) -> Option<T> {
        match self.next() {
            Some(place) => {
                place.give(TurnPass::Reuse(up));
                None
            }
            None => Some(up),
        }
    }

    fn next(&self) -> Option<Rc<Waiter<T>>> {
        self.waiting.borrow_mut().pop_front()
    }
}

impl<T> Waiter<T> {
    fn give(&self, turn: TurnPass<T>) {
        self.turn.replace(Some(turn));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl<T> QueueTicket<T> {
    /// Ready when it is this one's turn.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<TurnPass<T>> {
        if let Some(turn) = self.place.turn.take() {
            return Poll::Ready(turn);
        }
        self.place.waker.replace(Some(cx.waker().clone()));
        Poll::Pending
    }
}

impl<T> Drop for QueueTicket<T> {
    fn drop(&mut self) {
        match self.place.turn.take() {
            // Called, but gone before it could come. A connection that nobody else waits for is closed: rare, and simplest.
            Some(TurnPass::Reuse(up)) => drop(self.permits.offer(up)),
            Some(TurnPass::Dial(seat)) => drop(seat),
            None => {
                let mut waiting = self.permits.waiting.borrow_mut();
                waiting.retain(|other| !Rc::ptr_eq(other, &self.place));
            }
        }
    }
}

impl<T> Drop for ConnectionPermit<T> {
    fn drop(&mut self) {
        match self.0.next() {
            Some(place) => place.give(TurnPass::Dial(Self(self.0.clone()))),
            None => {
                self.0.taken.set(self.0.taken.get() - 1);
                self.0.cells.connections.decrement();
            }
        }
    }
}
