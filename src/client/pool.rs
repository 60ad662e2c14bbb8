//! Kept-alive connections to one upstream, of one worker: last in, first out.

use super::response::Early;
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
    idle: RefCell<Vec<Up>>,
    /// Apart from the pool, so that what lies idle in it does not keep it alive.
    seats: Rc<Seats>,
}

/// The sockets that a pool may have open, and who waits for one. While somebody waits, none is free and nothing lies idle.
#[derive(Debug)]
struct Seats {
    cap: usize,
    taken: Cell<usize>,
    waiting: RefCell<VecDeque<Rc<Place>>>,
    cells: Arc<UpstreamCells>,
}

/// A place in the queue for a connection.
#[derive(Debug, Default)]
struct Place {
    turn: RefCell<Option<Turn>>,
    waker: RefCell<Option<Waker>>,
}

/// What the first in the queue is handed: nobody who comes later can take it.
#[derive(Debug)]
enum Turn {
    /// A connection that has just become idle.
    Reuse(Up),
    /// The right to open one.
    Dial(Seat),
}

impl Place {
    fn give(&self, turn: Turn) {
        self.turn.replace(Some(turn));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Pool {
    /// An empty pool, for one of `workers` workers: each may have its share of the target's connections.
    pub fn new(target: Target, workers: usize, cells: Arc<UpstreamCells>) -> Rc<Self> {
        let cap = target.max_connections.div_ceil(workers.max(1)).max(1);
        Rc::new(Self {
            target,
            idle: RefCell::default(),
            seats: Rc::new(Seats {
                cap,
                taken: Cell::new(0),
                waiting: RefCell::default(),
                cells,
            }),
        })
    }

    /// Where it leads.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// What it counts.
    pub fn cells(&self) -> &UpstreamCells {
        &self.seats.cells
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
    pub(super) async fn checkout(&self, timer: &Timer, schedule: &Schedule) -> Result<Up, Cause> {
        if let Some(up) = poll_fn(|cx| Poll::Ready(self.reuse(cx))).await {
            return Ok(up);
        }
        schedule.arm(timer, schedule.timeouts.connect);
        let seat = match Seat::take(&self.seats) {
            Some(seat) => seat,
            None => match Box::pin(self.wait(timer, schedule)).await? {
                Ok(up) => return Ok(up),
                Err(seat) => seat,
            },
        };
        Box::pin(self.connect(seat, timer, schedule)).await
    }

    fn reuse(&self, cx: &mut Context<'_>) -> Option<Up> {
        loop {
            // Taken out before it is looked at: dropping a dead one must find the pool unborrowed.
            let up = self.idle.borrow_mut().pop()?;
            if let Ok(up) = self.try_again(up, cx) {
                return Some(up);
            }
        }
    }

    /// A connection for its next request; its seat alone where it is dead.
    fn try_again(&self, mut up: Up, cx: &mut Context<'_>) -> Result<Up, Seat> {
        if !up.is_quiet(cx) {
            return Err(up.seat);
        }
        up.reused = true;
        self.cells().reused.up();
        Ok(up)
    }

    pub(super) fn put_back(&self, mut up: Up) {
        up.since = clock::coarse();
        match self.seats.next() {
            Some(place) => place.give(Turn::Reuse(up)),
            None => self.idle.borrow_mut().push(up),
        }
    }

    /// Waits for a turn: a connection that is ready for a request, or the right to open one.
    async fn wait(&self, timer: &Timer, schedule: &Schedule) -> Result<Result<Up, Seat>, Cause> {
        if self.seats.waiting.borrow().len() >= self.seats.cap {
            return Err(Cause::Busy);
        }
        let place = Rc::new(Place::default());
        self.seats.waiting.borrow_mut().push_back(place.clone());
        let waiting = Waiting { pool: self, place };
        poll_fn(|cx| {
            match waiting.place.turn.take() {
                Some(Turn::Reuse(up)) => return Poll::Ready(Ok(self.try_again(up, cx))),
                Some(Turn::Dial(seat)) => return Poll::Ready(Ok(Err(seat))),
                None => {}
            }
            waiting.place.waker.replace(Some(cx.waker().clone()));
            timer
                .poll(cx)
                .map(|()| match schedule.passed(Deadline::Connect) {
                    Cause::Deadline(Deadline::Connect) => Err(Cause::Busy),
                    other => Err(other),
                })
        })
        .await
    }

    async fn connect(&self, seat: Seat, timer: &Timer, schedule: &Schedule) -> Result<Up, Cause> {
        let mut dial = pin!(dial(&self.target));
        let stream = poll_fn(|cx| match dial.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(result.map_err(Cause::Connect)),
            Poll::Pending => timer
                .poll(cx)
                .map(|()| Err(schedule.passed(Deadline::Connect))),
        })
        .await?;
        self.cells().opened.up();
        Ok(Up {
            stream,
            early: Early::default(),
            since: 0,
            reused: false,
            seat,
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
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        match self.place.turn.take() {
            // Called, but gone before it could come: the next one's turn.
            Some(Turn::Reuse(up)) => self.pool.put_back(up),
            Some(Turn::Dial(seat)) => drop(seat),
            None => {
                let mut waiting = self.pool.seats.waiting.borrow_mut();
                waiting.retain(|other| !Rc::ptr_eq(other, &self.place));
            }
        }
    }
}

impl Seats {
    fn next(&self) -> Option<Rc<Place>> {
        self.waiting.borrow_mut().pop_front()
    }
}

/// One of the sockets that the pool may have open.
#[derive(Debug)]
struct Seat(Rc<Seats>);

impl Seat {
    /// A free one, if there is any.
    fn take(seats: &Rc<Seats>) -> Option<Self> {
        let taken = seats.taken.get();
        if taken >= seats.cap {
            return None;
        }
        seats.taken.set(taken + 1);
        seats.cells.connections.up();
        Some(Self(seats.clone()))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        match self.0.next() {
            Some(place) => place.give(Turn::Dial(Self(self.0.clone()))),
            None => {
                self.0.taken.set(self.0.taken.get() - 1);
                self.0.cells.connections.down();
            }
        }
    }
}

/// One connection.
#[derive(Debug)]
pub(super) struct Up {
    pub(super) stream: TcpStream,
    /// What has been read of a head that is not whole yet. Empty between requests.
    pub(super) early: Early,
    since: u64,
    pub(super) reused: bool,
    seat: Seat,
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
