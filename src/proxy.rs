//! The line: a request's whole way, top to bottom. Every early exit is a [`Reject`].
//!
//! head → route → origin → greeting → verify and limit by the head → body → verify → limit → handshake → duplicate, and then
//! either forward → upstream → reply, or decode → limit by user → conversation → budget → AI → encode → reply

pub mod ai;
pub mod body;
pub mod bot;
pub mod chat;
pub mod context;
pub mod cors;
pub mod forward;
pub mod head;
pub mod rate_limit;
pub mod reject;
pub mod response;
pub mod worker;
use crate::clock;
use crate::codec::dialect::body_id;
use crate::net::body_budget::Hold;
use crate::net::client::{self, Frames};
use crate::net::request_framing::Fault;
use crate::net::timers::Timer;
use crate::signature::{Handshake, Head, Proof, UnixTime};
use crate::state::idempotency::{self, Guard, Lookup};
use body::receive;
use bot::{BotMatch, Forward, Handler, Registry, RouteMatch};
use bytes::Bytes;
use chat::Message;
use context::RequestContext;
use forward::Identity;
use head::{check_head, check_kind, client_address, is_trusted};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use hyper::body::Incoming;
use rate_limit::{charge_body, charge_head};
use reject::Reject;
use response::ResponseBody;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use worker::{ConfigSnapshot, Worker};

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
        Self { address, text, timer: Rc::new(timer) }
    }
}

/// Serves one request: whatever happens, there is a response. The body is borrowed: what is left of it is its owner's affair.
pub async fn handle(
    worker: &Rc<Worker>,
    caller: &Caller,
    head: &mut Parts,
    body: &mut Incoming,
) -> Response<ResponseBody> {
    let view = worker.snapshot();
    let mut trace = RequestContext::begin(worker, caller.address, head);
    match pass(worker, &view, caller, &mut trace, head, body).await {
        Ok(response) => trace.answer(response),
        Err(reject) => trace.refuse(&reject),
    }
}

/// The whole answer to a head that the gate refused, as bytes: no parser has seen it, so none writes the response either.
pub fn refuse_head(worker: &Rc<Worker>, caller: &Caller, fault: Fault) -> Vec<u8> {
    let trace = RequestContext::headless(worker, caller.address);
    let face = reject::describe_fault(fault);
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
    view: &Rc<ConfigSnapshot>,
    caller: &Caller,
    trace: &mut RequestContext,
    head: &mut Parts,
    body: &mut Incoming,
) -> Result<Response<ResponseBody>, Reject> {
    let registry = &view.registry;
    check_head(head)?;
    let path = head.uri.path();
    let door = registry.route(path).filter(|door| match door {
        RouteMatch::Bot(found) => !is_off(worker, found),
        RouteMatch::Shared(_) => true,
    });
    let door = door.ok_or(Reject::NotFound)?;
    trace.door(&door, &head.headers);
    if let Some(answer) = door.cors().and_then(|cors| cors::preflight(cors, head, door.methods())) {
        return answer;
    }
    check_kind(door.dialect(), head)?;
    let trusted = is_trusted(&registry.trusted, caller.address);
    let peer = client_address(&registry.trusted, caller.address, &head.headers);
    trace.peer(peer);

    let asker = Authenticator {
        worker,
        registry,
        caller,
        peer,
        about: Head { method: &head.method, path, query: head.uri.query(), headers: &head.headers },
    };
    let id;
    let (found, frames, hold, proof) = match door {
        RouteMatch::Bot(found) => {
            asker.admit(trace, view, &found)?;
            match found.bot.verifier.get_challenge(&asker.about) {
                Some(Ok(handshake)) => return Ok(challenge_response(handshake)),
                Some(Err(_)) => return Err(Reject::Forbidden),
                None => {}
            }
            let (frames, hold, proof) = asker.verify(trace, &found, body).await?;
            (found, frames, hold, proof)
        }
        RouteMatch::Shared(shared) => {
            let (frames, hold) = receive(worker, &caller.timer, registry, body, |_| {}).await?;
            trace.received(&frames);
            id = body_id(shared.field, &frames).map_err(Reject::Malformed)?.into_owned();
            let nobody = || {
                if shared.open { Reject::NotFound } else { Reject::UnknownBot }
            };
            let found = registry.named(shared, &id);
            let found = found.filter(|found| !is_off(worker, found));
            let found = found.ok_or_else(nobody)?;
            asker.admit(trace, view, &found)?;
            let proof = asker.verify_whole(trace, &found, &frames)?;
            (found, frames, hold, proof)
        }
    };
    let (bot, id) = (found.bot, found.id());
    if let Handler::Forward(_) = bot.way {
        charge_body(worker, &found, trace, peer, &head.headers, &frames, None)?;
    }

    if let Some(handshake) = bot.verifier.handshake(&frames, &proof, id) {
        return Ok(challenge_response(handshake));
    }
    let guard = match begin_delivery(worker, &found, &head.headers, &frames) {
        None => None,
        Some(Lookup::Fresh(guard)) => Some(guard),
        Some(Lookup::InFlight) => return Err(Reject::DuplicateInProgress),
        Some(Lookup::Done(stored)) => return Ok(ResponseBody::repeat(&stored)),
    };

    // One turn of the loop: what else has arrived is verified before this is sent, and a close that came meanwhile is seen.
    tokio::task::yield_now().await;
    match &bot.way {
        Handler::Forward(way) => {
            let identity = Identity { socket: &caller.text, trusted, id: &trace.id };
            let request = forward::rebuild(way, head, &identity, Frames::new(frames, hold));
            send_on(view, way, request, caller, trace, guard).await
        }
        Handler::Chat(talk) => {
            let message =
                Message { worker, view, timer: &caller.timer, talk, found: &found, id, peer };
            Box::pin(chat::answer(message, trace, &mut head.headers, frames, hold, guard)).await
        }
    }
}

