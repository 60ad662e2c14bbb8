//! A request on its way to an upstream: bytes of the head, frames of the body, and how much of both is written.

#[cfg(test)]
mod tests;

use super::Sent;
use crate::net::body_budget::BodyReservation;
use crate::telemetry::observer::Observer;
use bytes::Bytes;
use http::HeaderMap;
use smallvec::SmallVec;
use std::cell::Cell;
use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

/// A body up to this many bytes is written with the head in one piece; a longer one is gathered by the kernel.
const MAX_COPIED_BODY: u64 = 4 * 1024;
/// Pieces handed to the kernel at once.
const MAX_SLICES: usize = 16;

/// A larger head buffer is not kept for the next request, in bytes.
const MAX_KEPT_CAPACITY: usize = 64 * 1024;

thread_local! {
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A request body that has arrived whole: its frames as they came, and what they hold of the buffer.
#[derive(Default)]
pub struct Frames {
    frames: Vec<Bytes>,
    length: u64,
    hold: Option<BodyReservation>,
}

impl Frames {
    /// The frames in order, with the budget they are held under.
    pub fn new(frames: Vec<Bytes>, hold: Option<BodyReservation>) -> Self {
        let length = frames.iter().map(|frame| frame.len() as u64).sum();
        Self { frames, length, hold }
    }

    /// The length in bytes.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether there is no body.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }
}

/// Shows no byte of what somebody said.
impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frames").field("length", &self.length).finish()
    }
}

/// A request that is sent, or sent again as long as nothing of it went out.
pub struct Outgoing {
    head: Vec<u8>,
    body: Frames,
    written: u64,
    total: u64,
    /// Nothing of it waits on this side any more.
    out: bool,
    doubt: bool,
    /// HEAD: the response has no body, whatever it says.
    pub(super) bodiless: bool,
    /// An emptied map for the response to use.
    pub(super) reused_headers: HeaderMap,
    pub(super) observer: Option<Observer>,
}

/// Shows no byte of a head that may hold a key.
impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("written", &self.written)
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}

impl Outgoing {
    /// A request from its head, which `write` writes with the help of `headers`, and its body. The map then serves the response.
    pub fn new(
        bodiless: bool,
        body: Frames,
        headers: HeaderMap,
        write: impl FnOnce(&HeaderMap, &mut Vec<u8>),
    ) -> Self {
        let mut head = SPARE.take();
        head.clear();
        write(&headers, &mut head);
        let total = head.len() as u64 + body.length;
        let mut request = Self {
            head,
            body,
            written: 0,
            total,
            out: false,
            doubt: false,
            bodiless,
            reused_headers: headers,
            observer: None,
        };
        if request.body.length <= MAX_COPIED_BODY {
            request.body.frames.iter().for_each(|frame| request.head.extend_from_slice(frame));
            request.body = Frames { hold: request.body.hold.take(), ..Frames::default() };
        }
        request
    }

    /// The observer of its exchange, down to the end of the response.
    pub fn set_observer(&mut self, observer: Option<Observer>) {
        self.observer = observer;
    }

    /// Its length, head and body, in bytes.
    pub(super) fn length(&self) -> u64 {
        self.total
    }

    /// How many bytes of it the socket took.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Whether all of it went out, down to the last byte that was encrypted for it.
    pub(super) fn is_out(&self) -> bool {
        self.out
    }

    /// A socket that holds bytes back has failed: what it was shown last may have gone out too. Nothing more is written.
    pub(super) fn mark_uncertain(&mut self) {
        self.doubt = true;
    }

    /// How far it has come.
    pub(super) fn sent(&self) -> Sent {
        match self.written {
            0 if !self.doubt => Sent::Unsent,
            _ if self.written == self.total => Sent::Sent,
            _ => Sent::Partial,
        }
    }

    /// Writes as much as the socket takes; ready once all is out.
    pub(super) fn poll_write(
        &mut self,
        stream: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.doubt {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        while self.written < self.total {
            let written = if self.body.frames.is_empty() {
                let at = usize::try_from(self.written).unwrap_or(usize::MAX);
                ready!(
                    Pin::new(&mut *stream).poll_write(cx, self.head.get(at..).unwrap_or_default())
                )?
            } else {
                let slices = self.slices();
                ready!(Pin::new(&mut *stream).poll_write_vectored(cx, &slices))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written as u64;
        }
        ready!(Pin::new(stream).poll_flush(cx))?;
        self.out = true;
        // What is sent is no longer held, and the next request may use the head's room.
        self.body = Frames::default();
        give_back(std::mem::take(&mut self.head));
        Poll::Ready(Ok(()))
    }

    fn slices(&self) -> SmallVec<[IoSlice<'_>; MAX_SLICES]> {
        let mut skip = self.written;
        let pieces = std::iter::once(self.head.as_slice())
            .chain(self.body.frames.iter().map(|frame| &frame[..]));
        let left = pieces.filter_map(|piece| {
            let skipped = skip.min(piece.len() as u64);
            skip -= skipped;
            let rest = &piece[usize::try_from(skipped).unwrap_or(piece.len())..];
            (!rest.is_empty()).then(|| IoSlice::new(rest))
        });
        left.take(MAX_SLICES).collect()
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        give_back(std::mem::take(&mut self.head));
    }
}

fn give_back(head: Vec<u8>) {
    if (1..=MAX_KEPT_CAPACITY).contains(&head.capacity()) {
        SPARE.set(head);
    }
}
