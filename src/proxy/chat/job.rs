//! A message that is answered whether or not its caller waits: its answer encoded and handed over, tried again or given up.

use super::envelope::Envelope;
use super::event_jobs::{EventDelivery, delivery_jobs, event_deliveries};
use super::exchange::{Answered, Exchange, Outcome};
use crate::clock;
use crate::codec::bot_event::{self, EventType};
use crate::codec::dialect::{Chat, Receipt};
use crate::codec::message::Event;
use crate::proxy::bot::{ChatSettings, DeferredReply, Handler};
use crate::proxy::context::RequestContext;
use crate::proxy::reject::Reject;
use crate::proxy::worker::{ConfigSnapshot, Worker};
use crate::state::jobs::{Id, Job, Jobs, JobsError, Step, Subject};
use crate::state::store::MAX_DURABLE_BYTES;
use bytes::Bytes;
use http::HeaderMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How long a message waits whose conversation has as many waiting as may, in milliseconds.
const CONVERSATION_FULL_MS: u32 = 1_000;
/// After how long the disk is asked again to take what it did not.
const PERSIST_RETRY: Duration = Duration::from_secs(1);
/// The most bytes that an answer may take in all its event deliveries together: they are one change to the disk.
pub const MAX_EVENT_BYTES: usize = MAX_DURABLE_BYTES / 2;

/// A message, and who serves it.
#[derive(Debug)]
pub struct AnswerJob {
    /// Who serves it.
    pub worker: Rc<Worker>,
    /// The configuration that it is served under.
    pub snapshot: Rc<ConfigSnapshot>,
    /// Its bot's place among all.
    pub index: usize,
    /// The bot's id that it was sent to.
    pub bot: Arc<str>,
    /// The user who sent it.
    pub subject: Subject,
    /// What was said.
    pub envelope: Envelope,
    /// When it came, in milliseconds since 1970.
    pub accepted_ms: u64,
}

/// What an attempt to answer a job came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobOutcome {
    /// The job has taken a step.
    Advanced,
    /// No AI was asked, since too much is under way here: the job is back in its queue.
    Requeued,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Unanswered {
    pub(super) reject: Reject,
    /// An AI was asked before that.
    ai_asked: bool,
}

impl From<Reject> for Unanswered {
    fn from(reject: Reject) -> Self {
        Self { reject, ai_asked: false }
    }
}

/// An answer in the two forms that it may leave in.
#[derive(Debug)]
pub(super) struct EncodedAnswer {
    /// As the response, and its content type.
    pub(super) reply: (Bytes, &'static str),
    /// As what is delivered later.
    pub(super) outgoing: Outgoing,
}

/// What is delivered of a job's result.
#[derive(Debug)]
pub(super) enum Outgoing {
    /// The body of the callback.
    Callback(Arc<[u8]>),
    /// An event for each subscriber.
    Events(Vec<EventDelivery>),
}

impl AnswerJob {
    pub(super) fn settings(&self) -> Result<(&ChatSettings, &DeferredReply), Reject> {
        let bot = self.snapshot.registry.bots().get(self.index);
        match bot.map(|bot| &bot.way) {
            Some(Handler::Chat(settings)) => {
                settings.later.as_ref().map(|later| (&**settings, later))
            }
            _ => None,
        }
        .ok_or(Reject::NotFound)
    }

    /// Answers a job that was taken, and takes its next step: it is answered, put off or given up. `tried`: how often before;
    /// `since_ms`: when it was last decided that it is to be answered. What was not asked because others were in the way is no
    /// attempt, however often that happens within its time.
    ///
    /// # Errors
    /// The journal does not know the job like that.
    pub async fn finish(
        &self,
        journal: &Jobs,
        id: Id,
        tried: u32,
        since_ms: u64,
    ) -> Result<JobOutcome, JobsError> {
        let start = clock::now();
        let answered = self.run(None, false, async |answer| {
            retry_until_written(|| self.answered(journal, id, &answer.outgoing)).await
        });
        let answered = answered.await;
        let now_ms = clock::unix_ms();
        let in_time = now_ms < self.patience_ends_ms(since_ms);
        let took = Duration::from_nanos(clock::now().saturating_sub(start));
        match answered {
            Ok(written) => self.written(journal, id, written, took).await?,
            Err(none) if none.reject.has_no_connection() && !none.ai_asked && in_time => {
                journal.requeue(id)?;
                return Ok(JobOutcome::Requeued);
            }
            Err(none) if matches!(none.reject, Reject::ConversationFull) && in_time => {
                journal.release(id, CONVERSATION_FULL_MS, now_ms)?;
            }
            Err(none) => self.failed(journal, id, tried, &none.reject, took).await?,
        }
        Ok(JobOutcome::Advanced)
    }

