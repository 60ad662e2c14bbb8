//! A response body as it streams down from its connection.

use super::framing::{BodyPart, Framing};
use super::pool::{Pool, UpstreamConnection};
use super::request::Outgoing;
use super::response::Head;
use super::{Cause, Deadline, Deadlines, Sent, UpstreamError};
use crate::clock;
use crate::net::timers::Timer;
use crate::telemetry::observer::{self, Observer, Step};
use bytes::Bytes;
use http::Response;
use hyper::body::SizeHint;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// What is read of a body at a time, in bytes.
const MAX_READ: usize = 16 * 1024;

/// A response body with the connection it comes from. Dropped before its end, it closes the connection.
#[derive(Debug)]
pub struct Incoming {
    framing: Framing,
    /// What came with the head, or behind the piece before.
    ready: Bytes,
    up: Option<UpstreamConnection>,
    /// What has to go out yet, where the response began before the whole request was written.
    request: Option<Outgoing>,
    sent: Sent,
    reusable: bool,
    ended: bool,
    /// The deadline for the next piece is set.
    waiting: bool,
    pool: Rc<Pool>,
    timer: Rc<Timer>,
    schedule: Deadlines,
    observer: Option<Observer>,
}

/// What a response consists of besides its head.
#[derive(Debug)]
pub enum UpstreamBody {
    /// All of the body, which came with the head.
    Whole(Bytes),
    /// A body still on its way.
    Streaming(Box<Incoming>),
}

impl Incoming {
    /// The body below `head`. One that came whole with it needs its connection no longer: that goes back to the pool at once,
    /// or is closed where a part of `request` is unsent.
    pub(super) fn receive(
        head: Head,
        up: UpstreamConnection,
        pool: &Rc<Pool>,
        timer: &Rc<Timer>,
        schedule: Deadlines,
        mut request: Outgoing,
    ) -> Response<UpstreamBody> {
        let sent = request.sent();
        let observer = request.observer.take();
        let Head { response, framing, reusable, mut rest } = head;
        if let Framing::Length(length) = framing
            && length <= rest.len() as u64
        {
            // More than was announced belongs to no response.
            if reusable && request.is_out() && length == rest.len() as u64 {
                pool.check_in(up);
            }
            observer::record(observer.as_ref(), || Step::ResponseEnded);
            rest.truncate(usize::try_from(length).unwrap_or(usize::MAX));
            return response.map(|()| UpstreamBody::Whole(rest));
        }
        let body = Self {
            framing,
            ready: rest,
            up: Some(up),
            request: (!request.is_out()).then_some(request),
            sent,
            reusable,
            ended: false,
            waiting: false,
            pool: pool.clone(),
            timer: timer.clone(),
            schedule,
            observer,
        };
        response.map(|()| UpstreamBody::Streaming(Box::new(body)))
    }

    /// The next piece of data, `None` at the end.
    pub fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, UpstreamError>>> {
        loop {
            if self.ended {
                return Poll::Ready(None);
            }
            match self.framing.decode(&mut self.ready) {
                Ok(BodyPart::Data(data)) => {
                    if self.framing.is_complete() {
                        self.end();
                    }
                    return Poll::Ready(Some(Ok(data)));
                }
                Ok(BodyPart::End) => self.end(),
                Ok(BodyPart::NeedMore) => match ready!(self.poll_more(cx)) {
                    Ok(()) => {}
                    Err(cause) => return Poll::Ready(Some(Err(self.fail(cause)))),
                },
                Err(fault) => return Poll::Ready(Some(Err(self.fail(Cause::Invalid(fault))))),
            }
        }
    }

    /// True once nothing more will come.
    pub fn is_end_stream(&self) -> bool {
        self.ended
    }

    /// The length, as far as the response head told it.
    pub fn size_hint(&self) -> SizeHint {
        match self.framing {
            Framing::Length(left) => SizeHint::with_exact(left),
            Framing::Chunked(_) | Framing::Close => SizeHint::default(),
        }
    }

    /// Reads what comes next: bytes, or the end of the connection where that is an end of the body.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        // Looked at here too: one who always has something ready would never be waited for.
        if clock::coarse() >= self.schedule.total {
            return Poll::Ready(Err(Cause::Deadline(self.schedule.total_kind)));
        }
        let Some(up) = &mut self.up else {
            return Poll::Ready(Err(Cause::Closed));
        };
        if let Some(request) = &mut self.request {
            let before = request.written();
            let written = request.poll_write(&mut up.stream, cx);
            self.waiting &= request.written() == before;
            self.sent = request.sent();
            if written.is_ready() {
                // A backend that takes no more of the request may still end its response.
                self.reusable &= request.is_out();
                self.request = None;
            }
        }
        match crate::net::client::read_buffer::read_shared(
            &mut up.stream,
            cx,
            MAX_READ,
            Bytes::copy_from_slice,
        ) {
            Poll::Ready(Ok(piece)) => {
                self.waiting = false;
                if piece.is_empty() {
                    if !self.framing.ends_with_connection() {
                        return Poll::Ready(Err(Cause::Closed));
                    }
                    self.end();
                }
                self.ready = piece;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(Cause::Broken(error))),
            Poll::Pending => {
                if !self.waiting {
                    self.waiting = true;
                    self.schedule.arm(&self.timer, self.schedule.timeouts.idle);
                }
                let passed = self.timer.poll(cx);
                passed.map(|()| Err(self.schedule.passed(Deadline::Idle)))
            }
        }
    }

    fn fail(&mut self, cause: Cause) -> UpstreamError {
        self.up = None;
        self.ended = true;
        self.timer.clear();
        UpstreamError { cause, sent: self.sent }
    }

    /// The response is complete: the connection goes back to the pool, unless something stands behind the response.
    fn end(&mut self) {
        self.ended = true;
        observer::record(self.observer.as_ref(), || Step::ResponseEnded);
        self.timer.clear();
        let Some(up) = self.up.take() else { return };
        if self.reusable && self.request.is_none() && self.ready.is_empty() {
            self.pool.check_in(up);
        } else {
            up.close();
        }
    }
}
