//! One caller's connection: its phase and its deadlines.

use crate::clock;
use crate::net::request_framing::{FramingError, RequestFraming};
use crate::proxy::worker::Worker;
use crate::proxy::{self, Caller};
use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

/// A lingering close waits this long for the next piece, and this long in all (nginx's `lingering_timeout`, `lingering_time`).
const LINGER_IDLE_TIMEOUT: Duration = Duration::from_secs(5);
const LINGER_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Between two requests.
    Idle,
    /// A request is being read or answered.
    Busy,
    /// The response is complete but not yet written.
    Answered,
}

/// What the socket, the service and the task of one connection share.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) gate: RefCell<RequestFraming>,
    pub(super) fault: Cell<Option<FramingError>>,
    pub(super) phase: Cell<Phase>,
    /// The connection ends as soon as it is idle.
    pub(super) ending: Cell<bool>,
    /// The caller disconnected while its request was served.
    pub(super) gone: Cell<bool>,
    served: Cell<u64>,
    pub(super) answered: Cell<bool>,
    /// The end of the current response is the end of the connection.
    pub(super) ends_with_close: Cell<bool>,
    idle_since: Cell<u64>,
    partial_since: Cell<Option<u64>>,
    blocked_since: Cell<Option<u64>>,
    linger: Cell<Option<(u64, u64)>>,
    pub(super) caller: Rc<Caller>,
    pub(super) worker: Rc<Worker>,
}

impl Conn {
    pub(super) fn new(worker: Rc<Worker>, caller: Rc<Caller>) -> Rc<Self> {
        Rc::new(Self {
            gate: RefCell::default(),
            fault: Cell::new(None),
            phase: Cell::new(Phase::Idle),
            ending: Cell::new(false),
            gone: Cell::new(false),
            served: Cell::new(0),
            answered: Cell::new(false),
            ends_with_close: Cell::new(false),
            idle_since: Cell::new(clock::now()),
            partial_since: Cell::new(None),
            blocked_since: Cell::new(None),
            linger: Cell::new(None),
            caller,
            worker,
        })
    }

    /// The body of the current request has not arrived completely.
    pub(super) fn mid_body(&self) -> bool {
        self.gate.borrow().messages() < self.served.get()
    }

    /// A close now would lose input that has arrived or is about to.
    pub(super) fn has_unread_input(&self) -> bool {
        self.mid_body()
            || self.fault.get().is_some()
            || self.gate.borrow().heads() > self.served.get()
    }

    pub(super) fn note_partial(&self, partial: bool) {
        if !partial {
            self.partial_since.set(None);
        } else if self.partial_since.get().is_none() {
            self.partial_since.set(Some(clock::now()));
        }
    }

    pub(super) fn note_write(&self, result: &Poll<io::Result<usize>>) {
        if result.is_ready() {
            self.blocked_since.set(None);
        } else if self.blocked_since.get().is_none() {
            self.blocked_since.set(Some(clock::now()));
        }
    }

    pub(super) fn set_idle(&self, now: u64) {
        self.phase.set(Phase::Idle);
        self.idle_since.set(now);
        // The time for a partial head behind the last request starts now.
        if self.partial_since.get().is_some() {
            self.partial_since.set(Some(now));
        }
    }

    pub(super) fn start_linger(&self) {
        let now = clock::now();
        self.linger.set(Some((now, now)));
    }

    pub(super) fn note_linger(&self) {
        self.linger.set(self.linger.get().map(|(start, _)| (start, clock::now())));
    }

    /// The refusal that ends the connection, or nothing.
    pub(super) fn final_response(&self) -> Vec<u8> {
        match self.fault.get() {
            Some(fault) if self.phase.get() == Phase::Idle && !self.answered.get() => {
                proxy::refuse_head(&self.worker, &self.caller, fault)
            }
            _ => Vec::new(),
        }
    }

    /// The next deadline if nothing happens on the connection.
    pub(super) fn deadline(&self) -> u64 {
        let timeouts = self.worker.snapshot().registry.timeouts;
        let at = |since: u64, wait: Duration| since.saturating_add(clock::nanos(wait));
        if let Some((start, last)) = self.linger.get() {
            return at(last, LINGER_IDLE_TIMEOUT).min(at(start, LINGER_TIMEOUT));
        }
        if let Some(since) = self.blocked_since.get() {
            return at(since, timeouts.body);
        }
        match (self.phase.get(), self.partial_since.get()) {
            (Phase::Busy | Phase::Answered, _) => u64::MAX,
            (Phase::Idle, Some(since)) => at(since, timeouts.header),
            (Phase::Idle, None) => at(self.idle_since.get(), timeouts.idle),
        }
    }

    /// A deadline has passed: true if the connection must be dropped at once.
    pub(super) fn expire(&self) -> bool {
        if self.linger.get().is_some() || self.blocked_since.get().is_some() {
            return true;
        }
        if self.phase.get() == Phase::Idle {
            if self.partial_since.get().is_some() {
                self.fault.set(Some(FramingError::HeadTimeout));
            } else {
                self.ending.set(true);
            }
        }
        false
    }

    pub(super) fn cut(&self) -> Result<(), Cut> {
        if self.ends_with_close.get() && self.linger.get().is_none() { Err(Cut) } else { Ok(()) }
    }

    /// A request has been parsed; called before anything else is read.
    pub(super) fn begin(&self) {
        self.phase.set(Phase::Busy);
        self.served.set(self.served.get() + 1);
    }
}

/// A response that ends with the connection was cut off: the connection must be reset, or the caller would take it for complete.
#[derive(Debug)]
pub struct Cut;
