//! The two bodies of an exchange: the frames that go up, and the response that streams down.

use super::pool::{Pool, Up};
use super::{Cause, Deadline, Schedule, Sent, UpstreamError};
use crate::buffer::Hold;
use crate::timers::Timer;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// A request body that has arrived whole: its frames as they came, and what they hold of the buffer.
#[derive(Debug)]
pub struct Frames {
    frames: VecDeque<Bytes>,
    left: u64,
    _hold: Option<Hold>,
}

impl Frames {
    /// The frames in order, with the budget they are held under.
    pub fn new(frames: Vec<Bytes>, hold: Option<Hold>) -> Self {
        let left = frames.iter().map(|frame| frame.len() as u64).sum();
        Self {
            frames: frames.into(),
            left,
            _hold: hold,
        }
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.frames.pop_front().map(|frame| {
            self.left -= frame.len() as u64;
            Ok(Frame::data(frame))
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// A response body, driving the connection it comes from. Dropped before its end, it closes the connection.
#[derive(Debug)]
pub struct Incoming {
    body: hyper::body::Incoming,
    up: Option<Up>,
    pool: Rc<Pool>,
    timer: Rc<Timer>,
    schedule: Schedule,
    /// The deadline for the next piece is set.
    waiting: bool,
}

impl Incoming {
    pub(super) fn new(
        body: hyper::body::Incoming,
        up: Up,
        pool: Rc<Pool>,
        timer: Rc<Timer>,
        schedule: Schedule,
    ) -> Self {
        Self {
            body,
            up: Some(up),
            pool,
            timer,
            schedule,
            waiting: false,
        }
    }

    /// The next piece of data, `None` at the end. Trailers are dropped: they are hop-by-hop unless both sides agreed.
    pub fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, UpstreamError>>> {
        loop {
            let polled = match frame(&mut self.body, cx) {
                Poll::Pending => {
                    if let Some(up) = &mut self.up
                        && Pin::new(&mut *up.conn).poll(cx).is_ready()
                    {
                        // It will never be reused; what it has delivered is still read below.
                        self.up = None;
                    }
                    frame(&mut self.body, cx)
                }
                ready => ready,
            };
            return match polled {
                Poll::Ready(Some(Ok(piece))) => {
                    self.timer.clear();
                    self.waiting = false;
                    match piece.into_data() {
                        Ok(data) => Poll::Ready(Some(Ok(data))),
                        Err(_trailers) => continue,
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    Poll::Ready(Some(Err(self.fail(Cause::Broken(error)))))
                }
                Poll::Ready(None) => {
                    self.finish();
                    Poll::Ready(None)
                }
                Poll::Pending if self.up.is_none() => {
                    Poll::Ready(Some(Err(self.fail(Cause::Gone))))
                }
                Poll::Pending => {
                    if !self.waiting {
                        self.waiting = true;
                        self.schedule.arm(&self.timer, self.schedule.timeouts.idle);
                    }
                    let passed = self.timer.poll(cx);
                    passed.map(|()| Some(Err(self.fail(self.schedule.passed(Deadline::Idle)))))
                }
            };
        }
    }

    /// True once nothing more will come.
    pub fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    /// The length, as far as the response head told it.
    pub fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }

    fn fail(&mut self, cause: Cause) -> UpstreamError {
        self.up = None;
        UpstreamError {
            cause,
            sent: Sent::Sent,
        }
    }

    /// The response is complete: the connection goes back to the pool if it is ready for another request at once.
    fn finish(&mut self) {
        let Some(mut up) = self.up.take() else { return };
        let alive = Pin::new(&mut *up.conn)
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending();
        if alive && up.sender.is_ready() {
            self.pool.put_back(up);
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if self.body.is_end_stream() {
            self.finish();
        }
    }
}

fn frame(
    body: &mut hyper::body::Incoming,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
    Pin::new(body).poll_frame(cx)
}
