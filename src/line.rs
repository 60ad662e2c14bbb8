//! The line: a request's whole way, top to bottom. Every early exit is a [`Reject`].
//!
//! head → route → greeting → verify and limit by the head → body → verify → limit → handshake → duplicate → upstream → reply

use crate::bot::{Bot, Registry};
use crate::buffer::{Hold, SMALL};
use crate::client::{self, Frames};
use crate::clock;
use crate::duplicates::{self, Begin};
use crate::forward::{self, Identity};
use crate::gate::Fault;
use crate::limit::{self, Verdict};
use crate::reject::{self, Reject};
use crate::reply::Reply;
use crate::signature::{Check, FieldPath, Handshake, Head, Unix};
use crate::timers::Timer;
use crate::trace::Trace;
use crate::worker::{View, Worker};
use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use hyper::body::{Body, Incoming};
use ipnet::IpNet;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

/// Frames smaller than this are gathered, so that a body sent byte by byte costs bytes and not frames.
const GATHER: usize = 2 * 1024;

/// Who sends a request, whatever protocol it came in.
#[derive(Debug)]
pub struct Caller {
    address: IpAddr,
    text: HeaderValue,
    timer: Rc<Timer>,
}

impl Caller {
    /// The peer of a connection, and the timer that its requests, one after the other, wait on.
    pub fn new(peer: SocketAddr, timer: Timer) -> Self {
        let address = peer.ip().to_canonical();
        let text = HeaderValue::try_from(address.to_string())
            .unwrap_or(HeaderValue::from_static("unknown"));
        Self {
            address,
            text,
            timer: Rc::new(timer),
        }
    }
}

/// Serves one request: whatever happens, there is a response. The body is borrowed: what is left of it is its owner's affair.
pub async fn handle(
    worker: &Rc<Worker>,
    caller: &Caller,
    head: &mut Parts,
    body: &mut Incoming,
) -> Response<Reply> {
    let view = worker.view();
    let mut trace = Trace::begin(worker, caller.address, head);
    match pass(worker, &view, caller, &mut trace, head, body).await {
        Ok(response) => trace.answer(response),
        Err(reject) => trace.refuse(&reject),
    }
}

