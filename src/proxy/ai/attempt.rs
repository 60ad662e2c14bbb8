//! One exchange with one AI: the money reserved, the request written, the answer or the error read and classified.

use super::{AiResponse, ChatRequest, Failed};
use crate::clock;
use crate::codec::dialect::StreamReceipt;
use crate::codec::message::{AnswerError, Part, ProviderRequest, Usage};
use crate::codec::provider::Unsupported;
use crate::net::client::breaker::{Breaker, Health, Permit};
use crate::net::client::{self, Cause, Frames, Outgoing, Sent, UpstreamBody, UpstreamError};
use crate::net::header_template::PlaceholderValues;
use crate::proxy::ai::stream::StreamingAnswer;
use crate::proxy::bot::AiUpstream;
use crate::proxy::context::RequestContext;
use crate::proxy::reject::Reject;
use crate::state::budget::{Refused, Reservation};
use http::{HeaderMap, Response, header};
use smallvec::SmallVec;
use std::time::Duration;

/// The longest answer of an AI, in bytes.
const MAX_ANSWER: usize = 4 * 1024 * 1024;
/// The longest body of an AI's error that is read, in bytes.
const MAX_ERROR: usize = 64 * 1024;
/// What one image or file is taken to cost at most, in tokens, until the AI says what it did.
const ATTACHMENT_TOKENS: u64 = 5_000;

/// One exchange with one AI.
pub(super) struct Attempt<'a> {
    pub(super) request: &'a ChatRequest<'a>,
    pub(super) ai: &'a AiUpstream,
    /// The upstream's place among all.
    pub(super) index: usize,
}

