//! A request against sockets that take it in pieces of every size, refuse, or break: each byte goes out once, in order.

use super::{Frames, Outgoing};
use crate::net::body_budget::BodyBudget;
use crate::net::client::Sent;
use bytes::Bytes;
use http::HeaderMap;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use tokio::io::AsyncWrite;

/// Takes up to `piece` bytes at each second call and breaks once it has `limit`.
struct Socket {
    got: Vec<u8>,
    piece: usize,
    limit: usize,
    ready: bool,
    /// So many calls to flush it do not get all out.
    holds: usize,
}

impl Socket {
    fn new(piece: usize, limit: usize) -> Self {
        Self { got: Vec::new(), piece, limit, ready: false, holds: 0 }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.ready = !self.ready;
        if !self.ready {
            return Poll::Pending;
        }
        if self.got.len() == self.limit {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let most = self.piece.min(self.limit - self.got.len());
        let taken = slices.iter().flat_map(|slice| slice.iter()).take(most);
        let before = self.got.len();
        self.got.extend(taken);
        Poll::Ready(Ok(self.got.len() - before))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.holds {
            0 => Poll::Ready(Ok(())),
            _ => {
                self.holds -= 1;
                Poll::Pending
            }
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

const HEAD: &[u8] = b"POST / HTTP/1.1\r\nhost: h\r\n\r\n";

/// A request whose body has frames of these lengths, and the bytes that it is.
fn request(lengths: &[usize]) -> (Outgoing, Vec<u8>) {
    let mut whole = HEAD.to_vec();
    let frames = lengths.iter().map(|&length| {
        let at = whole.len();
        whole.extend((at..at + length).map(|n| n.to_le_bytes()[0] ^ 0x5a));
        Bytes::copy_from_slice(&whole[at..])
    });
    let frames = Frames::new(frames.collect(), None);
    let write = |_: &HeaderMap, out: &mut Vec<u8>| out.extend_from_slice(HEAD);
    (Outgoing::new(false, frames, HeaderMap::new(), write), whole)
}

/// Polls to the end, checking what the request says of itself after each poll.
fn write(request: &mut Outgoing, socket: &mut Socket) -> io::Result<()> {
    let cx = &mut Context::from_waker(Waker::noop());
    loop {
        let polled = request.poll_write(socket, cx);
        assert_eq!(request.written(), socket.got.len() as u64);
        if let Poll::Ready(result) = polled {
            assert_eq!(result.is_ok(), request.is_out());
            return result;
        }
    }
}

/// Flat and gathered bodies, empty frames, more frames than slices.
const BODIES: [&[usize]; 7] =
    [&[], &[1], &[4096], &[4097], &[0, 3000, 0, 3000, 0], &[300; 40], &[1, 70_000, 1, 16_384]];

#[test]
fn every_byte_goes_out_once_whatever_the_socket_takes() {
    for lengths in BODIES {
        for piece in [1, 7, 26, 27, 28, 299, 4096, 65_536, usize::MAX] {
            let (mut request, whole) = request(lengths);
            let mut socket = Socket::new(piece, usize::MAX);
            write(&mut request, &mut socket).unwrap();
            assert!(socket.got == whole, "{lengths:?} in pieces of {piece}");
        }
    }
}

#[test]
fn a_break_says_how_much_went_out_and_a_fresh_socket_gets_all_of_what_none_did() {
    for lengths in BODIES {
        let whole = request(lengths).1;
        for limit in [0, 1, HEAD.len() - 1, whole.len() - 1] {
            let (mut request, whole) = request(lengths);
            let error = write(&mut request, &mut Socket::new(999, limit)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
            assert_eq!(request.written(), limit as u64);
            if limit == 0 {
                let mut fresh = Socket::new(999, usize::MAX);
                write(&mut request, &mut fresh).unwrap();
                assert!(fresh.got == whole);
            }
        }
    }
}

#[test]
fn a_socket_that_takes_nothing_is_broken() {
    let mut request = request(&[10]).0;
    let error = write(&mut request, &mut Socket::new(0, usize::MAX)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WriteZero);
    assert_eq!(request.written(), 0);
}

#[test]
fn the_budget_is_held_until_the_last_byte_is_out() {
    for length in [100, 10_000] {
        let budget = BodyBudget::new(1 << 20);
        let mut hold = budget.reservation();
        assert!(hold.grow(length, length));
        let body = Bytes::from(vec![b'x'; usize::try_from(length).unwrap()]);
        let frames = Frames::new(vec![body], Some(hold));
        let mut request = Outgoing::new(false, frames, HeaderMap::new(), |_, out| {
            out.extend_from_slice(HEAD);
        });
        let total = HEAD.len() + usize::try_from(length).unwrap();
        write(&mut request, &mut Socket::new(usize::MAX, total - 1)).unwrap_err();
        assert_eq!(budget.held(), length);
        let mut rest = Socket::new(usize::MAX, usize::MAX);
        rest.got = vec![0; total - 1];
        write(&mut request, &mut rest).unwrap();
        assert_eq!(budget.held(), 0, "while the response is still awaited");
    }
}

#[test]
fn what_a_doubtful_socket_was_shown_counts_as_seen_and_nothing_follows_it() {
    let mut request = request(&[10]).0;
    write(&mut request, &mut Socket::new(1, 0)).unwrap_err();
    assert_eq!(request.sent(), Sent::Unsent);
    request.mark_uncertain();
    assert_eq!(request.sent(), Sent::Partial);
    let mut fresh = Socket::new(1, usize::MAX);
    write(&mut request, &mut fresh).unwrap_err();
    assert!(fresh.got.is_empty());
}

#[test]
fn a_request_is_out_only_when_its_socket_holds_nothing_back() {
    let mut request = request(&[10]).0;
    let mut socket = Socket::new(usize::MAX, usize::MAX);
    socket.holds = 2;
    let cx = &mut Context::from_waker(Waker::noop());
    for _ in 0..2 {
        assert!(request.poll_write(&mut socket, cx).is_pending());
        assert_eq!((request.is_out(), request.sent()), (false, Sent::Sent));
    }
    assert!(request.poll_write(&mut socket, cx).is_ready());
    assert!(request.is_out());
}

#[test]
fn neither_the_key_in_its_head_nor_what_is_asked_is_shown() {
    let frames = Frames::new(vec![Bytes::from_static(b"secret")], None);
    let request = Outgoing::new(false, frames, HeaderMap::new(), |_, out| {
        out.extend_from_slice(b"authorization: secret\r\n\r\n");
    });
    let bytes = format!("{:?}", b"secret");
    for shown in [format!("{request:?}"), format!("{:?}", request.body)] {
        assert!(!shown.contains("secret"), "{shown}");
        assert!(!shown.contains(bytes.trim_matches(['[', ']'])), "{shown}");
    }
}