/// The whole answer to a head that the gate refused, as bytes: no parser has seen it, so none writes the response either.
pub fn refuse_head(worker: &Rc<Worker>, caller: &Caller, fault: Fault) -> Vec<u8> {
    let trace = Trace::headless(worker, caller.address);
    let face = reject::fault_face(fault);
    let body = reject::error_body(fault.sentence(), face.code);
    let phrase = StatusCode::from_u16(face.status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("");
    let mut words = format!(
        "HTTP/1.1 {} {phrase}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\nx-request-id: {}\r\n\r\n",
        face.status,
        body.len(),
        trace.id.to_str().unwrap_or_default(),
    )
    .into_bytes();
    words.extend_from_slice(&body);
    trace.close(face, fault);
    words
}

async fn pass(
    worker: &Rc<Worker>,
    view: &Rc<View>,
    caller: &Caller,
    trace: &mut Trace,
    head: &mut Parts,
    body: &mut Incoming,
) -> Result<Response<Reply>, Reject> {
    let registry = &view.registry;
    let path = head.uri.path();
    check_head(head)?;
    let (index, bot) = registry.route(path).ok_or(Reject::NotFound)?;
    trace.bot(view, index);
    let trusted = is_trusted(&registry.trusted, caller.address);
    let peer = if trusted {
        behind(&registry.trusted, caller.address, &head.headers)
    } else {
        caller.address
    };
    trace.peer(peer);

    let about = Head {
        method: &head.method,
        path,
        query: head.uri.query(),
        headers: &head.headers,
    };
    match bot.verifier.greeting(&about) {
        Some(Ok(handshake)) => return Ok(shake(handshake)),
        Some(Err(_)) => return Err(Reject::Forbidden),
        None => {}
    }

    let now = Unix::from_millis(clock::unix_ms().cast_signed());
    let mut check = bot
        .verifier
        .begin(&about, now)
        .map_err(Reject::Unverified)?;
    let by_head = bot.verifier.decided_by_head();
    if by_head {
        charge_head(worker, bot, trace, peer, &head.headers)?;
    }
    let (frames, hold) = receive(worker, caller, registry, body, &mut check).await?;
    trace.received(&frames);
    let proof = check.finish(&about, &frames).map_err(Reject::Unverified)?;
    trace.verified(&proof, now.seconds());
    if !by_head {
        charge_head(worker, bot, trace, peer, &head.headers)?;
    }
    charge_body(worker, bot, trace, peer, &head.headers, &frames)?;

    if let Some(handshake) = bot.verifier.handshake(&frames, &proof) {
        return Ok(shake(handshake));
    }
    let guard = match begin_delivery(worker, bot, &head.headers, &frames) {
        None => None,
        Some(Begin::Fresh(guard)) => Some(guard),
        Some(Begin::InFlight) => return Err(Reject::InTheMaking),
        Some(Begin::Done(stored)) => return Ok(Reply::repeat(&stored)),
    };

    // One turn of the loop: what else has arrived is verified before this is sent, and a close that came meanwhile is seen.
    tokio::task::yield_now().await;
    let identity = Identity {
        socket: &caller.text,
        trusted,
        id: &trace.id,
    };
    let request = forward::rebuild(bot, head, &identity, Frames::new(frames, hold));
    let pool = &view.pools[bot.upstream];
    trace.upstream(pool);
    let response = client::send(pool, request, &caller.timer)
        .await
        .map_err(Reject::Upstream)?;
    let (parts, body) = response.into_parts();
    let reply = Reply::upstream(&parts, body, guard);
    Ok(Response::from_parts(parts, reply))
}

/// What is refused by the head alone, whoever sent it.
fn check_head(head: &Parts) -> Result<(), Reject> {
    if let Some(expect) = head.headers.get(header::EXPECT)
        && !expect.as_bytes().eq_ignore_ascii_case(b"100-continue")
    {
        return Err(Reject::Expectation);
    }
    if has_dot_segments(head.uri.path()) {
        Err(Reject::DotSegments)
    } else {
        Ok(())
    }
}

/// A segment `.` or `..`, plain or percent-encoded: two servers may resolve it differently, so nobody gets to.
fn has_dot_segments(path: &str) -> bool {
    // Nearly every path is cleared by its bytes alone.
    let bytes = path.as_bytes();
    if memchr::memchr2(b'.', b'%', bytes).is_none() {
        return false;
    }
    let mut rest = bytes;
    let mut dots = Some(0);
    loop {
        // A slash may be encoded too, and some servers take a backslash for one.
        let (end, tail) = match rest {
            [] => (true, rest),
            [b'/' | b'\\', tail @ ..]
            | [b'%', b'2', b'f' | b'F', tail @ ..]
            | [b'%', b'5', b'c' | b'C', tail @ ..] => (true, tail),
            [b'.', tail @ ..] | [b'%', b'2', b'e' | b'E', tail @ ..] => {
                dots = dots.map(|dots| dots + 1);
                (false, tail)
            }
            [_, tail @ ..] => {
                dots = None;
                (false, tail)
            }
        };
        if end && matches!(dots, Some(1 | 2)) {
            return true;
        }
        if rest.is_empty() {
            return false;
        }
        if end {
            dots = Some(0);
        }
        rest = tail;
    }
}

fn is_trusted(trusted: &[IpNet], address: IpAddr) -> bool {
    trusted.iter().any(|net| net.contains(&address))
}

/// The rightmost address of `X-Forwarded-For` that is not a trusted proxy's; the socket's where there is none.
fn behind(trusted: &[IpNet], socket: IpAddr, headers: &HeaderMap) -> IpAddr {
    let mut last = socket;
    for value in headers.get_all("x-forwarded-for").iter().rev() {
        for part in value.to_str().unwrap_or_default().rsplit(',') {
            let Ok(address) = part.trim().parse::<IpAddr>() else {
                return last;
            };
            last = address.to_canonical();
            if !is_trusted(trusted, last) {
                return last;
            }
        }
    }
    last
}

fn charge_head(
    worker: &Worker,
    bot: &Bot,
    trace: &mut Trace,
    peer: IpAddr,
    headers: &HeaderMap,
) -> Result<(), Reject> {
    let rules = bot.rules.head();
    if rules.is_empty() {
        return Ok(());
    }
    let verdict = worker.shared.limiter.admit(
        rules,
        trace.start,
        &mut worker.sweeper.borrow_mut(),
        |key, out| {
            limit::head_value(key, peer, headers, out);
        },
    );
    trace.limit(verdict)
}

fn charge_body(
    worker: &Worker,
    bot: &Bot,
    trace: &mut Trace,
    peer: IpAddr,
    headers: &HeaderMap,
    frames: &[Bytes],
) -> Result<(), Reject> {
    let rules = bot.rules.body();
    if rules.is_empty() {
        return Ok(());
    }
    let mut scratch = worker.scratch.borrow_mut();
    let sweeper = &mut worker.sweeper.borrow_mut();
    let verdict = worker
        .shared
        .limiter
        .admit(rules, trace.start, sweeper, |key, out| {
            if let limit::Key::Json(pointer) = key
                && let Some(Ok(Some(value))) =
                    FieldPath::parse(pointer).map(|path| path.read(frames, &mut scratch))
            {
                out.extend_from_slice(value.as_bytes());
            }
        });
    if matches!(verdict, Verdict::Refused(_)) {
        worker
            .shared
            .limiter
            .refund(bot.rules.head(), sweeper, |key, out| {
                limit::head_value(key, peer, headers, out)
            });
    }
    trace.limit(verdict)
}

fn begin_delivery(
    worker: &Worker,
    bot: &Bot,
    headers: &HeaderMap,
    frames: &[Bytes],
) -> Option<Begin> {
    let duplicates = bot.duplicates.as_ref()?;
    let id = duplicates
        .by
        .read(headers, frames, &mut worker.scratch.borrow_mut())?;
    let body = if duplicates.signed {
        None
    } else {
        Some(frames)
    };
    let key = duplicates::key(&bot.id, &id, body);
    Some(
        worker
            .shared
            .ledger
            .begin(key, duplicates.window, clock::now()),
    )
}

/// Reads the body whole, within its size, its deadline and the budget, and feeds the check as it arrives.
async fn receive(
    worker: &Worker,
    caller: &Caller,
    registry: &Registry,
    body: &mut Incoming,
    check: &mut Check<'_>,
) -> Result<(Vec<Bytes>, Option<Hold>), Reject> {
    let max = registry.max_body;
    if body.is_end_stream() {
        return Ok((Vec::new(), None));
    }
    let declared = body.size_hint().lower();
    if declared > max {
        return Err(Reject::TooLarge);
    }
    let mut hold = worker.shared.budget.hold();
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
                    caller
                        .timer
                        .set(clock::coarse().saturating_add(clock::nanos(registry.timeouts.body)));
                }
                caller.timer.poll(cx).map(|()| Err(Reject::BodyTimeout))
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
        check.update(&data);
        if data.len() < GATHER && !frames.is_empty() {
            gathered.extend_from_slice(&data);
            if gathered.len() >= SMALL as usize {
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
        caller.timer.clear();
    }
    Ok((frames, Some(hold)))
}

/// Why a body could not be read: the gate found its framing broken, or the caller has gone.
fn unreadable(error: &hyper::Error) -> Reject {
    let io =
        std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    match io.map(std::io::Error::kind) {
        Some(std::io::ErrorKind::InvalidData) => Reject::Framing(Fault::Chunk),
        _ => Reject::CallerGone,
    }
}

fn shake(handshake: Handshake) -> Response<Reply> {
    let mut response = Response::new(Reply::full(handshake.body));
    *response.status_mut() = StatusCode::from_u16(handshake.status).unwrap_or(StatusCode::OK);
    if let Some(content_type) = handshake.content_type {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
    }
    response
}
