//! A message's way once it is verified: decoded, charged to its user, then acknowledged, answered at once or accepted for later.
//! The second half of [`crate::proxy`], for the dialects that read their messages; how an answer comes about is in `exchange`.

mod analytics;
mod deferred;
mod envelope;
mod event_jobs;
mod exchange;
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
use crate::codec::bot_event::EventType;
use crate::codec::dialect::{Format, Receipt, StreamEncoder, StreamReceipt};
use crate::codec::message::{Answer, Event, MessageType};
use crate::net::body_budget::BodyReservation;
use crate::net::timers::Timer;
use crate::proxy::ai::stream::whole_as_stream;
use crate::proxy::bot::{BotMatch, ChatSettings};
use crate::proxy::context::RequestContext;
use crate::proxy::head::{format, prefers_xml};
use crate::proxy::rate_limit::charge_body;
use crate::proxy::reject::Reject;
use crate::proxy::respond::error_response;
use crate::proxy::response::ResponseBody;
use crate::proxy::worker::{ConfigSnapshot, Worker};
use crate::state::idempotency::{Guard, Stored};
use crate::state::jobs::RecordedResponse;
use bytes::Bytes;
use deferred::DeferredRequest;
use exchange::{Answered, Exchange, Outcome};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use report::Report;
use std::convert::Infallible;
use std::net::IpAddr;
use std::rc::Rc;

const EVENT_STREAM: &str = "text/event-stream";

/// A verified message, not yet decoded.
#[derive(Debug)]
pub struct Message<'a> {
    pub worker: &'a Rc<Worker>,
    pub snapshot: &'a Rc<ConfigSnapshot>,
    pub timer: &'a Rc<Timer>,
    pub settings: &'a ChatSettings,
    pub found: &'a BotMatch<'a, 'a>,
    /// The bot's id.
    pub id: &'a str,
    /// The address behind trusted proxies.
    pub client: IpAddr,
}

/// Answers or accepts one message.
///
/// # Errors
/// Why there is no answer.
pub async fn answer(
    message: Message<'_>,
    ctx: &mut RequestContext,
    headers: &mut HeaderMap,
    frames: Vec<Bytes>,
    hold: Option<BodyReservation>,
    guard: Option<Guard>,
) -> Result<Response<ResponseBody>, Reject> {
    let Message { worker, snapshot, settings, id, .. } = message;
    let format = format(headers).unwrap_or(Format::Json);
    let mut buffer = worker.buffer();
    frames.iter().for_each(|frame| buffer.extend_from_slice(frame));
    let event = match settings.chat.decode(format, &mut buffer) {
        Ok(event) => event,
        Err(malformed) => {
            let reject = Reject::Malformed(malformed);
            if let Some(guard) = guard {
                let response = error_response(Some(settings.chat), &reject);
                PendingIdempotency::new(guard, &response).complete();
            }
            return Err(reject);
        }
    };
    let user = event.user.id.as_deref();
    charge_body(worker, message.found, ctx, message.client, headers, &frames, user)?;
    let xml = format == Format::Form && (settings.twiml || prefers_xml(headers));
    let reports = settings.chat.acknowledges();
    let report = reports.then(|| Report::new(&message, &event, ctx.start_ms));
    if settings.upstreams.is_empty() || event.message_type != MessageType::Message {
        let nothing = Answer::default();
        let answered = Answered { answer: &nothing, conversation: "", model: None, micro_cents: 0 };
        let response = encode(&message, ctx.start_ns, &event, &answered, xml);
        let mut pending = guard.map(|guard| PendingIdempotency::new(guard, &response));
        if let Some(report) = report {
            let accepted = report.accept(&message, None, pending.take(), ctx.start_ms);
            deferred::wait_until_written(accepted).await?;
        }
        if let Some(pending) = pending {
            pending.complete();
        }
        return Ok(response);
    }
    // An answer that no subscriber wants is asked for all the same, at once: the conversation goes on with it.
    let is_wanted = !reports || is_subscribed(&snapshot.registry, EventType::Sent, id);
    if let Some(reply) = settings.later.as_ref().filter(|_| is_wanted) {
        let body = frames.concat();
        drop(frames);
        let request = DeferredRequest { reply, event: &event, format, body, xml, report };
        return Box::pin(deferred::answer(&message, request, ctx, hold, guard)).await;
    }
    drop(frames);
    if let Some(report) = report {
        let accepted = report.accept(&message, None, None, ctx.start_ms);
        deferred::wait_until_written(accepted).await?;
    }
    let stream = match event.stream {
        None => settings.stream,
        Some(asked) => settings.chat.stream_encoder().filter(|_| asked),
    };
    let start_ns = ctx.start_ns;
    let exchange = Exchange {
        worker,
        snapshot,
        settings,
        timer: message.timer,
        bot: id,
        event: &event,
        stream,
        promised_id: None,
        since_ns: Some(start_ns),
    };
    let handed_over = exchange.answer(ctx, headers, async |answered| {
        drop(hold);
        Ok::<_, Infallible>(match stream {
            Some(encoder) => encode_as_stream(worker, encoder, &answered),
            None => encode(&message, start_ns, &event, &answered, xml),
        })
    });
    match handed_over.await? {
        Outcome::HandedOver(Ok(response)) => {
            if let Some(guard) = guard {
                PendingIdempotency::new(guard, &response).complete();
            }
            Ok(response)
        }
        Outcome::Streaming(answer) => Ok(event_stream(ResponseBody::streamed(answer, guard))),
    }
}