/// Whether an operator has switched a bot off, or the template that stands for it: then it is as if it were not there.
fn is_off(worker: &Worker, found: &BotMatch<'_, '_>) -> bool {
    let switches = &worker.shared.switches;
    let template = || found.bot.template && switches.is_off(&found.bot.label());
    switches.any() && (switches.is_off(found.id()) || template())
}

/// Forwards a request and lets the answer stream back.
async fn send_on(
    view: &ConfigSnapshot,
    way: &Forward,
    request: client::Outgoing,
    caller: &Caller,
    trace: &mut RequestContext,
    guard: Option<Guard>,
) -> Result<Response<ResponseBody>, Reject> {
    let pool = &view.pools[way.upstream];
    trace.upstream(pool);
    let response =
        client::send(pool, request, &caller.timer, None, None).await.map_err(Reject::Upstream)?;
    let (parts, body) = response.into_parts();
    let reply = ResponseBody::upstream(&parts, body, guard);
    Ok(Response::from_parts(parts, reply))
}

/// Who asks, as far as the head tells: what every proof and limit looks at.
struct Authenticator<'a> {
    worker: &'a Worker,
    registry: &'a Registry,
    caller: &'a Caller,
    peer: IpAddr,
    about: Head<'a>,
}

impl Authenticator<'_> {
    /// What a bot's own settings say of the head, before anything is proven.
    fn admit(
        &self,
        trace: &mut RequestContext,
        view: &Rc<ConfigSnapshot>,
        found: &BotMatch<'_, '_>,
    ) -> Result<(), Reject> {
        let bot = found.bot;
        trace.bot(view, found);
        let forwards = matches!(bot.way, Handler::Forward(_));
        cors::check(bot.cors.as_ref(), forwards, self.about.headers)?;
        if bot.allow_from.is_empty() || bot.allow_from.iter().any(|net| net.contains(&self.peer)) {
            Ok(())
        } else {
            Err(Reject::Address)
        }
    }

    /// Verification and the limits of the head, around the body: what the head alone decides is decided before a byte of it is read.
    ///
    /// A future of its own, so that the hash in the making takes no room while the upstream is waited for.
    async fn verify(
        &self,
        trace: &mut RequestContext,
        found: &BotMatch<'_, '_>,
        body: &mut Incoming,
    ) -> Result<(Vec<Bytes>, Option<Hold>, Proof), Reject> {
        let now = UnixTime::from_millis(trace.began_ms.cast_signed());
        let verifier = &found.bot.verifier;
        let mut check = verifier.begin(&self.about, now, found.id()).map_err(Reject::Unverified)?;
        let by_head = verifier.decided_by_head();
        if by_head {
            trace.proven();
            charge_head(self.worker, found, trace, self.peer, self.about.headers)?;
        }
        let timer = &self.caller.timer;
        let (frames, hold) =
            receive(self.worker, timer, self.registry, body, |frame| check.update(frame)).await?;
        trace.received(&frames);
        let proof = check.finish(&self.about, &frames).map_err(Reject::Unverified)?;
        trace.verified(&proof, now.seconds());
        if !by_head {
            charge_head(self.worker, found, trace, self.peer, self.about.headers)?;
        }
        Ok((frames, hold, proof))
    }

    /// The same where the body had to be read first, because it names the bot.
    fn verify_whole(
        &self,
        trace: &mut RequestContext,
        found: &BotMatch<'_, '_>,
        frames: &[Bytes],
    ) -> Result<Proof, Reject> {
        let now = UnixTime::from_millis(trace.began_ms.cast_signed());
        let verifier = &found.bot.verifier;
        let mut check = verifier.begin(&self.about, now, found.id()).map_err(Reject::Unverified)?;
        frames.iter().for_each(|frame| check.update(frame));
        let proof = check.finish(&self.about, frames).map_err(Reject::Unverified)?;
        trace.verified(&proof, now.seconds());
        charge_head(self.worker, found, trace, self.peer, self.about.headers)?;
        Ok(proof)
    }
}

fn begin_delivery(
    worker: &Worker,
    found: &BotMatch<'_, '_>,
    headers: &HeaderMap,
    frames: &[Bytes],
) -> Option<Lookup> {
    let duplicates = found.bot.duplicates.as_ref()?;
    let id = duplicates.by.read(headers, frames, &mut worker.scratch.borrow_mut())?;
    let body = if duplicates.signed { None } else { Some(frames) };
    let key = idempotency::key(found.id(), &id, body);
    let ledger = &worker.shared.idempotency;
    let begun = ledger.begin(key, duplicates.window, clock::now());
    Some(match begun {
        Lookup::Fresh(guard) if found.bot.way.makes_jobs() => recall(worker, guard),
        begun => begun,
    })
}

/// What is new to the ledger may have become a job before the last start.
fn recall(worker: &Worker, guard: Guard) -> Lookup {
    let jobs = &worker.shared.state.jobs;
    // A disk that does not read takes no job either.
    match jobs.recorded_response(guard.key()).ok().flatten() {
        Some(recorded) => guard.restore(&recorded, clock::unix_ms(), clock::now()),
        None => Lookup::Fresh(guard),
    }
}

fn challenge_response(handshake: Handshake) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::full(handshake.body));
    *response.status_mut() = StatusCode::from_u16(handshake.status).unwrap_or(StatusCode::OK);
    if let Some(content_type) = handshake.content_type {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    response
}
