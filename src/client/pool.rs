//! Kept-alive connections to one upstream, of one worker: last in, first out.

use super::{Cause, Deadline, Schedule, Target};
use crate::clock;
use crate::metrics::UpstreamCells;
use crate::timers::Timer;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::ReadBuf;
use tokio::net::TcpStream;

/// How long a connection may lie idle: below the 5 s after which Node closes, so that reuse does not race its FIN.
const IDLE: Duration = Duration::from_secs(4);

/// The connections of one worker to one upstream.
#[derive(Debug)]
pub struct Pool {
    pub(super) target: Target,
    cap: usize,
    idle: RefCell<Vec<Up>>,
    open: Cell<usize>,
    waiting: RefCell<VecDeque<Rc<Place>>>,
    cells: Arc<UpstreamCells>,
}

/// A place in the queue for a connection.
#[derive(Debug, Default)]
struct Place {
    called: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Pool {
    /// An empty pool, for one of `workers` workers: each may have its share of the target's connections.
    pub fn new(target: Target, workers: usize, cells: Arc<UpstreamCells>) -> Rc<Self> {
        let cap = target.max_connections.div_ceil(workers.max(1)).max(1);
        Rc::new(Self {
            target,
            cap,
            idle: RefCell::default(),
            open: Cell::new(0),
            waiting: RefCell::default(),
            cells,
        })
    }

    /// Where it leads.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// What it counts.
    pub fn cells(&self) -> &UpstreamCells {
        &self.cells
    }

    /// Closes what has lain idle too long.
    pub fn sweep(&self, now: u64) {
        let old = clock::nanos(IDLE);
        let keep_from = self
            .idle
            .borrow()
            .partition_point(|up| now.saturating_sub(up.since) > old);
        let closed: Vec<Up> = self.idle.borrow_mut().drain(..keep_from).collect();
        drop(closed);
    }

    /// A connection that is ready for a request: the youngest idle one that is still alive, or a new one.
    pub(super) async fn checkout(
        self: &Rc<Self>,
        timer: &Timer,
        schedule: &Schedule,
    ) -> Result<Up, Cause> {
        if let Some(up) = poll_fn(|cx| Poll::Ready(self.reuse(cx))).await {
            return Ok(up);
        }
        schedule.arm(timer, schedule.timeouts.connect);
        loop {
            if self.open.get() < self.cap {
                return Box::pin(self.connect(timer, schedule)).await;
            }
            Box::pin(self.wait(timer, schedule)).await?;
            if let Some(up) = poll_fn(|cx| Poll::Ready(self.reuse(cx))).await {
                return Ok(up);
            }
        }
    }

    fn reuse(&self, cx: &mut Context<'_>) -> Option<Up> {
        loop {
            // Taken out before it is looked at: dropping a dead one must find the pool unborrowed.
            let mut up = self.idle.borrow_mut().pop()?;
            if up.is_quiet(cx) {
                up.reused = true;
                self.cells.reused.up();
                return Some(up);
            }
        }
    }

    pub(super) fn put_back(&self, mut up: Up) {
        up.since = clock::coarse();
        self.idle.borrow_mut().push(up);
        self.call_next();
    }

    fn call_next(&self) {
        if let Some(place) = self.waiting.borrow_mut().pop_front() {
            place.called.set(true);
            if let Some(waker) = place.waker.borrow_mut().take() {
                waker.wake();
            }
        }
    }

    async fn wait(&self, timer: &Timer, schedule: &Schedule) -> Result<(), Cause> {
        if self.waiting.borrow().len() >= self.cap {
            return Err(Cause::Busy);
        }
        let place = Rc::new(Place::default());
        self.waiting.borrow_mut().push_back(place.clone());
        let waiting = Waiting {
            pool: self,
            place,
            came: Cell::new(false),
        };
        poll_fn(|cx| {
            if waiting.place.called.get() {
                waiting.came.set(true);
                return Poll::Ready(Ok(()));
            }
            *waiting.place.waker.borrow_mut() = Some(cx.waker().clone());
            timer
                .poll(cx)
                .map(|()| match schedule.passed(Deadline::Connect) {
                    Cause::Deadline(Deadline::Connect) => Err(Cause::Busy),
                    other => Err(other),
                })
        })
        .await
    }

    async fn connect(self: &Rc<Self>, timer: &Timer, schedule: &Schedule) -> Result<Up, Cause> {
        let seat = Seat::take(self);
        let mut dial = pin!(dial(&self.target));
        let stream = poll_fn(|cx| match dial.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(result.map_err(Cause::Connect)),
            Poll::Pending => timer
                .poll(cx)
                .map(|()| Err(schedule.passed(Deadline::Connect))),
        })
        .await?;
        self.cells.opened.up();
        Ok(Up {
            stream,
            early: Vec::new(),
            since: 0,
            reused: false,
            _seat: seat,
        })
    }
}

async fn dial(target: &Target) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((target.host.as_str(), target.port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

struct Waiting<'a> {
    pool: &'a Pool,
    place: Rc<Place>,
    came: Cell<bool>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.place.called.get() {
            self.pool
                .waiting
                .borrow_mut()
                .retain(|other| !Rc::ptr_eq(other, &self.place));
        } else if !self.came.get() {
            // Called, but gone before it could come: the next one's turn.
            self.pool.call_next();
        }
    }
}

/// One of the sockets that the pool may have open.
#[derive(Debug)]
struct Seat(Rc<Pool>);

impl Seat {
    fn take(pool: &Rc<Pool>) -> Self {
        pool.open.set(pool.open.get() + 1);
        pool.cells.connections.up();
        Self(pool.clone())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        self.0.cells.connections.down();
        self.0.call_next();
    }
}

/// One connection.
#[derive(Debug)]
pub(super) struct Up {
    pub(super) stream: TcpStream,
    /// What has been read of a head that is not whole yet. Empty between requests.
    pub(super) early: Vec<u8>,
    since: u64,
    pub(super) reused: bool,
    _seat: Seat,
}

impl Up {
    /// Whether nothing has come on it since the last response: neither a close nor a byte that nobody asked for.
    fn is_quiet(&mut self, cx: &mut Context<'_>) -> bool {
        let mut byte = [0];
        let mut buf = ReadBuf::new(&mut byte);
        tokio::io::AsyncRead::poll_read(std::pin::Pin::new(&mut self.stream), cx, &mut buf)
            .is_pending()
    }
}
