//! The upstream side: a keep-alive pool per worker and upstream, polled inside the request that uses it.
//!
//! No connection has a task of its own. The request's future writes to and reads from the connection it holds, so one wake-up
//! serves both, and a request that is dropped closes its connection with it: that is how a backend learns that the caller has
//! gone. The client is ours because a general one pays for generality: channels, a task, a read buffer per connection.

mod body;
pub mod breaker;
mod error;
pub mod framing;
mod permits;
mod pool;
mod read_buffer;
mod request;
pub mod response;
mod stream;
#[cfg(test)]
mod tests;
mod timing;
pub mod tls;

mod collect;

use crate::clock;
use crate::net::address_policy::AddressPolicy;
use crate::net::timers::Timer;
use crate::telemetry::observer::{self, Step};
pub use body::{Incoming, UpstreamBody};
pub use collect::collect;
pub use error::{Cause, Deadline, ERROR_WORDS, Retry, Sent, UpstreamError};
use http::Response;
pub use pool::Pool;
use pool::UpstreamConnection;
pub use request::{Frames, Outgoing};
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
pub use timing::ConnectTiming;
use tls::Tls;

/// Where an upstream is, resolved from its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How to speak TLS to it; `None`: it is plain.
    pub tls: Option<Tls>,
    /// What its addresses must pass before they are dialled; `None`: its host is the operator's own choice.
    pub address_policy: Option<AddressPolicy>,
    /// Sockets to it over all workers.
    pub max_connections: usize,
    /// The four deadlines.
    pub timeouts: Timeouts,
}

/// The four deadlines of one exchange. None of the first three may exceed `total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection is there: the wait for a free one, name look-up, TCP and TLS handshake.
    pub connect: Duration,
    /// From the dispatch of the request to the response head.
    pub first_byte: Duration,
    /// Between two pieces of the response body.
    pub idle: Duration,
    /// From the start to the last byte of the response.
    pub total: Duration,
}

/// An upstream is not blamed for missing its total where others took more than this part of it: one in so many.
const BLAME_DIVISOR: u64 = 10;

/// When one exchange's deadlines pass, counted from its start.
#[derive(Clone, Copy, Debug)]
struct Deadlines {
    timeouts: Timeouts,
    total: u64,
    /// What `total` is called when it passes.
    total_kind: Deadline,
}

impl Deadlines {
    /// `by` caps the total, in nanoseconds of [`clock::now`].
    fn new(timeouts: Timeouts, by: Option<u64>) -> Self {
        let all = clock::nanos(timeouts.total);
        let own = clock::coarse().saturating_add(all);
        let total = by.map_or(own, |by| by.min(own));
        // A little of it is gone before every exchange; who is silent for the rest has had its time.
        let total_kind =
            if own - total > all / BLAME_DIVISOR { Deadline::Remaining } else { Deadline::Total };
        Self { timeouts, total, total_kind }
    }

    /// Arms `timer` with a phase's deadline or the total one, whichever is first.
    fn arm(&self, timer: &Timer, phase: Duration) {
        timer.set(clock::coarse().saturating_add(clock::nanos(phase)).min(self.total));
    }

    /// Which of the two it was that passed.
    fn passed(&self, phase: Deadline) -> Cause {
        Cause::Deadline(if clock::now() >= self.total { self.total_kind } else { phase })
    }
}

/// Sends one request and returns the response once its head is there; the body then streams.
///
/// A request of which a kept-alive connection took nothing is sent again on another one; nothing else is ever repeated. `by`,
/// in nanoseconds of [`clock::now`], caps the target's own total where the exchange is one of several. `opening` is told how long
/// it took to open a connection, where one was opened.
pub async fn send(
    pool: &Rc<Pool>,
    mut request: Outgoing,
    timer: &Rc<Timer>,
    by: Option<u64>,
    opening: Option<&ConnectTiming>,
) -> Result<Response<UpstreamBody>, UpstreamError> {
    let schedule = Deadlines::new(pool.target.timeouts, by);
    loop {
        // Nobody would wait for the answer, but the upstream would work on it.
        if clock::coarse() >= schedule.total {
            return Err(UpstreamError {
                cause: Cause::Deadline(schedule.total_kind),
                sent: Sent::Unsent,
            });
        }
        let observer = request.observer.as_ref();
        let checked_out = pool.checkout(timer, &schedule, opening, observer).await;
        let mut up = checked_out.map_err(|cause| UpstreamError { cause, sent: Sent::Unsent })?;
        observer::record(observer, || Step::RequestStarted(request.length()));
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
            Ok(head) => {
                let status = head.response.status().as_u16();
                observer::record(request.observer.as_ref(), || Step::ResponseStarted(status));
                return Ok(Incoming::receive(head, up, pool, timer, schedule, request));
            }
            Err(Cause::Broken(_) | Cause::Closed) if sent == Sent::Unsent && up.reused => {}
            Err(cause) => return Err(UpstreamError { cause, sent }),
        }
    }
}

/// Writes what is left of the request and reads the head of its response, with what came behind it.
fn exchange(
    up: &mut UpstreamConnection,
    request: &mut Outgoing,
    broken: &mut Option<io::Error>,
    cx: &mut Context<'_>,
) -> Poll<Result<response::Head, Cause>> {
    if broken.is_none()
        && !request.is_out()
        && let Poll::Ready(Err(error)) = request.poll_write(&mut up.stream, cx)
    {
        if up.stream.buffers_writes() {
            request.mark_uncertain();
        }
        *broken = Some(error);
    }
    // It may have answered before it closed: what it said is still read, if it can have been about this request.
    let read = if request.sent() != Sent::Unsent {
        poll_head(up, request, cx)
    } else if broken.is_some() {
        Poll::Ready(Err(Cause::Closed))
    } else {
        Poll::Pending
    };
    read.map_err(|cause| match (cause, broken.take()) {
        (Cause::Closed | Cause::Broken(_), Some(error)) => Cause::Broken(error),
        (cause, _) => cause,
    })
}

fn poll_head(
    up: &mut UpstreamConnection,
    request: &mut Outgoing,
    cx: &mut Context<'_>,
) -> Poll<Result<response::Head, Cause>> {
    loop {
        let (early, stream) = (&mut up.partial_head, &mut up.stream);
        let (bodiless, spare) = (request.bodiless, &mut request.reused_headers);
        let read =
            ready!(read_buffer::read_shared(stream, cx, read_buffer::READ_BUFFER, |fresh| {
                if fresh.is_empty() {
                    return Err(Cause::Closed);
                }
                early.read(fresh, bodiless, spare).map_err(Cause::Invalid)
            }));
        match read.map_err(Cause::Broken).flatten() {
            Ok(Some(head)) => return Poll::Ready(Ok(head)),
            Ok(None) => {}
            Err(cause) => return Poll::Ready(Err(cause)),
        }
    }
}