/// The response that says an answer, to a request that came at `start_ns`.
fn encode(
    message: &Message<'_>,
    start_ns: u64,
    event: &Event<'_>,
    answered: &Answered<'_>,
    xml: bool,
) -> Response<ResponseBody> {
    let id = message.worker.request_id();
    let receipt = Receipt {
        bot: message.id,
        event,
        conversation: answered.conversation,
        message_id: id.to_str().unwrap_or_default(),
        now_ms: clock::unix_ms(),
        model: answered.model,
        latency_ms: clock::now().saturating_sub(start_ns) / 1_000_000,
        micro_cents: answered.micro_cents,
        xml,
    };
    let chat = message.settings.chat;
    let mut body = Vec::with_capacity(answered.answer.text.len() + 256);
    chat.encode(answered.answer, &receipt, &mut body);
    ResponseBody::response(StatusCode::OK, chat.content_type(&receipt), body.into())
}

/// The stream of an AI that did not stream.
fn encode_as_stream(
    worker: &Worker,
    encoder: &dyn StreamEncoder,
    answered: &Answered<'_>,
) -> Response<ResponseBody> {
    let receipt = StreamReceipt {
        message_id: worker.request_id().to_str().unwrap_or_default().to_owned(),
        now_ms: clock::unix_ms(),
        model: answered.model.map(str::to_owned),
    };
    let body = whole_as_stream(answered.answer, encoder, &receipt);
    event_stream(ResponseBody::full(body))
}

fn event_stream(body: ResponseBody) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// The id of a delivery, and the response that whoever repeats it gets once this one is safe.
struct PendingIdempotency {
    guard: Guard,
    response: Stored,
}

impl PendingIdempotency {
    /// A stream is not kept: its repetition gets an empty 200.
    fn new(guard: Guard, response: &Response<ResponseBody>) -> Self {
        let (status, headers) = (response.status(), response.headers());
        let streams = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == EVENT_STREAM);
        let response = if streams {
            Stored::fact(status)
        } else {
            Stored::new(status, headers, response.body().whole())
        };
        Self { guard, response }
    }

    /// The same as a record that outlives this process.
    fn record(&self) -> RecordedResponse {
        let response = self.guard.record(&self.response, clock::unix_ms());
        RecordedResponse { key: *self.guard.key(), response }
    }

    fn complete(self) {
        self.guard.done(self.response, clock::now());
    }
}
