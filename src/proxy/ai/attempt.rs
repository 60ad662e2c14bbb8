//! One exchange with one AI: the money set aside, the request written, the answer or the refusal read and judged.

use super::{AiResponse, ChatRequest, Failed};
use crate::clock;
use crate::codec::dialect::StreamReceipt;
use crate::codec::message::{AnswerError, Part, ProviderRequest, Usage};
use crate::codec::provider::Unsupported;
use crate::net::client::breaker::{Breaker, Health, Permit};
use crate::net::client::{self, Cause, Frames, Outgoing, Received, Sent, UpstreamError};
use crate::net::header_template::Names;
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
    pub(super) question: &'a ChatRequest<'a>,
    pub(super) ai: &'a AiUpstream,
    /// The upstream's place among all.
    pub(super) index: usize,
}

impl Attempt<'_> {
    /// Asks, and tells the breaker what came of it. `spare` is an emptied map for the response to use.
    pub(super) async fn run(
        &self,
        pass: Permit<&Breaker>,
        ctx: &mut RequestContext,
        spare: HeaderMap,
    ) -> Result<AiResponse, Failed> {
        let question = self.question;
        let pool = question
            .snapshot
            .pools
            .get(self.index)
            .ok_or_else(|| Failed::next(Reject::Unavailable(Duration::ZERO)))?;
        let mut body = question.worker.buffer();
        self.encode(&mut body).map_err(|wrong| Failed::next(Reject::Unsupported(wrong)))?;
        let mut reservation = self.reserve(body.len(), ctx.start_ms)?;
        let request = self.request(&body, ctx, spare)?;
        drop(body);
        ctx.set_upstream(pool);
        if let Some(reservation) = &mut reservation {
            reservation.on_its_way();
        }
        let sent = client::send(pool, request, question.timer, Some(question.by), None).await;
        let response = match sent {
            Ok(response) => response,
            Err(error) => {
                settle_unused(reservation, Some(&error));
                let again = error.sent == Sent::Unsent && matches!(error.cause, Cause::Connect(_));
                pass.tell(Health::of_error(&error), clock::now());
                return Err(Failed {
                    reject: Reject::Upstream(error),
                    again: again.then_some(Duration::ZERO),
                    next: true,
                });
            }
        };
        let judged = if response.status().is_success() {
            self.read_response(response, &mut reservation, ctx).await
        } else {
            Err(self.read_error(response, ctx).await)
        };
        // Whoever settles or goes on with it has taken it.
        let error = match &judged {
            Err(Failed { reject: Reject::Upstream(error), .. }) => Some(error),
            _ => None,
        };
        settle_unused(reservation, error);
        match (judged, question.snapshot.breakers.get(self.index)) {
            (Ok(AiResponse::Pieces(mut speech)), Some(breaker)) => {
                pass.begun();
                speech.tell(breaker.clone());
                Ok(AiResponse::Pieces(speech))
            }
            (judged, _) => {
                let health = match &judged {
                    Ok(_) => Health::Success,
                    Err(failed) => failed.reject.health(),
                };
                pass.tell(health, clock::now());
                judged
            }
        }
    }

    /// Reads a response that may be an answer, whole or up to its first words.
    async fn read_response(
        &self,
        response: Response<Received>,
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
        if let Some(stream) = self.question.settings.stream.filter(|_| streams) {
            let speech = StreamingAnswer::open(
                body,
                self.ai.codec,
                stream,
                self.stream_receipt(),
                self.ai.price,
                reservation.take(),
            );
            return speech.await.map(AiResponse::Pieces).map_err(classify);
        }
        let mut text = self.question.worker.buffer();
        client::whole(body, MAX_ANSWER, &mut text)
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
            Ok(answer) => Ok(AiResponse::Whole(answer.into_owned(), cost)),
            Err(none) => Err(classify(Reject::Answer(none.error))),
        }
    }

    /// Reads any other response.
    async fn read_error(&self, response: Response<Received>, ctx: &RequestContext) -> Failed {
        let (head, body) = response.into_parts();
        let mut text = self.question.worker.buffer();
        // An error's body only says more of what the status says.
        if client::whole(body, MAX_ERROR, &mut text).await.is_err() {
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
        let id = self.question.worker.request_id();
        StreamReceipt {
            message_id: id.to_str().unwrap_or_default().to_owned(),
            now_ms: clock::unix_ms(),
            model: self.ai.settings.model.clone(),
        }
    }

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), Unsupported> {
        let question = self.question;
        let own = [question.settings.system.as_deref(), self.ai.system.as_deref()];
        let system: SmallVec<[&str; 2]> = own.into_iter().flatten().collect();
        let ask = ProviderRequest {
            bot: question.bot,
            bot_name: question.settings.name.as_deref(),
            conversation: question.conversation.or(question.event.conversation.as_deref()),
            model: self.ai.settings.model.as_deref(),
            max_tokens: self.ai.settings.max_tokens,
            version: self.ai.settings.version,
            system: &system,
            history: question.history,
            event: question.event,
            stream: question.settings.stream.is_some(),
        };
        self.ai.codec.encode(&ask, out)
    }

    /// Sets aside what the call can cost at most: no text has more tokens than bytes.
    fn reserve(&self, bytes: usize, now_ms: u64) -> Result<Option<Reservation>, Failed> {
        let (Some(cap), Some(price)) = (self.question.settings.budget, self.ai.price) else {
            return Ok(None);
        };
        let turns = self.question.history.iter().chain(&self.question.event.turns);
        let attachments = turns
            .flat_map(|turn| &turn.parts)
            .filter(|part| !matches!(part, Part::Text(_)))
            .count();
        let most = price.of(Usage {
            input: bytes as u64 + attachments as u64 * ATTACHMENT_TOKENS,
            output: u64::from(self.ai.settings.max_tokens),
        });
        let budgets = &self.question.worker.shared.state.budgets;
        budgets.reserve(self.question.bot, cap.most, cap.per, most, now_ms).map(Some).map_err(
            |refused| {
                Failed::for_good(match refused {
                    Refused::Exceeded(_) => Reject::Budget,
                    Refused::Unknown(_) => Reject::State,
                })
            },
        )
    }

    /// The request, head and body in one piece.
    fn request(
        &self,
        body: &[u8],
        ctx: &RequestContext,
        spare: HeaderMap,
    ) -> Result<Outgoing, Failed> {
        let question = self.question;
        let names = Names {
            bot: question.bot,
            user: question.event.user.id.as_deref(),
            conversation: question.conversation.or(question.event.conversation.as_deref()),
            channel: question.event.channel.as_deref(),
        };
        let head = match question.settings.stream {
            Some(_) => &self.ai.streaming_head,
            None => &self.ai.head,
        };
        let mut fit = Ok(());
        let request = Outgoing::new(false, Frames::default(), spare, |_, out| {
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
            Ok(()) => Ok(request),
            Err(name) => Err(Failed::for_good(Reject::Unsupported(Unsupported(format!(
                "An id of this message cannot stand in the header field {name}"
            ))))),
        }
    }
}

/// Gives back what was set aside for a call that has failed. Where the AI was left at work all of it is spent.
fn settle_unused(reservation: Option<Reservation>, error: Option<&UpstreamError>) {
    if let Some(reservation) = reservation
        && !error.is_some_and(UpstreamError::left_at_work)
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
