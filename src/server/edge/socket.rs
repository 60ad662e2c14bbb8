//! A caller's socket as hyper sees it: every byte read has passed the framing check, and a close never loses a response.

use super::connection::{Conn, Phase};
use crate::clock;
use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The size of a read into the worker's own buffer: for an incomplete head or a lingering close.
const SCRATCH_SIZE: usize = 16 * 1024;
/// The most that a lingering close discards, in bytes.
const MAX_LINGER_BYTES: u64 = 64 * 1024 * 1024;

thread_local! {
    static SCRATCH_BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH_SIZE]);
}

/// A stream whose bytes have passed the framing check.
#[derive(Debug)]
pub(super) struct Socket<S> {
    stream: S,
    conn: Rc<Conn>,
    /// Bytes of an incomplete head, or of a complete one that did not fit into hyper's buffer.
    held: Vec<u8>,
    /// How many of `held` have passed the framing check.
    passed: usize,
    /// A refusal written at the end of the connection, and how much of it has been written.
    final_response: Option<(Vec<u8>, usize)>,
    closing: Closing,
}

#[derive(Debug)]
enum Closing {
    Open,
    Lingering { left: u64 },
    Done,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    pub(super) fn new(stream: S, conn: Rc<Conn>) -> Self {
        Self {
            stream,
            conn,
            held: Vec::new(),
            passed: 0,
            final_response: None,
            closing: Closing::Open,
        }
    }

    /// Copies held bytes that have passed into `buf`; true if there were any.
    fn hand_out(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let n = self.passed.min(buf.remaining());
        buf.put_slice(&self.held[..n]);
        self.held.drain(..n);
        self.passed -= n;
        if self.held.is_empty() {
            self.held = Vec::new();
        }
        n > 0
    }

    /// Checks the framing of held bytes.
    fn gate(&mut self) {
        let passed = self.conn.gate.borrow_mut().check(&self.held[self.passed..]);
        self.passed += passed.bytes;
        if let Some(fault) = passed.error {
            self.held.truncate(self.passed);
            self.conn.fault.set(Some(fault));
        }
        self.conn.note_partial(self.held.len() > self.passed);
    }

    /// What hyper reads once the framing check has refused the stream.
    fn read_end(&self) -> Option<Poll<io::Result<()>>> {
        let fault = self.conn.fault.get()?;
        Some(match self.conn.phase.get() {
            // The body that is being read is broken: its reader must get the error.
            Phase::Busy if self.conn.mid_body() => {
                Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, fault.word())))
            }
            Phase::Idle => Poll::Ready(Ok(())),
            // The previous response is written first; hyper reads again after it.
            Phase::Busy | Phase::Answered => Poll::Pending,
        })
    }

    /// True once the connection should end and is idle: a request that has begun to arrive is still served.
    fn is_over(&self) -> bool {
        self.conn.ending.get() && self.conn.phase.get() == Phase::Idle
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.hand_out(buf) {
                return Poll::Ready(Ok(()));
            }
            if let Some(end) = this.read_end() {
                return end;
            }
            if this.held.is_empty() {
                let before = buf.filled().len();
                let read = Pin::new(&mut this.stream).poll_read(cx, buf);
                if read.is_pending() && this.is_over() {
                    return Poll::Ready(Ok(()));
                }
                ready!(read)?;
                let fresh = &buf.filled()[before..];
                if fresh.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                let passed = this.conn.gate.borrow_mut().check(fresh);
                if let Some(fault) = passed.error {
                    this.conn.fault.set(Some(fault));
                } else if passed.bytes < fresh.len() {
                    this.held.extend_from_slice(&fresh[passed.bytes..]);
                    this.conn.note_partial(true);
                }
                buf.set_filled(before + passed.bytes);
                if passed.bytes > 0 {
                    return Poll::Ready(Ok(()));
                }
            } else {
                let n = ready!(this.read_scratch(cx, true))?;
                if n == 0 {
                    return Poll::Ready(Ok(()));
                }
                this.gate();
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Reads into the worker's scratch buffer and appends it to `held` if `keep`.
    fn read_scratch(&mut self, cx: &mut Context<'_>, keep: bool) -> Poll<io::Result<usize>> {
        SCRATCH_BUFFER.with_borrow_mut(|spare| {
            let mut buf = ReadBuf::new(spare);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf))?;
            if keep {
                self.held.extend_from_slice(buf.filled());
            }
            Poll::Ready(Ok(buf.filled().len()))
        })
    }

    /// Notices a caller that disconnects while its request is served. hyper could do that itself, at the price of a new
    /// read buffer for every request. Any bytes belong to the next request and are held.
    fn watch(&mut self, cx: &mut Context<'_>) {
        if !self.held.is_empty() || self.conn.fault.get().is_some() || self.conn.mid_body() {
            return;
        }
        match self.read_scratch(cx, true) {
            Poll::Ready(Ok(0) | Err(_)) => self.conn.gone.set(true),
            Poll::Ready(Ok(_)) => self.gate(),
            Poll::Pending => {}
        }
    }

    /// Writes the refusal of a framing error, if the connection ends with one.
    fn write_final_response(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.final_response.is_none() {
            let words = self.conn.final_response();
            self.final_response = Some((words, 0));
        }
        if let Some((words, out)) = &mut self.final_response {
            while *out < words.len() {
                *out += ready!(Pin::new(&mut self.stream).poll_write(cx, &words[*out..]))?;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.conn.note_write(&result);
        result
    }

    /// hyper calls this only with an empty buffer of its own: a complete response has been written now.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.conn.phase.get() {
            Phase::Answered => self.conn.set_idle(clock::coarse()),
            Phase::Busy => self.get_mut().watch(cx),
            Phase::Idle => {}
        }
        Poll::Ready(Ok(()))
    }

    /// Closes so that the caller can read the response: closing with unread input would reset the connection and discard the
    /// response on its side (RFC 9112 §9.6). The connection's timer bounds the wait.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            match &mut this.closing {
                Closing::Open => {
                    ready!(this.write_final_response(cx))?;
                    ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
                    this.held = Vec::new();
                    this.closing = if this.conn.has_unread_input() {
                        this.conn.start_linger();
                        Closing::Lingering { left: MAX_LINGER_BYTES }
                    } else {
                        Closing::Done
                    };
                }
                Closing::Lingering { left: 0 } => this.closing = Closing::Done,
                Closing::Lingering { left } => {
                    let was = *left;
                    let n = ready!(this.read_scratch(cx, false))? as u64;
                    if n == 0 {
                        this.closing = Closing::Done;
                    } else {
                        this.conn.note_linger();
                        this.closing = Closing::Lingering { left: was.saturating_sub(n) };
                    }
                }
                Closing::Done => return Poll::Ready(Ok(())),
            }
        }
    }
}