impl Attempt<'_> {
    /// Asks, and tells the breaker what came of it. `reused_headers` is an emptied map for the response to use.
    pub(super) async fn run(
        &self,
        permit: Permit<&Breaker>,
        ctx: &mut RequestContext,
        reused_headers: HeaderMap,
    ) -> Result<AiResponse, Failed> {
        let request = self.request;
        let snapshot = request.snapshot;
        let (pool, upstream) = snapshot
            .pools
            .get(self.index)
            .zip(snapshot.registry.upstreams.get(self.index))
            .ok_or_else(|| Failed::next(Reject::Unavailable(Duration::ZERO)))?;
        let mut body = request.worker.buffer();
        self.encode(&mut body).map_err(|wrong| Failed::next(Reject::Unsupported(wrong)))?;
        let mut reservation = self.reserve(body.len(), ctx.start_ms).await?;
        let mut outgoing = self.request(&body, ctx, reused_headers)?;
        drop(body);
        ctx.set_upstream(pool, &upstream.name);
        outgoing.set_observer(ctx.observer());
        if let Some(reservation) = &mut reservation {
            reservation.on_its_way();
        }
        let sent =
            client::send(pool, outgoing, request.timer, Some(request.deadline_ns), None).await;
        let response = match sent {
            Ok(response) => response,
            Err(error) => {
                settle_unused(reservation, Some(&error));
                let again = error.sent == Sent::Unsent && matches!(error.cause, Cause::Connect(_));
                permit.record(Health::of_error(&error), clock::now());
                return Err(Failed {
                    reject: Reject::Upstream(error),
                    again: again.then_some(Duration::ZERO),
                    next: true,
                });
            }
        };
        let outcome = if response.status().is_success() {
            self.read_response(response, &mut reservation, ctx).await
        } else {
            Err(self.read_error(response, ctx).await)
        };
        // Whoever settles or goes on with it has taken it.
        let error = match &outcome {
            Err(Failed { reject: Reject::Upstream(error), .. }) => Some(error),
            _ => None,
        };
        settle_unused(reservation, error);
        match (outcome, request.snapshot.breakers.get(self.index)) {
            (Ok(AiResponse::Streaming(mut answer)), Some(breaker)) => {
                permit.response_started();
                answer.report_health_to(breaker.clone());
                Ok(AiResponse::Streaming(answer))
            }
            (outcome, _) => {
                let health = match &outcome {
                    Ok(_) => Health::Success,
                    Err(failed) => failed.reject.health(),
                };
                permit.record(health, clock::now());
                outcome
            }
        }
    }

    /// Reads a response that may be an answer, whole or up to its first words.
    async fn read_response(
        &self,
        response: Response<UpstreamBody>,
        reservation: &mut Option<Reservation>,
        ctx: &mut RequestContext,
    ) -> Result<AiResponse, Failed> {
        let (head, body) = response.into_parts();
        if head.headers.contains_key(header::CONTENT_ENCODING) {
            let fault = AnswerError::Invalid("it is compressed, which was not asked for");
            return Err(Failed::next(Reject::Answer(fault)));
        }
        let streams = head
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        if let Some(stream) = self.request.stream.filter(|_| streams) {
            let answer = StreamingAnswer::open(
                body,
                self.ai.codec,
                stream,
                self.stream_receipt(),
                self.ai.price,
                reservation.take(),
            );
            return answer.await.map(AiResponse::Streaming).map_err(classify);
        }
        let mut text = self.request.worker.buffer();
        client::collect(body, MAX_ANSWER, &mut text)
            .await
            .map_err(|error| Failed::next(Reject::Upstream(error)))?;
        ctx.observe_response(&text);
        let decoded = self.ai.codec.decode(&mut text);
        // What is no answer may have cost as much as one.
        let usage = match &decoded {
            Ok(answer) => answer.usage,
            Err(none) => none.usage,
        };
        let cost = self.ai.price.map_or(0, |price| price.of(usage));
        if let Some(reservation) = reservation.take() {
            reservation.settle(cost);
        }
        ctx.record_cost(usage, cost);
        match decoded {
            Ok(answer) => Ok(AiResponse::Whole {
                answer: answer.into_owned(),
                micro_cents: cost,
                upstream: self.index,
            }),
            Err(none) => Err(classify(Reject::Answer(none.error))),
        }
    }

    /// Reads any other response.
    async fn read_error(&self, response: Response<UpstreamBody>, ctx: &RequestContext) -> Failed {
        let (head, body) = response.into_parts();
        let mut text = self.request.worker.buffer();
        // An error's body only says more of what the status says.
        if client::collect(body, MAX_ERROR, &mut text).await.is_err() {
            text.clear();
        }
        ctx.observe_response(&text);
        let (status, now_ms) = (head.status.as_u16(), ctx.start_ms);
        let codec = self.ai.codec;
        let refusal = codec.decode_error(status, &head.headers, &mut text, now_ms);
        let again = refusal.retry_after.filter(|_| refusal.retryable);
        Failed { reject: Reject::Refused(refusal), again, next: true }
    }

    fn stream_receipt(&self) -> StreamReceipt {
        let id = self.request.worker.request_id();
        StreamReceipt {
            message_id: id.to_str().unwrap_or_default().to_owned(),
            now_ms: clock::unix_ms(),
            model: self.ai.settings.model.clone(),
        }
    }

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), Unsupported> {
        let request = self.request;
        let own = [request.settings.system.as_deref(), self.ai.system.as_deref()];
        let system: SmallVec<[&str; 2]> = own.into_iter().flatten().collect();
        let ask = ProviderRequest {
            bot: request.bot,
            bot_name: request.settings.name.as_deref(),
            conversation: request.conversation.or(request.event.conversation.as_deref()),
            model: self.ai.settings.model.as_deref(),
            max_tokens: self.ai.settings.max_tokens,
            version: self.ai.settings.version,
            system: &system,
            history: request.history,
            event: request.event,
            stream: request.stream.is_some(),
        };
        self.ai.codec.encode(&ask, out)
    }

    /// Sets aside what the call can cost at most: no text has more tokens than bytes.
    async fn reserve(&self, bytes: usize, now_ms: u64) -> Result<Option<Reservation>, Failed> {
        let (Some(cap), Some(price)) = (self.request.settings.budget, self.ai.price) else {
            return Ok(None);
        };
        let turns = self.request.history.iter().chain(&self.request.event.turns);
        let attachments = turns
            .flat_map(|turn| &turn.parts)
            .filter(|part| !matches!(part, Part::Text(_)))
            .count();
        let most = price.of(Usage {
            input: bytes as u64 + attachments as u64 * ATTACHMENT_TOKENS,
            output: u64::from(self.ai.settings.max_tokens),
        });
        let budgets = &self.request.worker.shared.state.budgets;
        let reserved = budgets.reserve(self.request.bot, cap.most, cap.per, most, now_ms).await;
        reserved.map(Some).map_err(|refused| {
            Failed::for_good(match refused {
                Refused::Exceeded(_) => Reject::Budget,
                Refused::Unknown(_) => Reject::State,
            })
        })
    }

    /// The request, head and body in one piece.
    fn request(
        &self,
        body: &[u8],
        ctx: &RequestContext,
        reused_headers: HeaderMap,
    ) -> Result<Outgoing, Failed> {
        let request = self.request;
        let names = PlaceholderValues {
            bot: request.bot,
            user: request.event.user.id.as_deref(),
            conversation: request.conversation.or(request.event.conversation.as_deref()),
            channel: request.event.channel.as_deref(),
        };
        let head = match request.stream {
            Some(_) => &self.ai.streaming_head,
            None => &self.ai.head,
        };
        let mut fit = Ok(());
        let outgoing = Outgoing::new(false, Frames::default(), reused_headers, |_, out| {
            out.extend_from_slice(head.expose());
            for field in &self.ai.fields {
                out.extend_from_slice(b"\r\n");
                out.extend_from_slice(field.name.as_str().as_bytes());
                out.extend_from_slice(b": ");
                if field.value.write(&names, out).is_err() {
                    fit = Err(field.name.as_str());
                }
            }
            out.extend_from_slice(b"\r\nx-request-id: ");
            out.extend_from_slice(ctx.id.as_bytes());
            out.extend_from_slice(b"\r\ncontent-length: ");
            out.extend_from_slice(itoa::Buffer::new().format(body.len()).as_bytes());
            out.extend_from_slice(b"\r\n\r\n");
            out.extend_from_slice(body);
        });
        match fit {
            Ok(()) => Ok(outgoing),
            Err(name) => Err(Failed::for_good(Reject::Unsupported(Unsupported(format!(
                "An id of this message cannot stand in the header field {name}"
            ))))),
        }
    }
}

/// Gives back what was set aside for a call that has failed. Where the AI was left at work all of it is spent.
fn settle_unused(reservation: Option<Reservation>, error: Option<&UpstreamError>) {
    if let Some(reservation) = reservation
        && !error.is_some_and(UpstreamError::timed_out_after_send)
    {
        reservation.give_back();
    }
}

/// What a failed answer means for those who could still be asked.
fn classify(reject: Reject) -> Failed {
    match reject {
        // What one model will not say, another is not asked to.
        Reject::Answer(AnswerError::Truncated | AnswerError::Refused | AnswerError::Filtered) => {
            Failed::for_good(reject)
        }
        reject => Failed::next(reject),
    }
}
