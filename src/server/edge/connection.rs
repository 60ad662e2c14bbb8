//! One caller's connection: its phase, its deadlines, and the task that serves it.

use super::socket::Socket;
use crate::clock;
use crate::net::request_framing::{Fault, RequestFraming};
use crate::proxy::response::ResponseBody;
use crate::proxy::worker::Worker;
use crate::proxy::{self, Caller};
use bytes::Bytes;
use http::uri::Scheme;
use http::{HeaderValue, Request, Response, Version, header};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// hyper's buffer for one connection, in bytes; the framing check limits heads to less.
const MAX_BUFFER: usize = 64 * 1024;
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
    pub(super) fault: Cell<Option<Fault>>,
    pub(super) phase: Cell<Phase>,
    /// The connection ends as soon as it is idle.
    pub(super) ending: Cell<bool>,
    /// The caller disconnected while its request was served.
    pub(super) gone: Cell<bool>,
    served: Cell<u64>,
    answered: Cell<bool>,
    /// The end of the current response is the end of the connection.
    ends_with_close: Cell<bool>,
    idle_since: Cell<u64>,
    partial_since: Cell<Option<u64>>,
    blocked_since: Cell<Option<u64>>,
    linger: Cell<Option<(u64, u64)>>,
    caller: Rc<Caller>,
    worker: Rc<Worker>,
}

impl Conn {
    fn new(worker: Rc<Worker>, caller: Rc<Caller>) -> Rc<Self> {
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
        self.gate.borrow().ends() < self.served.get()
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
    fn deadline(&self) -> u64 {
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
    fn expire(&self) -> bool {
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

    fn cut(&self) -> Result<(), Cut> {
        if self.ends_with_close.get() && self.linger.get().is_none() { Err(Cut) } else { Ok(()) }
    }

    /// A request has been parsed; called before anything else is read.
    fn begin(self: &Rc<Self>) -> CompletionGuard {
        self.phase.set(Phase::Busy);
        self.served.set(self.served.get() + 1);
        CompletionGuard(self.clone())
    }

    async fn serve(
        self: Rc<Self>,
        request: Request<Incoming>,
        served: CompletionGuard,
    ) -> Result<Response<TrackedBody>, Infallible> {
        let (mut head, mut body) = request.into_parts();
        let old = head.version == Version::HTTP_10;
        let mut response = proxy::handle(&self.worker, &self.caller, &mut head, &mut body).await;
        let unmeasured = response.body().size_hint().exact().is_none();
        self.ends_with_close.set(old && unmeasured);
        if !body.is_end_stream() {
            if self.mid_body() {
                // The request's own response covers an error in its body; no other refusal is written.
                self.answered.set(self.fault.get().is_some());
                response
                    .headers_mut()
                    .insert(header::CONNECTION, HeaderValue::from_static("close"));
            } else {
                discard(&mut body).await;
            }
        }
        if self.worker.draining() {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response.map(|reply| TrackedBody { reply, _guard: served }))
    }
}

/// Discards a body that has arrived completely, so that the connection can be used again.
async fn discard(body: &mut Incoming) {
    poll_fn(|cx| {
        while let Poll::Ready(Some(Ok(_))) = Pin::new(&mut *body).poll_frame(cx) {}
        Poll::Ready(())
    })
    .await;
}

/// Marks the response as complete when it is dropped.
struct CompletionGuard(Rc<Conn>);

impl Drop for CompletionGuard {
    fn drop(&mut self) {
        self.0.phase.set(Phase::Answered);
    }
}

struct TrackedBody {
    reply: ResponseBody,
    _guard: CompletionGuard,
}

impl Body for TrackedBody {
    type Data = Bytes;
    type Error = <ResponseBody as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.reply).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.reply.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.reply.size_hint()
    }
}

/// A response that ends with the connection was cut off: the connection must be reset, or the caller would take it for complete.
#[derive(Debug)]
pub struct Cut;

/// Serves one connection to its end. Needs a runtime for `!Send` tasks.
pub async fn run<S>(worker: Rc<Worker>, stream: S, peer: SocketAddr) -> Result<(), Cut>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let caller = Rc::new(Caller::new(peer, Scheme::HTTP, worker.timers.timer()));
    let conn = Conn::new(worker.clone(), caller);
    let timer = worker.timers.timer();
    let service = {
        let conn = conn.clone();
        service_fn(move |request| conn.clone().serve(request, conn.begin()))
    };
    let mut http = pin!(
        http1::Builder::new()
            .half_close(true)
            .writev(false)
            .max_buf_size(MAX_BUFFER)
            .serve_connection(TokioIo::new(Socket::new(stream, conn.clone())), service)
    );
    poll_fn(|cx| {
        if worker.draining() && !conn.ending.replace(true) && conn.phase.get() != Phase::Idle {
            http.as_mut().graceful_shutdown();
        }
        if timer.poll(cx).is_ready() && conn.expire() {
            return Poll::Ready(conn.cut());
        }
        match http.as_mut().poll(cx) {
            Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
            Poll::Ready(Err(_)) => return Poll::Ready(conn.cut()),
            Poll::Pending if conn.gone.get() => return Poll::Ready(conn.cut()),
            Poll::Pending => {}
        }
        let deadline = conn.deadline();
        timer.set(deadline);
        timer.poll(cx).map(Ok)
    })
    .await
}
