//! A message that is answered whether or not its caller waits: asked, remembered once its answer is safe, tried again, given up.

use super::envelope::Envelope;
use super::event_jobs::{EventDelivery, delivery_jobs, event_deliveries};
use super::turn::{answer_deadline, conversation_key, routing_key, wait_for_turn};
use crate::clock;
use crate::codec::bot_event::{self, EventType};
use crate::codec::dialect::{Chat, Receipt};
use crate::codec::message::{Answer, Event, Role, Turn};
use crate::codec::price::MicroCents;
use crate::proxy::ai::{AiResponse, ChatRequest, ask, candidates};
use crate::proxy::bot::{ChatSettings, DeferredReply, Handler};
use crate::proxy::context::RequestContext;
use crate::proxy::reject::Reject;
use crate::proxy::worker::{ConfigSnapshot, Worker};
use crate::state::conversation::TurnGuard;
use crate::state::jobs::{Id, Job, Jobs, JobsError, Step, Subject};
use crate::state::store::MAX_DURABLE_BYTES;
use bytes::Bytes;
use http::HeaderMap;
use serde_json::value::RawValue;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How long a message waits whose conversation has as many waiting as may, in milliseconds.
const CONVERSATION_FULL_MS: u32 = 1_000;
/// After how long the disk is asked again to take what it did not.
const PERSIST_RETRY: Duration = Duration::from_secs(1);
/// The most that an answer may come to in the letters to all who are told it, in bytes: they are one change to the disk.
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
    asked: bool,
}

impl From<Reject> for Unanswered {
    fn from(reject: Reject) -> Self {
        let asked = false;
        Self { reject, asked }
    }
}

/// An answer in the two forms that it may leave in.
#[derive(Debug)]
pub(super) struct Bodies {
    /// As the response, and its content type.
    pub(super) reply: (Bytes, &'static str),
    /// To whoever it leaves for.
    pub(super) way: Sent,
}

/// An answer on its way.
#[derive(Debug)]
pub(super) enum Sent {
    /// To the callback.
    Callback(Arc<[u8]>),
    /// To all who want to be told.
    Letters(Vec<EventDelivery>),
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
        let mut kept = Ok(());
        let start = clock::now();
        let said = self
            .run(None, false, async |bodies| {
                let step = || self.answered(journal, id, &bodies.way);
                kept = retry_until_written(step).await;
                kept.is_ok()
            })
            .await;
        let now_ms = clock::unix_ms();
        let in_time = now_ms < self.patience_ends_ms(since_ms);
        let took = Duration::from_nanos(clock::now().saturating_sub(start));
        match said {
            Ok(()) => self.kept(journal, id, kept, took).await?,
            Err(none) if none.reject.has_no_connection() && !none.asked && in_time => {
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

    /// Asks. `hand_over` gets the answer and says whether it is safe; only then it is remembered. `by` is when the answer must be
    /// there, the turn included; without one it has the first AI's total, once it has its turn. `xml`: as [`Receipt::xml`].
    pub(super) async fn run(
        &self,
        by_when: Option<u64>,
        xml: bool,
        hand_over: impl AsyncFnOnce(Bodies) -> bool,
    ) -> Result<(), Unanswered> {
        let (settings, _) = self.settings()?;
        let (worker, snapshot, id) = (&self.worker, &self.snapshot, &*self.bot);
        let mut ctx = RequestContext::for_job(worker, snapshot, self.index, &self.bot);
        let mut room = worker.buffer();
        room.extend_from_slice(&self.envelope.body);
        let event = settings.chat.decode(self.envelope.format, &mut room);
        let event = event.map_err(Reject::Malformed)?;
        let timer = Rc::new(worker.timers.timer());
        let key = conversation_key(id, &event);
        let candidates = candidates(settings, routing_key(id, &event, &key, ctx.start_ns));
        let mut held = match (settings.conversation, key) {
            (Some(policy), Some(key)) => {
                let now_ms = clock::unix_ms();
                let limit = by_when.unwrap_or(u64::MAX);
                let turn = wait_for_turn(
                    &timer,
                    &worker.shared.state.conversations,
                    key,
                    policy,
                    limit,
                    now_ms,
                );
                let mut held = turn.await?;
                held.adopt(self.envelope.conversation);
                Some(held)
            }
            _ => None,
        };
        let conversation = self.conversation(held.as_ref(), &event).to_owned();
        let (answer, micro_cents) = {
            let history: Vec<Turn<'_>> = held.iter().flat_map(TurnGuard::history).collect();
            let question = ChatRequest {
                worker,
                snapshot,
                settings,
                timer: &timer,
                bot: id,
                event: &event,
                conversation: settings.chat.keeps_history().then_some(&conversation),
                history: &history,
                by: by_when.unwrap_or_else(|| answer_deadline(snapshot, &candidates, clock::now())),
            };
            let spoken = ask(&question, &candidates, &mut ctx, &mut HeaderMap::new()).await;
            let spoken = spoken.map_err(|reject| {
                ctx.unanswered(&reject);
                let asked = ctx.ai_asked;
                Unanswered { reject, asked }
            });
            match spoken? {
                AiResponse::Whole(answer, micro_cents) => (answer, micro_cents),
                // A bot that streams answers at once: the configuration sees to it.
                AiResponse::Pieces(_) => return Err(Reject::NotFound.into()),
            }
        };
        let bodies = self.bodies(settings.chat, &event, &conversation, &answer, micro_cents, xml);
        if hand_over(bodies).await
            && let Some(held) = held.take()
            && let Some(asked) = event.turns.last()
        {
            let said = Turn::text(Role::Assistant, &*answer.text);
            let metadata = event.metadata.as_deref().map(RawValue::get);
            held.append(asked, &said, metadata, clock::unix_ms());
        }
        Ok(())
    }

    /// The id of the conversation: the one it is, the platform's own, or the one that was told.
    pub(super) fn conversation<'a>(
        &'a self,
        held: Option<&'a TurnGuard>,
        event: &'a Event<'_>,
    ) -> &'a str {
        match (held, event.conversation.as_deref()) {
            (Some(held), _) => held.id(),
            (None, Some(own)) => own,
            (None, None) => self.envelope.conversation(),
        }
    }

