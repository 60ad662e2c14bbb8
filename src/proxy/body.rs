//! The body: read whole, within its size, its deadline and the budget for all, while its signature is computed.

use crate::clock;
use crate::net::body_budget::{BodyReservation, SMALL_BODY};
use crate::net::request_framing::FramingError;
use crate::net::timers::Timer;
use crate::proxy::bot::Registry;
use crate::proxy::reject::Reject;
use crate::proxy::worker::Worker;
use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Incoming};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

/// Frames smaller than this are gathered, so that a body sent byte by byte costs bytes and not frames.
const MIN_FRAME: usize = 2 * 1024;

/// A body that has been read whole.
pub struct ReceivedBody {
    pub frames: Vec<Bytes>,
    /// What it holds of the budget for all bodies; `None`: it is empty.
    pub hold: Option<BodyReservation>,
}

/// Reads the body whole, within its size, its deadline and the budget, and shows each frame to `inspect` as it arrives.
///
/// # Errors
/// [`Reject::TooLarge`], [`Reject::BodyTimeout`], [`Reject::BufferFull`], [`Reject::Framing`], [`Reject::CallerGone`].
pub async fn receive(
    worker: &Worker,
    timer: &Timer,
    registry: &Registry,
    body: &mut Incoming,
    mut inspect: impl FnMut(&[u8]),
) -> Result<ReceivedBody, Reject> {
    let max = registry.max_body;
    if body.is_end_stream() {
        return Ok(ReceivedBody { frames: Vec::new(), hold: None });
    }
    let declared = body.size_hint().lower();
    if declared > max {
        return Err(Reject::TooLarge);
    }
    let mut hold = worker.shared.body_budget.reservation();
    let mut frames = Vec::with_capacity(1);
    let mut gathered = BytesMut::new();
    let mut received = 0_u64;
    let mut armed = false;
    loop {
        let frame = poll_fn(|cx| match Pin::new(&mut *body).poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(Ok(frame)),
            Poll::Pending => {
                if !armed {
                    armed = true;
                    timer.set(clock::coarse().saturating_add(clock::nanos(registry.timeouts.body)));
                }
                timer.poll(cx).map(|()| Err(Reject::BodyTimeout))
            }
        })
        .await?;
        let data = match frame {
            None => break,
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            Some(Err(error)) => return Err(unreadable(&error)),
        };
        received += data.len() as u64;
        if received > max {
            return Err(Reject::TooLarge);
        }
        if !hold.grow(data.len() as u64, declared.max(received)) {
            return Err(Reject::BufferFull);
        }
        inspect(&data);
        if data.len() < MIN_FRAME && !frames.is_empty() {
            gathered.extend_from_slice(&data);
            if gathered.len() >= SMALL_BODY as usize {
                frames.push(gathered.split().freeze());
            }
        } else {
            if !gathered.is_empty() {
                frames.push(gathered.split().freeze());
            }
            if !data.is_empty() {
                frames.push(data);
            }
        }
        if body.is_end_stream() {
            break;
        }
    }
    if !gathered.is_empty() {
        frames.push(gathered.freeze());
    }
    if armed {
        timer.clear();
    }
    Ok(ReceivedBody { frames, hold: Some(hold) })
}

/// Why a body could not be read: its framing is broken, or the caller has gone.
fn unreadable(error: &hyper::Error) -> Reject {
    let io =
        std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    match io.map(std::io::Error::kind) {
        Some(std::io::ErrorKind::InvalidData) => Reject::Framing(FramingError::Chunk),
        _ => Reject::CallerGone,
    }
}
