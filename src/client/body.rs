//! A response body as it streams down from its connection.

use super::pool::{Pool, Up};
use super::response::{Framing, Head};
use super::{Cause, Deadline, Schedule, Sent, UpstreamError};
use crate::timers::Timer;
use bytes::{Bytes, BytesMut};
use http::Response;
use hyper::body::SizeHint;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// What is read of a body at a time, in bytes.
const PIECE: usize = 16 * 1024;

/// A response body with the connection it comes from. Dropped before its end, it closes the connection.
#[derive(Debug)]
pub struct Incoming {
    framing: Framing,
    /// What came with the head, or behind the piece before.
    ready: Bytes,
    up: Option<Up>,
    reusable: bool,
    ended: bool,
    /// The deadline for the next piece is set.
    waiting: bool,
    pool: Rc<Pool>,
    timer: Rc<Timer>,
    schedule: Schedule,
}

/// What a response consists of besides its head.
#[derive(Debug)]
pub enum Received {
    /// All of the body, which came with the head.
    Whole(Bytes),
    /// A body still on its way.
    Streaming(Box<Incoming>),
}

/// What a step of the framing gave.
enum Step {
    Data(Bytes),
    End,
    /// More bytes are needed.
    Hungry,
}

impl Incoming {
    /// The body below `head`. One that came whole with it needs its connection no longer: that goes back to the pool at once.
    pub(super) fn receive(
        head: Head,
        up: Up,
        pool: &Rc<Pool>,
        timer: &Rc<Timer>,
        schedule: Schedule,
    ) -> Response<Received> {
        let Head {
            response,
            framing,
            reusable,
            mut rest,
        } = head;
        if let Framing::Length(length) = framing
            && length <= rest.len() as u64
        {
            // More than was announced belongs to no response.
            if reusable && length == rest.len() as u64 {
                pool.put_back(up);
            }
            rest.truncate(usize::try_from(length).unwrap_or(usize::MAX));
            return response.map(|()| Received::Whole(rest));
        }
        let body = Self {
            framing,
            ready: rest,
            up: Some(up),
            reusable,
            ended: false,
            waiting: false,
            pool: pool.clone(),
            timer: timer.clone(),
            schedule,
        };
        response.map(|()| Received::Streaming(Box::new(body)))
    }

    /// The next piece of data, `None` at the end. Trailers are dropped: they are hop-by-hop unless both sides agreed.
    pub fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, UpstreamError>>> {
        loop {
            if self.ended {
                return Poll::Ready(None);
            }
            match self.step() {
                Ok(Step::Data(data)) => {
                    if matches!(self.framing, Framing::Length(0)) {
                        self.end();
                    }
                    return Poll::Ready(Some(Ok(data)));
                }
                Ok(Step::End) => self.end(),
                Ok(Step::Hungry) => match self.poll_read(cx) {
                    Poll::Ready(Ok(piece)) if piece.is_empty() => {
                        if !matches!(self.framing, Framing::Close) {
                            return Poll::Ready(Some(Err(self.fail(Cause::Gone))));
                        }
                        self.end();
                    }
                    Poll::Ready(Ok(piece)) => self.ready = piece,
                    Poll::Ready(Err(error)) => {
                        return Poll::Ready(Some(Err(self.fail(Cause::Broken(error)))));
                    }
                    Poll::Pending => {
                        if !self.waiting {
                            self.waiting = true;
                            self.schedule.arm(&self.timer, self.schedule.timeouts.idle);
                        }
                        ready!(self.timer.poll(cx));
                        return Poll::Ready(Some(Err(
                            self.fail(self.schedule.passed(Deadline::Idle))
                        )));
                    }
                },
                Err(cause) => return Poll::Ready(Some(Err(self.fail(cause)))),
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

    /// Takes data out of what is there.
    fn step(&mut self) -> Result<Step, Cause> {
        if self.ready.is_empty() {
            return Ok(Step::Hungry);
        }
        match &mut self.framing {
            Framing::Close => Ok(Step::Data(std::mem::take(&mut self.ready))),
            Framing::Length(left) => {
                let here = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(self.ready.len());
                *left -= here as u64;
                Ok(Step::Data(self.ready.split_to(here)))
            }
            Framing::Chunked(chunks) => {
                let mut data = BytesMut::new();
                let bytes = std::mem::take(&mut self.ready);
                let passed = chunks.pass(&bytes, |piece| data.extend_from_slice(piece));
                let (used, done) =
                    passed.map_err(|_| Cause::Senseless("its chunks are malformed"))?;
                self.ready = bytes.slice(used..);
                match (data.is_empty(), done) {
                    (true, false) => Ok(Step::Hungry),
                    (true, true) => Ok(Step::End),
                    (false, done) => {
                        if done {
                            self.framing = Framing::Length(0);
                        }
                        Ok(Step::Data(data.freeze()))
                    }
                }
            }
        }
    }

    /// Reads a piece; an empty one is the end of the connection.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let Some(up) = &mut self.up else {
            return Poll::Ready(Ok(Bytes::new()));
        };
        let mut piece = BytesMut::zeroed(0);
        let read = super::read::into_spare(&mut up.stream, cx, PIECE, |bytes| {
            piece.extend_from_slice(bytes)
        });
        ready!(read)?;
        self.waiting = false;
        Poll::Ready(Ok(piece.freeze()))
    }

    fn fail(&mut self, cause: Cause) -> UpstreamError {
        self.up = None;
        self.ended = true;
        UpstreamError {
            cause,
            sent: Sent::Sent,
        }
    }

    fn end(&mut self) {
        self.ended = true;
        self.finish();
    }

    /// The response is complete: the connection goes back to the pool, unless something stands behind the response.
    fn finish(&mut self) {
        self.timer.clear();
        if let Some(up) = self.up.take()
            && self.reusable
            && self.ready.is_empty()
        {
            self.pool.put_back(up);
        }
    }
}
