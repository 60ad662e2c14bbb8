//! Kept-alive connections to one upstream, of one worker: last in, first out.

use super::{Cause, Deadline, Frames, Schedule, Sent, Target};
use crate::clock;
use crate::metrics::UpstreamCells;
use crate::timers::Timer;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How long a connection may lie idle: below the 5 s after which Node closes, so that reuse does not race its FIN.
pub const IDLE: Duration = Duration::from_secs(4);
/// The read buffer of one upstream connection, and so the largest response head, in bytes.
const BUFFER: usize = 64 * 1024;

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
    /// An empty pool; of the target's connections this worker may have its `share` of `workers`.
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
    pub fn cells(&self) -> &Arc<UpstreamCells> {
        &self.cells
    }

    /// Closes what has lain idle too long.
    pub fn sweep(&self, now: u64) {
        let old = clock::nanos(IDLE);
        let mut idle = self.idle.borrow_mut();
        let keep_from = idle.partition_point(|up| now.saturating_sub(up.since) > old);
        idle.drain(..keep_from);
    }

    /// A connection that is ready for a request: the youngest idle one that is still alive, or a new one.
    pub(super) async fn checkout(
        self: &Rc<Self>,
        timer: &Timer,
        schedule: &Schedule,
    ) -> Result<Up, Cause> {
        let mut schedule_is_fresh = true;
        loop {
            if let Some(up) = poll_fn(|cx| Poll::Ready(self.reuse(cx))).await {
                self.cells.reused.up();
                return Ok(up);
            }
            if schedule_is_fresh {
                schedule.arm(timer, schedule.timeouts.connect);
                schedule_is_fresh = false;
            }
            if self.open.get() < self.cap {
                return Box::pin(self.connect(timer, schedule)).await;
            }
            Box::pin(self.wait(timer, schedule)).await?;
        }
    }

    fn reuse(&self, cx: &mut Context<'_>) -> Option<Up> {
        loop {
            // Taken out before it is looked at: dropping a dead one must find the pool unborrowed.
            let mut up = self.idle.borrow_mut().pop()?;
            if Pin::new(&mut up.conn).poll(cx).is_pending() && up.sender.is_ready() {
                up.reused = true;
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
        let mut waiting = self.waiting.borrow_mut();
        if let Some(place) = waiting.pop_front() {
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
            timer.poll(cx).map(|()| {
                Err(match schedule.passed(Deadline::Connect) {
                    Cause::Deadline(Deadline::Connect) => Cause::Busy,
                    other => other,
                })
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
        let meter = Rc::new(Meter::default());
        let io = TokioIo::new(Metered {
            stream,
            meter: meter.clone(),
        });
        let (sender, conn) = Builder::new()
            .writev(false)
            .max_buf_size(BUFFER)
            .handshake(io)
            .await
            .map_err(Cause::Broken)?;
        Ok(Up {
            sender,
            conn: Box::new(conn),
            meter,
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
        pool.cells.connections.set(pool.open.get() as u64);
        Self(pool.clone())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        self.0.cells.connections.set(self.0.open.get() as u64);
        self.0.call_next();
    }
}

/// One connection with everything needed to drive it.
#[derive(Debug)]
pub struct Up {
    pub(super) sender: SendRequest<Frames>,
    pub(super) conn: Box<Connection<TokioIo<Metered>, Frames>>,
    meter: Rc<Meter>,
    since: u64,
    pub(super) reused: bool,
    _seat: Seat,
}

impl Up {
    /// A request starts: what it writes is counted from here.
    pub(super) fn begin(&self) {
        self.meter.written.set(0);
        self.meter.stuck.set(false);
    }

    /// What the upstream may have seen of the request since [`Up::begin`].
    pub(super) fn sent(&self) -> Sent {
        match (self.meter.written.get(), self.meter.stuck.get()) {
            (0, _) => Sent::Unsent,
            (_, true) => Sent::Partial,
            (_, false) => Sent::Sent,
        }
    }
}

/// What went out on a connection since its request began.
#[derive(Debug, Default)]
struct Meter {
    written: Cell<u64>,
    /// The socket took less than it was offered last time.
    stuck: Cell<bool>,
}

/// The socket, with its meter.
#[derive(Debug)]
pub(super) struct Metered {
    stream: TcpStream,
    meter: Rc<Meter>,
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Metered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        match &result {
            Poll::Ready(Ok(n)) => {
                self.meter.written.set(self.meter.written.get() + *n as u64);
                self.meter.stuck.set(*n < buf.len());
            }
            Poll::Pending => self.meter.stuck.set(true),
            Poll::Ready(Err(_)) => {}
        }
        result
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