    /// Has the message answered and the answer encoded for `hand_over`. `since_ns`: as [`Exchange::since_ns`]; `xml`: as
    /// [`Receipt::xml`].
    pub(super) async fn run<E>(
        &self,
        since_ns: Option<u64>,
        xml: bool,
        hand_over: impl AsyncFnOnce(EncodedAnswer) -> Result<(), E>,
    ) -> Result<Result<(), E>, Unanswered> {
        let (settings, _) = self.settings()?;
        let (worker, snapshot) = (&self.worker, &self.snapshot);
        let mut ctx = RequestContext::for_job(worker, snapshot, self.index, &self.bot);
        let mut buffer = worker.buffer();
        buffer.extend_from_slice(&self.envelope.body);
        let event = settings.chat.decode(self.envelope.format, &mut buffer);
        let event = event.map_err(Reject::Malformed)?;
        let exchange = Exchange {
            worker,
            snapshot,
            settings,
            timer: &Rc::new(worker.timers.timer()),
            bot: &self.bot,
            event: &event,
            // Whoever waits for this answer takes it whole.
            stream: None,
            promised_id: Some(self.envelope.conversation),
            since_ns,
        };
        let mut headers = HeaderMap::new();
        let handed_over = exchange.answer(&mut ctx, &mut headers, async |answered| {
            hand_over(self.encode(settings.chat, &event, &answered, xml)).await
        });
        match handed_over.await {
            Ok(Outcome::HandedOver(handed_over)) => Ok(handed_over),
            Ok(Outcome::Streaming(_)) => Err(Reject::NotFound.into()),
            Err(reject) => {
                ctx.unanswered(&reject);
                Err(Unanswered { reject, ai_asked: ctx.ai_asked })
            }
        }
    }

    pub(super) fn encode(
        &self,
        chat: &dyn Chat,
        event: &Event<'_>,
        answered: &Answered<'_>,
        xml: bool,
    ) -> EncodedAnswer {
        let answer = answered.answer;
        let now_ms = clock::unix_ms();
        let receipt = Receipt {
            bot: &self.bot,
            event,
            conversation: answered.conversation,
            message_id: &self.envelope.message_id,
            now_ms,
            model: answered.model,
            latency_ms: now_ms.saturating_sub(self.accepted_ms),
            micro_cents: answered.micro_cents,
            xml,
        };
        let mut reply = Vec::new();
        chat.encode(answer, &receipt, &mut reply);
        let outgoing = if chat.acknowledges() {
            let id = self.worker.request_id();
            let id = id.to_str().unwrap_or_default();
            self.events(EventType::Sent, |envelope, out| {
                bot_event::sent(envelope, id, answer, event, out);
            })
        } else {
            let mut callback = Vec::new();
            chat.encode_callback(answer, &receipt, &mut callback);
            Outgoing::Callback(callback.into())
        };
        EncodedAnswer { reply: (reply.into(), chat.content_type(&receipt)), outgoing }
    }

    pub(super) fn events(
        &self,
        kind: EventType,
        write: impl Fn(&bot_event::Envelope<'_>, &mut Vec<u8>),
    ) -> Outgoing {
        let registry = &self.snapshot.registry;
        let now_ms = clock::unix_ms();
        Outgoing::Events(event_deliveries(registry, kind, &self.bot, now_ms, write))
    }

    pub(super) fn jobs<'a>(&'a self, outgoing: &'a Outgoing) -> Vec<Job<'a>> {
        let bot = self.snapshot.registry.bots().get(self.index);
        let dialect = bot.map_or("", |bot| bot.dialect.name);
        match outgoing {
            Outgoing::Events(events) => delivery_jobs(events, &self.bot, dialect, self.subject),
            Outgoing::Callback(_) => Vec::new(),
        }
    }

    /// The step of a job that has its answer.
    ///
    /// # Errors
    /// The journal does not know the job like that, or the answer is larger than it takes.
    pub(super) fn answered(
        &self,
        journal: &Jobs,
        id: Id,
        outgoing: &Outgoing,
    ) -> Result<Step, JobsError> {
        let now_ms = clock::unix_ms();
        match outgoing {
            Outgoing::Callback(body) => journal.record_answer(id, body.clone(), now_ms),
            Outgoing::Events(events) => {
                let length = events.iter().map(EventDelivery::size).sum();
                if length > MAX_EVENT_BYTES {
                    return Err(JobsError::TooLarge {
                        what: "answer, told to all who want it,",
                        length,
                        most: MAX_EVENT_BYTES,
                    });
                }
                journal.fan_out(id, &self.jobs(outgoing), now_ms)
            }
        }
    }
}

/// Takes a step, again and again while the disk does not take it. The job stays with whoever has taken it.
///
/// # Errors
/// The step makes no sense, however often it is tried.
pub(crate) async fn retry_until_written(
    mut step: impl FnMut() -> Result<Step, JobsError>,
) -> Result<(), JobsError> {
    loop {
        let taken = match step() {
            Ok(step) => step.await,
            Err(error) => Err(error),
        };
        match taken {
            Err(JobsError::Unwritten(_) | JobsError::Store(_)) => {
                tokio::time::sleep(PERSIST_RETRY).await;
            }
            taken => return taken,
        }
    }
}
