//! One caller's connection: its phase and its deadlines.

use crate::clock;
use crate::net::request_framing::{Fault, RequestFraming};
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

/// What a connection is about, as far as its bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Between two requests.
    Idle,
    /// A request is being read or answered.
    Busy,
    /// Its answer is complete but not yet written out.
    Handed,
}

/// The facts that the socket, the service and the task of one connection share.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) gate: RefCell<RequestFraming>,
    pub(super) fault: Cell<Option<Fault>>,
    pub(super) phase: Cell<Phase>,
    /// No further request is wanted: the connection ends as soon as it is idle.
    pub(super) ending: Cell<bool>,
    /// The caller closed its side while its request was served.
    pub(super) gone: Cell<bool>,
    served: Cell<u64>,
    pub(super) answered: Cell<bool>,
    /// The answer under way ends with the connection.
    pub(super) to_the_close: Cell<bool>,
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
            to_the_close: Cell::new(false),
            idle_since: Cell::new(clock::now()),
            partial_since: Cell::new(None),
            blocked_since: Cell::new(None),
            linger: Cell::new(None),
            caller,
            worker,
        })
    }

    /// The body of the request being served has not arrived whole.
    pub(super) fn mid_body(&self) -> bool {
        self.gate.borrow().ends() < self.served.get()
    }

    /// A close now would find, or soon receive, bytes that nobody has read.
    pub(super) fn input_is_left(&self) -> bool {
        self.mid_body()
            || self.fault.get().is_some()
            || self.gate.borrow().heads() > self.served.get()
    }

    /// An incomplete head waits, or no longer does.
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

    pub(super) fn become_idle(&self, now: u64) {
        self.phase.set(Phase::Idle);
        self.idle_since.set(now);
        // A head that came in pieces behind the last request has had its time only from now on.
        if self.partial_since.get().is_some() {
            self.partial_since.set(Some(now));
        }
    }

    pub(super) fn begin_linger(&self) {
        let now = clock::now();
        self.linger.set(Some((now, now)));
    }

    pub(super) fn note_linger(&self) {
        self.linger.set(self.linger.get().map(|(start, _)| (start, clock::now())));
    }

    /// The refusal that ends the connection, as bytes; empty where it ends without one.
    pub(super) fn last_words(&self) -> Vec<u8> {
        match self.fault.get() {
            Some(fault) if self.phase.get() == Phase::Idle && !self.answered.get() => {
                proxy::refuse_head(&self.worker, &self.caller, fault)
            }
            _ => Vec::new(),
        }
    }

    /// When the connection must be looked at again, if nothing happens on it.
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
            (Phase::Busy | Phase::Handed, _) => u64::MAX,
            (Phase::Idle, Some(since)) => at(since, timeouts.header),
            (Phase::Idle, None) => at(self.idle_since.get(), timeouts.idle),
        }
    }

    /// A deadline has passed: true where the connection must simply be dropped.
    pub(super) fn give_up(&self) -> bool {
        if self.linger.get().is_some() || self.blocked_since.get().is_some() {
            return true;
        }
        if self.phase.get() == Phase::Idle {
            if self.partial_since.get().is_some() {
                self.fault.set(Some(Fault::HeadTimeout));
            } else {
                self.ending.set(true);
            }
        }
        false
    }

    /// The connection ends early.
    pub(super) fn cut(&self) -> Result<(), Cut> {
        if self.to_the_close.get() && self.linger.get().is_none() { Err(Cut) } else { Ok(()) }
    }

    /// A request has been parsed; called before anything else is read.
    pub(super) fn begin(&self) {
        self.phase.set(Phase::Busy);
        self.served.set(self.served.get() + 1);
    }
}

/// An answer was cut whose end is the end of the connection: unless that is reset, the caller takes what it has for the whole.
#[derive(Debug)]
pub struct Cut;
