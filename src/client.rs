//! The upstream side: a keep-alive pool per worker and upstream, polled inside the request that uses it.
//!
//! No connection has a task of its own. The request's future drives the connection it holds, so one wake-up serves both, and a
//! request that is dropped closes its connection with it: that is how a backend learns that the caller has gone.

mod body;
mod pool;

use crate::clock;
use crate::timers::Timer;
pub use body::{Frames, Incoming};
use http::{Request, Response};
pub use pool::{Pool, Up};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
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
    Connect(#[source] std::io::Error),
    /// The connection ended or spoke senselessly.
    #[error("the exchange broke: {0}")]
    Broken(#[source] hyper::Error),
    /// The connection ended without a word.
    #[error("the connection was closed before the response")]
    Gone,
    /// A protocol switch nobody asked for.
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
/// A request that a kept-alive connection hands back unsent is sent again on another one; nothing else is ever repeated.
pub async fn send(
    pool: &Rc<Pool>,
    mut request: Request<Frames>,
    timer: Rc<Timer>,
) -> Result<Response<Incoming>, UpstreamError> {
    let schedule = Schedule::new(pool.target.timeouts);
    let unsent = |cause| UpstreamError {
        cause,
        sent: Sent::Unsent,
    };
    loop {
        let mut up = pool.checkout(&timer, &schedule).await.map_err(unsent)?;
        schedule.arm(&timer, schedule.timeouts.first_byte);
        match exchange(&mut up, request, &timer, &schedule).await {
            Ok(response) if response.status() == http::StatusCode::SWITCHING_PROTOCOLS => {
                return Err(UpstreamError {
                    cause: Cause::Senseless("101 without an upgrade"),
                    sent: Sent::Sent,
                });
            }
            Ok(response) => {
                timer.clear();
                return Ok(
                    response.map(|body| Incoming::new(body, up, pool.clone(), timer, schedule))
                );
            }
            Err(Failed::HandedBack(back, _)) if up.reused => request = *back,
            Err(Failed::HandedBack(_, error)) => return Err(unsent(Cause::Broken(error))),
            Err(Failed::Lost(cause)) => {
                return Err(UpstreamError {
                    cause,
                    sent: up.sent(),
                });
            }
        }
    }
}

enum Failed {
    /// Not a byte of it was written: hyper gives the request back.
    HandedBack(Box<Request<Frames>>, hyper::Error),
    Lost(Cause),
}

/// One request and its response head on one connection, which is polled here.
async fn exchange(
    up: &mut Up,
    request: Request<Frames>,
    timer: &Timer,
    schedule: &Schedule,
) -> Result<Response<hyper::body::Incoming>, Failed> {
    up.begin();
    let mut sending = pin!(up.sender.try_send_request(request));
    let conn = &mut up.conn;
    poll_fn(|cx| {
        let gone = Pin::new(&mut *conn).poll(cx).is_ready();
        match sending.as_mut().poll(cx) {
            Poll::Ready(Ok(response)) => return Poll::Ready(Ok(response)),
            Poll::Ready(Err(mut error)) => {
                return Poll::Ready(Err(match error.take_message() {
                    Some(request) => Failed::HandedBack(Box::new(request), error.into_error()),
                    None => Failed::Lost(Cause::Broken(error.into_error())),
                }));
            }
            Poll::Pending => {}
        }
        if gone {
            return Poll::Ready(Err(Failed::Lost(Cause::Gone)));
        }
        timer
            .poll(cx)
            .map(|()| Err(Failed::Lost(schedule.passed(Deadline::FirstByte))))
    })
    .await
}
