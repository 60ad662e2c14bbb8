//! A response's body: one piece that we made, an upstream's body, or a streamed answer.

use crate::clock;
use crate::net::client::{Incoming, UpstreamBody, UpstreamError};
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

/// A response body. It owns the request's context from `attach` on: the request ends with its last piece.
#[derive(Debug)]
pub struct ResponseBody {
    source: Source,
    copy: Option<StoredCopy>,
    ctx: Option<Box<RequestContext>>,
}

#[derive(Debug)]
enum Source {
    Full(Bytes),
    Upstream(Box<Incoming>),
    Answer(Box<StreamingAnswer>),
    Ended,
}

/// A copy for a repeated delivery. A body larger than [`MAX_BODY`] or a stream leaves only the fact that there was one.
#[derive(Debug)]
struct StoredCopy {
    guard: Guard,
    status: StatusCode,
    headers: HeaderMap,
    pieces: Vec<u8>,
    streamed: bool,
}

impl ResponseBody {
    /// A body in one piece.
    pub fn full(body: Bytes) -> Self {
        Self { source: Source::Full(body), copy: None, ctx: None }
    }

    /// A response in one piece.
    pub fn response(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Self> {
        let mut response = Response::new(Self::full(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        response
    }

    /// The upstream's body below this head, copied for a repeated delivery where there is a guard.
    pub fn upstream(head: &Parts, body: UpstreamBody, guard: Option<Guard>) -> Self {
        let copy = guard.map(|guard| StoredCopy {
            guard,
            status: head.status,
            headers: head.headers.clone(),
            pieces: Vec::new(),
            streamed: head.headers.get(header::CONTENT_TYPE).is_some_and(is_event_stream),
        });
        Self {
            source: match body {
                UpstreamBody::Whole(body) => Source::Full(body),
                UpstreamBody::Streaming(body) => Source::Upstream(body),
            },
            copy,
            ctx: None,
        }
    }

    /// A streamed answer. A repeated delivery gets an empty 200.
    pub fn streamed(answer: Box<StreamingAnswer>, guard: Option<Guard>) -> Self {
        let copy = guard.map(|guard| StoredCopy {
            guard,
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            pieces: Vec::new(),
            streamed: true,
        });
        Self { source: Source::Answer(answer), copy, ctx: None }
    }

    /// All of the body, where it is one piece that has not left yet.
    pub fn whole(&self) -> Option<&[u8]> {
        match &self.source {
            Source::Full(body) => Some(body),
            _ => None,
        }
    }

    /// The response that an earlier delivery got; an empty 200 where it was not kept.
    pub fn repeat(stored: &Stored) -> Response<Self> {
        let mut response = Response::new(Self::full(stored.body.clone().unwrap_or_default()));
        if stored.body.is_some() {
            *response.status_mut() = stored.status;
            *response.headers_mut() = stored.headers.clone();
        }
        response.headers_mut().insert(BOTGATE_DUPLICATE, HeaderValue::from_static("1"));
        response
    }

    /// The response leaves with this status, and the request ends with this body.
    pub(super) fn attach(&mut self, mut ctx: Box<RequestContext>, status: StatusCode) {
        ctx.answered(status);
        self.ctx = Some(ctx);
    }

    /// The last piece is out: the copy is stored.
    fn end(&mut self) {
        let source = std::mem::replace(&mut self.source, Source::Ended);
        if let (Source::Answer(answer), Some(ctx)) = (source, &mut self.ctx) {
            match answer.outcome() {
                Ok((usage, cost)) => ctx.record_cost(usage, cost),
                Err(reason) => {
                    // The sender may repeat what was not answered to the end.
                    ctx.interrupted(reason);
                    self.copy = None;
                }
            }
        }
        // Any other outcome frees the id, so that the sender's retry is let through.
        let Some(copy) = self.copy.take().filter(|copy| copy.status.is_success()) else {
            return;
        };
        let body = (!copy.streamed).then_some(copy.pieces.as_slice());
        copy.guard.done(Stored::new(copy.status, &copy.headers, body), clock::now());
    }

    fn sent(&mut self, piece: &Bytes) {
        if let Some(ctx) = &mut self.ctx {
            ctx.body_sent(piece.len());
        }
        let Some(copy) = &mut self.copy else { return };
        copy.streamed |= copy.pieces.len() + piece.len() > MAX_BODY;
        if copy.streamed {
            copy.pieces = Vec::new();
        } else {
            copy.pieces.extend_from_slice(piece);
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
            Source::Answer(answer) => answer.poll_piece(cx).map(|piece| piece.map(Ok)),
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
                // The head is out: the connection is cut, so that nobody takes this for the whole body.
                this.source = Source::Ended;
                this.copy = None;
                if let Some(ctx) = &mut this.ctx {
                    ctx.interrupted("upstream_broke_off");
                    ctx.upstream_failed(&error);
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
            Source::Answer(answer) => answer.is_over(),
            Source::Ended => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Full(body) => SizeHint::with_exact(body.len() as u64),
            Source::Upstream(body) => body.size_hint(),
            Source::Answer(_) => SizeHint::default(),
            Source::Ended => SizeHint::with_exact(0),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if self.is_end_stream() {
            self.end();
        } else if let Some(ctx) = &mut self.ctx
            && !matches!(self.source, Source::Full(_))
        {
            ctx.interrupted("caller_gone");
        }
    }
}

fn is_event_stream(content_type: &HeaderValue) -> bool {
    content_type.as_bytes().to_ascii_lowercase().starts_with(b"text/event-stream")
}
