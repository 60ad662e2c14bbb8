//! A message's way once it is proven: decoded, charged to its user, given its turn in the conversation, answered by an AI,
//! remembered and encoded. The second half of [`crate::proxy`], for the dialects that read their messages.

mod analytics;
mod deferred;
mod envelope;
mod event_jobs;
mod job;
mod report;
mod retry;
mod turn;

pub use envelope::{Envelope, VERSION};
pub use event_jobs::{EventDelivery, delivery_jobs, event_deliveries, is_subscribed};
pub(crate) use job::retry_until_written;
pub use job::{AnswerJob, JobOutcome, MAX_EVENT_BYTES};
pub use retry::{BACKOFF, MAX_BACKOFF};

use crate::clock;
use crate::codec::bot_event;
use crate::codec::dialect::{Format, Receipt, StreamEncoder, StreamReceipt};
use crate::codec::message::{Answer, Event, MessageType, Role, Turn};
use crate::codec::price::MicroCents;
use crate::net::body_budget::Hold;
use crate::net::timers::Timer;
use crate::proxy::ai::stream;
use crate::proxy::ai::{AiResponse, ChatRequest, ask, candidates};
use crate::proxy::bot::{BotMatch, ChatSettings};
use crate::proxy::context::RequestContext;
use crate::proxy::head::{format, prefers_xml};
use crate::proxy::rate_limit::charge_body;
use crate::proxy::reject::Reject;
use crate::proxy::respond::error_response;
use crate::proxy::response::ResponseBody;
use crate::proxy::worker::{ConfigSnapshot, Worker};
use crate::state::conversation::TurnGuard;
use crate::state::idempotency::{Guard, Stored};
use crate::state::jobs::RecordedResponse;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use report::Report;
use serde_json::value::RawValue;
use std::net::IpAddr;
use std::rc::Rc;
use turn::{answer_deadline, conversation_key, routing_key, wait_for_turn};

/// A proven message, not yet read.
#[derive(Debug)]
pub struct Message<'a> {
    /// Who serves it.
    pub worker: &'a Rc<Worker>,
    /// The configuration it is served under.
    pub snapshot: &'a Rc<ConfigSnapshot>,
    /// What it waits on.
    pub timer: &'a Rc<Timer>,
    /// How its bot talks.
    pub settings: &'a ChatSettings,
    /// Its bot.
    pub found: &'a BotMatch<'a, 'a>,
    /// Its bot's id.
    pub id: &'a str,
    /// Who sent it.
    pub client: IpAddr,
}

/// Answers one message.
pub async fn answer(
    message: Message<'_>,
    ctx: &mut RequestContext,
    headers: &mut HeaderMap,
    frames: Vec<Bytes>,
    hold: Option<Hold>,
    mut guard: Option<Guard>,
) -> Result<Response<ResponseBody>, Reject> {
    let Message { worker, snapshot, settings, id, .. } = message;
    let format = format(headers).unwrap_or(Format::Json);
    let mut room = worker.buffer();
    frames.iter().for_each(|frame| room.extend_from_slice(frame));
    let event = match settings.chat.decode(format, &mut room) {
        Ok(event) => event,
        Err(malformed) => {
            let reject = Reject::Malformed(malformed);
            if let Some(guard) = guard {
                keep(guard, &error_response(Some(settings.chat), &reject));
            }
            return Err(reject);
        }
    };
    let user = event.user.id.as_deref();
    charge_body(worker, message.found, ctx, message.client, headers, &frames, user)?;
    // What is only acknowledged waits for nobody's answer.
    let silent = settings.upstreams.is_empty() || event.message_type != MessageType::Message;
    let reports = settings.chat.acknowledges();
    let report = reports.then(|| Report::new(&message, &event, ctx.start_ms));
    // An answer that nobody wants to be told is asked for all the same: the conversation goes on with it.
    let told = !reports || is_subscribed(&snapshot.registry, bot_event::EventType::Sent, id);
    let xml = format == Format::Form && (settings.twiml || prefers_xml(headers));
    if let Some(later) = settings.later.as_ref().filter(|_| !silent && told) {
        let said = deferred::DeferredRequest {
            later,
            event: &event,
            format,
            body: frames.concat(),
            xml,
            report,
        };
        drop(frames);
        return Box::pin(deferred::answer(&message, said, ctx, hold, guard)).await;
    }
    drop(frames);
    if let Some(report) = report {
        // What is said to it is known already where nobody's answer is waited for.
        let promise = guard.take_if(|_| silent).map(|guard| {
            let nothing = Answer::default();
            let said = encode(&message, ctx, &event, &nothing, "", 0, xml);
            PendingIdempotency::new(guard, &said)
        });
        let accepted = report.accept(&message, None, promise, ctx.start_ms);
        deferred::done(accepted).await?;
    }

    let key = conversation_key(id, &event);
    let candidates = candidates(settings, routing_key(id, &event, &key, ctx.start_ns));
    let by = answer_deadline(snapshot, &candidates, ctx.start_ns);
    let mut held = match (settings.conversation, key) {
        (Some(policy), Some(key)) if !silent => {
            let conversations = &worker.shared.state.conversations;
            let turn = wait_for_turn(message.timer, conversations, key, policy, by, ctx.start_ms);
            Some(turn.await?)
        }
        _ => None,
    };
    // Who stands alone has an id too: a backend that was told none would take all of them for one conversation.
    let fresh;
    let conversation = match (&held, event.conversation.as_deref()) {
        (Some(held), _) => held.id(),
        (None, Some(own)) => own,
        (None, None) => {
            fresh = worker.long_id();
            &fresh
        }
    };
    let spoken = if silent {
        AiResponse::Whole(Answer::default(), 0)
    } else {
        let history: Vec<Turn<'_>> = held.iter().flat_map(TurnGuard::history).collect();
        let question = ChatRequest {
            worker,
            snapshot,
            settings,
            timer: message.timer,
            bot: id,
            event: &event,
            conversation: settings.chat.keeps_history().then_some(conversation),
            history: &history,
            by,
        };
        ask(&question, &candidates, ctx, headers).await?
    };
    drop(hold);
    let (answer, micro_cents) = match spoken {
        AiResponse::Whole(answer, micro_cents) => (answer, micro_cents),
        AiResponse::Pieces(speech) => return Ok(streamed(ResponseBody::streamed(speech, guard))),
    };
    if let Some(stream) = settings.stream {
        return Ok(at_once(&message, &answer, stream, guard));
    }
    let response = encode(&message, ctx, &event, &answer, conversation, micro_cents, xml);
    if let Some(held) = held.take()
        && let Some(asked) = event.turns.last()
    {
        let said = Turn::text(Role::Assistant, &*answer.text);
        let metadata = event.metadata.as_deref().map(RawValue::get);
        held.append(asked, &said, metadata, clock::unix_ms());
    }
    if let Some(guard) = guard {
        keep(guard, &response);
    }
    Ok(response)
}