    pub(super) fn bodies(
        &self,
        chat: &dyn Chat,
        event: &Event<'_>,
        conversation: &str,
        answer: &Answer<'_>,
        micro_cents: MicroCents,
        xml: bool,
    ) -> Bodies {
        let now_ms = clock::unix_ms();
        let receipt = Receipt {
            bot: &self.bot,
            event,
            conversation,
            message_id: &self.envelope.message_id,
            now_ms,
            model: None,
            latency_ms: now_ms.saturating_sub(self.accepted_ms),
            micro_cents,
            xml,
        };
        let mut reply = Vec::new();
        chat.encode(answer, &receipt, &mut reply);
        let way = if chat.acknowledges() {
            let id = self.worker.request_id();
            let id = id.to_str().unwrap_or_default();
            self.letters(EventType::Sent, |envelope, out| {
                bot_event::sent(envelope, id, answer, event, out);
            })
        } else {
            let mut callback = Vec::new();
            chat.encode_callback(answer, &receipt, &mut callback);
            Sent::Callback(callback.into())
        };
        Bodies { reply: (reply.into(), chat.content_type(&receipt)), way }
    }

    pub(super) fn letters(
        &self,
        kind: EventType,
        write: impl Fn(&bot_event::Envelope<'_>, &mut Vec<u8>),
    ) -> Sent {
        let registry = &self.snapshot.registry;
        let now_ms = clock::unix_ms();
        Sent::Letters(event_deliveries(registry, kind, &self.bot, now_ms, write))
    }

    pub(super) fn jobs<'a>(&'a self, sent: &'a Sent) -> Vec<Job<'a>> {
        let bot = self.snapshot.registry.bots().get(self.index);
        let dialect = bot.map_or("", |bot| bot.dialect.name);
        match sent {
            Sent::Letters(letters) => delivery_jobs(letters, &self.bot, dialect, self.subject),
            Sent::Callback(_) => Vec::new(),
        }
    }

    /// The step of a job that has its answer.
    ///
    /// # Errors
    /// The journal does not know the job like that, or the answer is larger than it takes.
    pub(super) fn answered(&self, journal: &Jobs, id: Id, way: &Sent) -> Result<Step, JobsError> {
        let now_ms = clock::unix_ms();
        match way {
            Sent::Callback(body) => journal.record_answer(id, body.clone(), now_ms),
            Sent::Letters(letters) => {
                let length = letters.iter().map(EventDelivery::size).sum();
                if length > MAX_EVENT_BYTES {
                    return Err(JobsError::TooLarge {
                        what: "answer, told to all who want it,",
                        length,
                        most: MAX_EVENT_BYTES,
                    });
                }
                journal.fan_out(id, &self.jobs(way), now_ms)
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
