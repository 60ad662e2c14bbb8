//! The upstream side: a keep-alive pool per worker and upstream, polled inside the request that uses it.
//!
//! No connection has a task of its own. The request's future writes to and reads from the connection it holds, so one wake-up
//! serves both, and a request that is dropped closes its connection with it: that is how a backend learns that the caller has
//! gone. The client is ours because a general one pays for generality: channels, a task, a read buffer per connection.

mod body;
pub mod framing;
mod pool;
mod read;
mod request;
pub mod response;
mod seats;

use crate::clock;
use crate::timers::Timer;
pub use body::{Incoming, Received};
use http::Response;
pub use pool::Pool;
use pool::Up;
pub use request::{Frames, Outgoing};
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// Where an upstream is, resolved from its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Sockets to it over all workers.
    pub max_connections: usize,
    /// The four deadlines.
    pub timeouts: Timeouts,
}

/// The four deadlines of one exchange. None of the first three may exceed `total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection is there: the wait for a free one, name look-up and TCP handshake.
    pub connect: Duration,
    /// From the dispatch of the request to the response head.
    pub first_byte: Duration,
    /// Between two pieces of the response body.
    pub idle: Duration,
    /// From the start to the last byte of the response.
    pub total: Duration,
}

/// Which deadline passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// [`Timeouts::connect`].
    Connect,
    /// [`Timeouts::first_byte`].
    FirstByte,
    /// [`Timeouts::idle`].
    Idle,
    /// [`Timeouts::total`].
    Total,
}

impl Deadline {
    /// The setting's name: the word in errors, logs and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::FirstByte => "first_byte",
            Self::Idle => "idle",
            Self::Total => "total",
        }
    }
}

/// How much of the request the upstream may have seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Not a byte: it may be sent again without harm.
    Unsent,
    /// Some of it.
    Partial,
    /// All of it: the upstream may have acted.
    Sent,
}

impl Sent {
    /// The word in errors, logs and the `Botgate-Upstream` header.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unsent => "unsent",
            Self::Partial => "partial",
            Self::Sent => "sent",
        }
    }
}

/// Why an exchange failed.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// A deadline passed.
    #[error("the {} deadline passed", .0.word())]
    Deadline(Deadline),
    /// All connections are in use and too many requests wait for one already.
    #[error("no free connection")]
    Busy,
    /// The name could not be resolved or nobody listens there.
    #[error("cannot connect: {0}")]
    Connect(#[source] io::Error),
    /// The connection broke.
    #[error("the exchange broke: {0}")]
    Broken(#[source] io::Error),
    /// The connection ended without a word.
    #[error("the connection was closed before the response")]
    Gone,
    /// The response cannot be relied on.
    #[error("the response makes no sense: {0}")]
    Senseless(&'static str),
}

impl Cause {
    /// The word for logs and metrics, from a closed list.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Deadline(deadline) => deadline.word(),
            Self::Busy => "queue",
            Self::Connect(_) => "unreachable",
            Self::Broken(_) | Self::Gone => "broken",
            Self::Senseless(_) => "senseless",
        }
    }
}

/// A failed exchange: why, and how far it had come.
#[derive(Debug, thiserror::Error)]
#[error("{cause} ({})", .sent.word())]
pub struct UpstreamError {
    /// Why.
    pub cause: Cause,
    /// What the upstream may have seen.
    pub sent: Sent,
}

/// Every word of [`Cause::word`].
pub const WORDS: [&str; 8] = [
    "connect",
    "first_byte",
    "idle",
    "total",
    "queue",
    "unreachable",
    "broken",
    "senseless",
];

/// When one exchange's deadlines pass, counted from its start.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    timeouts: Timeouts,
    total: u64,
}

impl Schedule {
    fn new(timeouts: Timeouts) -> Self {
        Self {
            timeouts,
            total: clock::coarse().saturating_add(clock::nanos(timeouts.total)),
        }
    }

    /// Arms `timer` with a phase's deadline or the total one, whichever is first.
    fn arm(&self, timer: &Timer, phase: Duration) {
        timer.set(
            clock::coarse()
                .saturating_add(clock::nanos(phase))
                .min(self.total),
        );
    }

    /// Which of the two it was that passed.
    fn passed(&self, phase: Deadline) -> Cause {
        Cause::Deadline(if clock::now() >= self.total {
            Deadline::Total
        } else {
            phase
        })
    }
}

/// Sends one request and returns the response once its head is there; the body then streams.
///
/// A request of which a kept-alive connection took nothing is sent again on another one; nothing else is ever repeated.
pub async fn send(
    pool: &Rc<Pool>,
    mut request: Outgoing,
    timer: &Rc<Timer>,
) -> Result<Response<Received>, UpstreamError> {
    let schedule = Schedule::new(pool.target.timeouts);
    loop {
        let checked_out = pool.checkout(timer, &schedule).await;
        let mut up = checked_out.map_err(|cause| UpstreamError {
            cause,
            sent: Sent::Unsent,
        })?;
        schedule.arm(timer, schedule.timeouts.first_byte);
        let mut broken = None;
        let exchanged = poll_fn(|cx| {
            let exchanged = exchange(&mut up, &mut request, &mut broken, cx);
            if exchanged.is_ready() {
                return exchanged;
            }
            let passed = timer.poll(cx);
            passed.map(|()| Err(schedule.passed(Deadline::FirstByte)))
        });
        let exchanged = exchanged.await;
        timer.clear();
        let sent = request.sent();
        match exchanged {
            Ok(head) => return Ok(Incoming::receive(head, up, pool, timer, schedule, request)),
            Err(Cause::Broken(_) | Cause::Gone) if sent == Sent::Unsent && up.reused => {}
            Err(cause) => return Err(UpstreamError { cause, sent }),
        }
    }
}

/// Writes what is left of the request and reads the head of its response, with what came behind it.
fn exchange(
    up: &mut Up,
    request: &mut Outgoing,
    broken: &mut Option<io::Error>,
    cx: &mut Context<'_>,
) -> Poll<Result<response::Head, Cause>> {
    if broken.is_none()
        && !request.is_written()
        && let Poll::Ready(Err(error)) = request.poll_write(&mut up.stream, cx)
    {
        *broken = Some(error);
    }
    // It may have answered before it closed: what it said is still read, if it can have been about this request.
    let read = if request.written() > 0 {
        poll_head(up, request, cx)
    } else if broken.is_some() {
        Poll::Ready(Err(Cause::Gone))
    } else {
        Poll::Pending
    };
    read.map_err(|cause| match (cause, broken.take()) {
        (Cause::Gone | Cause::Broken(_), Some(error)) => Cause::Broken(error),
        (cause, _) => cause,
    })
}

fn poll_head(
    up: &mut Up,
    request: &mut Outgoing,
    cx: &mut Context<'_>,
) -> Poll<Result<response::Head, Cause>> {
    loop {
        let (early, stream) = (&mut up.early, &mut up.stream);
        let (bodiless, spare) = (request.bodiless, &mut request.spare);
        let read = ready!(read::into_spare(stream, cx, read::SPARE, |fresh| {
            if fresh.is_empty() {
                return Err(Cause::Gone);
            }
            early.read(fresh, bodiless, spare).map_err(Cause::Senseless)
        }));
        match read.map_err(Cause::Broken).flatten() {
            Ok(Some(head)) => return Poll::Ready(Ok(head)),
            Ok(None) => {}
            Err(cause) => return Poll::Ready(Err(cause)),
        }
    }
}
