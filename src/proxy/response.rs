//! The response on its way out: one piece that we made, or a stream from upstream.

use crate::clock;
use crate::net::client::{Incoming, Received, UpstreamError};
use crate::proxy::ai::stream::StreamingAnswer;
use crate::proxy::context::RequestContext;
use crate::state::idempotency::{Guard, MAX_BODY, Stored};
use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use hyper::body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};

/// On an answer that an earlier delivery got first.
const BOTGATE_DUPLICATE: HeaderName = HeaderName::from_static("botgate-duplicate");

/// A response body: one piece that we made, or a stream from upstream.
#[derive(Debug)]
pub struct ResponseBody {
    source: Source,
    kept: Option<Kept>,
    trace: Option<Box<RequestContext>>,
}

#[derive(Debug)]
enum Source {
    Full(Bytes),
    Upstream(Box<Incoming>),
    Speech(Box<StreamingAnswer>),
    Ended,
}

/// A copy for a repeated delivery, as long as it stays small.
#[derive(Debug)]
struct Kept {
    guard: Guard,
    status: StatusCode,
    headers: HeaderMap,
    pieces: Vec<u8>,
    streamed: bool,
}

impl ResponseBody {
    /// A body in one piece.
    pub fn full(body: Bytes) -> Self {
        Self { source: Source::Full(body), kept: None, trace: None }
    }

    /// The upstream's body below this head, kept for a repeated delivery where there is a guard.
    pub fn upstream(head: &Parts, body: Received, guard: Option<Guard>) -> Self {
        let kept = guard.map(|guard| Kept {
            guard,
            status: head.status,
            headers: head.headers.clone(),
            pieces: Vec::new(),
            streamed: head.headers.get(header::CONTENT_TYPE).is_some_and(is_event_stream),
        });
        Self {
            source: match body {
                Received::Whole(body) => Source::Full(body),
                Received::Streaming(body) => Source::Upstream(body),
            },
            kept,
            trace: None,
        }
    }

    /// An answer that is on its way piece by piece. Of a repeated delivery's only the fact is kept.
    pub fn speech(speech: Box<StreamingAnswer>, guard: Option<Guard>) -> Self {
        let kept = guard.map(|guard| Kept {
            guard,
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            pieces: Vec::new(),
            streamed: true,
        });
        Self { source: Source::Speech(speech), kept, trace: None }
    }

    /// All of the body, where it was made in one piece and has not left yet.
    pub fn whole(&self) -> Option<&[u8]> {
        match &self.source {
            Source::Full(body) => Some(body),
            _ => None,
        }
    }

    /// The answer that an earlier delivery got; an empty 200 where it was not kept.
    pub fn repeat(stored: &Stored) -> Response<Self> {
        let mut response = Response::new(Self::full(stored.body.clone().unwrap_or_default()));
        if stored.body.is_some() {
            *response.status_mut() = stored.status;
            *response.headers_mut() = stored.headers.clone();
        }
        response.headers_mut().insert(BOTGATE_DUPLICATE, HeaderValue::from_static("1"));
        response
    }

    /// The request's trace ends with this body.
    pub fn follow(&mut self, trace: Box<RequestContext>) {
        self.trace = Some(trace);
    }

    /// The last piece is out: what was kept is stored.
    fn end(&mut self) {
        let source = std::mem::replace(&mut self.source, Source::Ended);
        if let (Source::Speech(speech), Some(trace)) = (source, &mut self.trace) {
            match speech.fate() {
                Ok((usage, cost)) => trace.spent(usage, cost),
                Err(reason) => {
                    // What broke off is no answer: the sender may repeat it.
                    trace.broke_off(reason);
                    self.kept = None;
                }
            }
        }
        // Any other outcome frees the id, so that the sender's retry is let through.
        let Some(kept) = self.kept.take().filter(|kept| kept.status.is_success()) else {
            return;
        };
        let body = (!kept.streamed).then_some(kept.pieces.as_slice());
        kept.guard.done(Stored::new(kept.status, &kept.headers, body), clock::now());
    }

    fn sent(&mut self, piece: &Bytes) {
        if let Some(trace) = &mut self.trace {
            trace.sent(piece.len());
        }
        let Some(kept) = &mut self.kept else { return };
        kept.streamed |= kept.pieces.len() + piece.len() > MAX_BODY;
        if kept.streamed {
            kept.pieces = Vec::new();
        } else {
            kept.pieces.extend_from_slice(piece);
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = UpstreamError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        let this = &mut *self;
        let polled = match &mut this.source {
            Source::Full(body) if body.is_empty() => Poll::Ready(None),
            Source::Full(body) => Poll::Ready(Some(Ok(std::mem::take(body)))),
            Source::Upstream(body) => body.poll_data(cx),
            Source::Speech(speech) => speech.poll_piece(cx).map(|piece| piece.map(Ok)),
            Source::Ended => Poll::Ready(None),
        };
        polled.map(|piece| match piece {
            Some(Ok(piece)) => {
                this.sent(&piece);
                if this.is_end_stream() {
                    this.end();
                }
                Some(Ok(Frame::data(piece)))
            }
            Some(Err(error)) => {
                // The head is out already: all that is left is to break off, so that nobody takes this for the whole.
                this.source = Source::Ended;
                this.kept = None;
                if let Some(trace) = &mut this.trace {
                    trace.broke_off("upstream_broke_off");
                    trace.failed(&error);
                }
                Some(Err(error))
            }
            None => {
                this.end();
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Full(body) => body.is_empty(),
            Source::Upstream(body) => body.is_end_stream(),
            Source::Speech(speech) => speech.is_over(),
            Source::Ended => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Full(body) => SizeHint::with_exact(body.len() as u64),
            Source::Upstream(body) => body.size_hint(),
            Source::Speech(_) => SizeHint::default(),
            Source::Ended => SizeHint::with_exact(0),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if self.is_end_stream() {
            self.end();
        } else if let Some(trace) = &mut self.trace
            && !matches!(self.source, Source::Full(_))
        {
            trace.broke_off("caller_gone");
        }
    }
}

fn is_event_stream(content_type: &HeaderValue) -> bool {
    content_type.as_bytes().to_ascii_lowercase().starts_with(b"text/event-stream")
}
