//! A request's whole way, from its head to its response. Every early exit is a [`Reject`].
//!
//! head → route → CORS preflight → origin, address → challenge → verify and limit by the head, around the body → limit by the body →
//! handshake → duplicate, and then either forward → upstream → response, or (in [`chat`]) decode → limit by user → conversation →
//! budget → AI → encode → response
//!
//! Elsewhere: retries of an AI (after a 429, say) in [`ai`], of callbacks in `delivery`; names of metrics in `telemetry::metrics`;
//! events for subscribers in `codec::bot_event`; records on disk in the `record.rs` of each part of `state`.

pub mod ai;
pub mod authenticate;
pub mod body;
pub mod bot;
pub mod caller;
pub mod chat;
pub mod context;
pub mod cors;
pub mod forward;
pub mod head;
pub mod idempotency;
pub mod rate_limit;
pub mod reject;
pub mod respond;
pub mod response;
pub mod worker;

pub use caller::Caller;
pub use respond::refuse_head;

use crate::codec::dialect::body_id;
use crate::net::client::Frames;
use crate::signature::RequestHead;
use crate::state::idempotency::Lookup;
use authenticate::{Authenticator, Body};
use body::{ReceivedBody, receive};
use bot::{BotMatch, Handler, RouteMatch};
use chat::Message;
use context::RequestContext;
use forward::Identity;
use head::{check_head, check_kind, client_address, is_trusted};
use http::Response;
use http::request::Parts;
use hyper::body::Incoming;
use idempotency::begin_delivery;
use rate_limit::charge_body;
use reject::Reject;
use respond::challenge_response;
use response::ResponseBody;
use std::rc::Rc;
use worker::{ConfigSnapshot, Worker};

/// Serves one request: whatever happens, there is a response. What is left of the body afterwards is its owner's to read off.
pub async fn handle(
    worker: &Rc<Worker>,
    caller: &Caller,
    head: &mut Parts,
    body: &mut Incoming,
) -> Response<ResponseBody> {
    let snapshot = worker.snapshot();
    let mut ctx = RequestContext::begin(worker, caller.address, head);
    match serve(worker, &snapshot, caller, &mut ctx, head, body).await {
        Ok(response) => respond::answer(ctx, response),
        Err(reject) => respond::refuse(ctx, &reject),
    }
}

async fn serve(
    worker: &Rc<Worker>,
    snapshot: &Rc<ConfigSnapshot>,
    caller: &Caller,
    ctx: &mut RequestContext,
    head: &mut Parts,
    body: &mut Incoming,
) -> Result<Response<ResponseBody>, Reject> {
    let registry = &snapshot.registry;
    check_head(head)?;
    let path = head.uri.path();
    let is_on = |found: &BotMatch<'_, '_>| !is_switched_off(worker, found);
    let route = registry.route(path).filter(|route| match route {
        RouteMatch::Bot(found) => is_on(found),
        RouteMatch::Shared(_) => true,
    });
    let route = route.ok_or(Reject::NotFound)?;
    ctx.routed(&route, &head.headers);
    let cors = route.cors();
    if let Some(response) = cors.and_then(|cors| cors::preflight(cors, head, route.methods())) {
        return response;
    }
    check_kind(route.dialect(), head)?;
    let trusted = is_trusted(&registry.trusted, caller.address);
    let client = client_address(&registry.trusted, caller.address, &head.headers);
    ctx.set_client_address(client);

    let id;
    let (found, body) = match route {
        RouteMatch::Bot(found) => (found, Body::Unread(body)),
        RouteMatch::Shared(shared) => {
            let body = receive(worker, &caller.timer, registry, body, |_| {}).await?;
            ctx.body_received(&body.frames);
            id = body_id(shared.field, &body.frames).map_err(Reject::Malformed)?.into_owned();
            let found = registry.named(shared, &id).filter(is_on);
            let unknown = || if shared.open { Reject::NotFound } else { Reject::UnknownBot };
            (found.ok_or_else(unknown)?, Body::Read(body))
        }
    };
    let (bot, id) = (found.bot, found.id());
    let query = head.uri.query();
    let signed = RequestHead { method: &head.method, path, query, headers: &head.headers };
    let authenticator = Authenticator { worker, snapshot, caller, client, head: signed };
    authenticator.admit(ctx, &found)?;
    if let Some(challenge) = bot.verifier.get_challenge(&authenticator.head) {
        return challenge.map(challenge_response).map_err(|_| Reject::Forbidden);
    }
    let (body, proof) = authenticator.verify(ctx, &found, body).await?;
    let ReceivedBody { frames, hold } = body;
    // A message's limits are charged once it is decoded, since they may count its user.
    if let Handler::Forward(_) = bot.way {
        charge_body(worker, &found, ctx, client, &head.headers, &frames, None)?;
    }
    if let Some(handshake) = bot.verifier.handshake(&frames, &proof, id) {
        return Ok(challenge_response(handshake));
    }
    let guard = match begin_delivery(worker, &found, &head.headers, &frames).await {
        None => None,
        Some(Lookup::Fresh(guard)) => Some(guard),
        Some(Lookup::InFlight) => return Err(Reject::DuplicateInProgress),
        Some(Lookup::Done(stored)) => return Ok(ResponseBody::repeat(&stored)),
    };

    // One turn of the loop: what else has arrived is verified before this is sent, and a close that came meanwhile is seen.
    tokio::task::yield_now().await;
    match &bot.way {
        Handler::Forward(forward) => {
            let identity = Identity { caller, trusted, id: &ctx.id };
            let request = forward::rebuild(forward, head, &identity, Frames::new(frames, hold));
            forward::send(snapshot, forward, request, caller, ctx, guard).await
        }
        Handler::Chat(settings) => {
            let timer = &caller.timer;
            let found = &found;
            let message = Message { worker, snapshot, timer, settings, found, id, client };
            Box::pin(chat::answer(message, ctx, &mut head.headers, frames, hold, guard)).await
        }
    }
}

/// Whether an operator has switched off a bot, or the template that stands for it: then it is as if it were not there.
fn is_switched_off(worker: &Worker, found: &BotMatch<'_, '_>) -> bool {
    let switches = &worker.shared.switches;
    let template = || found.bot.template && switches.is_off(&found.bot.label());
    switches.any() && (switches.is_off(found.id()) || template())
}
