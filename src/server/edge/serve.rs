//! The task that serves one caller's connection: hyper over its socket, woken by its deadlines.

use super::connection::{Conn, Cut, Phase};
use super::socket::Socket;
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
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};

/// hyper's buffer for one connection, in bytes; the framing check limits heads to less.
const MAX_BUFFER: usize = 64 * 1024;

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
        service_fn(move |request| conn.clone().serve(request, CompletionGuard::begin(&conn)))
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

impl Conn {
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

impl CompletionGuard {
    fn begin(conn: &Rc<Conn>) -> Self {
        conn.begin();
        Self(Rc::clone(conn))
    }
}

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