fn encode(
    message: &Message<'_>,
    ctx: &RequestContext,
    event: &Event<'_>,
    answer: &Answer<'_>,
    conversation: &str,
    micro_cents: MicroCents,
    xml: bool,
) -> Response<ResponseBody> {
    let id = message.worker.request_id();
    let receipt = Receipt {
        bot: message.id,
        event,
        conversation,
        message_id: id.to_str().unwrap_or_default(),
        now_ms: clock::unix_ms(),
        model: None,
        latency_ms: clock::now().saturating_sub(ctx.start_ns) / 1_000_000,
        micro_cents,
        xml,
    };
    let chat = message.settings.chat;
    let mut body = Vec::with_capacity(answer.text.len() + 256);
    chat.encode(answer, &receipt, &mut body);
    let mut response = Response::new(ResponseBody::full(body.into()));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(chat.content_type(&receipt)));
    response
}

/// The stream of an AI that did not stream.
fn at_once(
    message: &Message<'_>,
    answer: &Answer<'_>,
    stream: &dyn StreamEncoder,
    guard: Option<Guard>,
) -> Response<ResponseBody> {
    if let Some(guard) = guard {
        guard.done(Stored::fact(StatusCode::OK), clock::now());
    }
    let receipt = StreamReceipt {
        message_id: message.worker.request_id().to_str().unwrap_or_default().to_owned(),
        now_ms: clock::unix_ms(),
        model: None,
    };
    streamed(ResponseBody::full(stream::at_once(answer, stream, &receipt)))
}

fn streamed(reply: ResponseBody) -> Response<ResponseBody> {
    let mut response = Response::new(reply);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Keeps an answer for the next time that the same delivery comes.
fn keep(guard: Guard, response: &Response<ResponseBody>) {
    guard.done(stored(response), clock::now());
}

/// A delivery, and what is said to it and to whoever repeats it once the disk has what it became.
struct PendingIdempotency {
    guard: Guard,
    said: Stored,
}

impl PendingIdempotency {
    fn new(guard: Guard, response: &Response<ResponseBody>) -> Self {
        let said = stored(response);
        Self { guard, said }
    }

    /// For longer than this process lives.
    fn repeat(&self) -> RecordedResponse {
        RecordedResponse {
            key: *self.guard.key(),
            response: self.guard.record(&self.said, clock::unix_ms()),
        }
    }

    /// It holds.
    fn keep(self) {
        self.guard.done(self.said, clock::now());
    }
}

fn stored(response: &Response<ResponseBody>) -> Stored {
    let body = response.body().whole();
    Stored::new(response.status(), response.headers(), body)
}
