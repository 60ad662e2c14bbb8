//! A message whose answer may come later: written as a job and then a 202, or answered at once where that is soon enough.

use super::envelope::Envelope;
use super::job::{AnswerJob, EncodedAnswer, retry_until_written};
use super::report::Report;
use super::turn::{answer_deadline, conversation_key, routing_key};
use super::{Message, PendingIdempotency};
use crate::clock;
use crate::codec::dialect::{Format, Receipt};
use crate::codec::message::Event;
use crate::net::body_budget::BodyReservation;
use crate::net::timers::Timer;
use crate::proxy::ai::candidates;
use crate::proxy::bot::DeferredReply;
use crate::proxy::context::RequestContext;
use crate::proxy::reject::Reject;
use crate::proxy::response::ResponseBody;
use crate::proxy::worker::TaskGuard;
use crate::state::idempotency::Guard;
use crate::state::jobs::{AcceptOptions, Id, Job, Jobs, JobsError, Stage, Step, Subject};
use bytes::Bytes;
use http::{Response, StatusCode};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, spawn_local, yield_now};

/// A message that may become a job.
pub(super) struct DeferredRequest<'a> {
    pub(super) reply: &'a DeferredReply,
    pub(super) event: &'a Event<'a>,
    pub(super) format: Format,
    pub(super) body: Vec<u8>,
    /// As [`Receipt::xml`].
    pub(super) xml: bool,
    /// The report that is written with it.
    pub(super) report: Option<Report>,
}

/// Answers one message, or accepts it.
pub(super) async fn answer(
    message: &Message<'_>,
    request: DeferredRequest<'_>,
    ctx: &mut RequestContext,
    hold: Option<BodyReservation>,
    guard: Option<Guard>,
) -> Result<Response<ResponseBody>, Reject> {
    let (worker, id) = (message.worker, message.id);
    let state = &worker.shared.state;
    let key = conversation_key(id, request.event);
    let candidates =
        candidates(message.settings, routing_key(id, request.event, &key, ctx.start_ns));
    let deadline_ns = answer_deadline(message.snapshot, &candidates, ctx.start_ns);
    let promised = match (message.settings.conversation, key) {
        (Some(policy), Some(key)) => {
            let (conversations, start_ms) = (&state.conversations, ctx.start_ms);
            let name = async || conversations.conversation_id(key, policy, start_ms).await;
            Some(poll_until(name, deadline_ns).await?)
        }
        _ => None,
    };
    let fresh = || <[u8; 32]>::try_from(worker.long_id().as_bytes()).unwrap_or([b'0'; 32]);
    let envelope = Envelope {
        format: request.format,
        conversation: promised.unwrap_or_else(fresh),
        message_id: match &request.report {
            Some(report) => report.id.to_string(),
            None => worker.request_id().to_str().unwrap_or_default().to_owned(),
        },
        body: request.body,
    };
    let job = AnswerJob {
        worker: worker.clone(),
        snapshot: message.snapshot.clone(),
        index: message.found.index,
        bot: id.into(),
        subject: Subject::of(id, request.event.user.id.as_deref()),
        envelope,
        accepted_ms: ctx.start_ms,
    };
    let accepted = {
        let own = request.event.conversation.as_deref().filter(|_| promised.is_none());
        let receipt = Receipt {
            bot: id,
            event: request.event,
            conversation: own.unwrap_or(job.envelope.conversation()),
            message_id: &job.envelope.message_id,
            now_ms: ctx.start_ms,
            model: None,
            latency_ms: 0,
            micro_cents: 0,
            xml: request.xml,
        };
        let mut body = Vec::new();
        message.settings.chat.encode_accepted(&receipt, &mut body);
        let status = match &request.report {
            // The acknowledgement is the same whatever follows.
            Some(_) => StatusCode::OK,
            None => StatusCode::ACCEPTED,
        };
        let body = (body.into(), message.settings.chat.content_type(&receipt));
        respond(status, body)
    };
    let target = JobTarget {
        jobs: state.jobs.clone(),
        dialect: message.found.bot.dialect.name,
        receiver: request.reply.receiver.clone(),
    };
    let pending = guard.map(|guard| PendingIdempotency::new(guard, &accepted));
    match request.reply.within {
        None => {
            let now_ms = clock::unix_ms();
            wait_until_written(match &request.report {
                Some(report) => {
                    let job = target.job(&job, false, now_ms);
                    report.accept(message, Some(job), pending, now_ms)
                }
                None => target.accept(&job, pending),
            })
            .await?;
        }
        Some(within) => {
            let soon_ns = ctx.start_ns.saturating_add(clock::nanos(within));
            let background = BackgroundAnswer::start(job, ctx.start_ns, request.xml, hold);
            let answer = background.until(soon_ns, message.timer, target, pending).await?;
            if let Some((reply, pending)) = answer {
                let response = respond(StatusCode::OK, reply);
                if let Some(pending) = pending {
                    PendingIdempotency::new(pending.guard, &response).complete();
                }
                return Ok(response);
            }
        }
    }
    ctx.set_answered_later();
    Ok(accepted)
}

/// Polls for what another worker is about to set, until `deadline_ns` of [`clock::now`].
async fn poll_until<T>(
    mut look: impl AsyncFnMut() -> Option<T>,
    deadline_ns: u64,
) -> Result<T, Reject> {
    loop {
        match look().await {
            Some(found) => return Ok(found),
            None if clock::coarse() >= deadline_ns => return Err(Reject::TurnTimeout),
            None => yield_now().await,
        }
    }
}

/// What of a job is not in its message.
struct JobTarget {
    jobs: Arc<Jobs>,
    dialect: &'static str,
    receiver: Arc<str>,
}

impl JobTarget {
    /// The job as it is written. `claimed`: whoever accepts it goes on with it.
    fn job<'a>(&'a self, job: &'a AnswerJob, claimed: bool, now_ms: u64) -> Job<'a> {
        Job {
            id: Id::new(now_ms),
            bot: &job.bot,
            subject: job.subject,
            dialect: self.dialect,
            receiver: &self.receiver,
            stage: Stage::Answer,
            body: job.envelope.write(),
            claimed,
            event: false,
        }
    }

    /// Accepts the message as a job that its caller goes on with, and waits until it is on disk.
    async fn accept_claimed(
        &self,
        job: &AnswerJob,
        pending: Option<&PendingIdempotency>,
    ) -> Result<Id, JobsError> {
        let now_ms = clock::unix_ms();
        let (job, mut along) = (self.job(job, true, now_ms), AcceptOptions::default());
        let id = job.id;
        if let Some(pending) = pending {
            along.record_response(id, &pending.record());
        }
        self.jobs.accept_with(&[job], along, now_ms)?.await?;
        Ok(id)
    }

    /// Accepts the message. `pending` is completed once it is on disk, even if whoever waits for that has left.
    fn accept(
        &self,
        job: &AnswerJob,
        pending: Option<PendingIdempotency>,
    ) -> Result<Step, JobsError> {
        let now_ms = clock::unix_ms();
        let (job, mut along) = (self.job(job, false, now_ms), AcceptOptions::default());
        if let Some(pending) = pending {
            along.record_response(job.id, &pending.record());
            along.on_written = Some(Box::new(|written| {
                if written {
                    pending.complete();
                }
            }));
        }
        self.jobs.accept_with(&[job], along, now_ms)
    }
}

/// Waits until a message is on disk.
///
/// # Errors
/// [`Reject::TooLarge`], [`Reject::NotPersisted`].
pub(super) async fn wait_until_written(accepted: Result<Step, JobsError>) -> Result<(), Reject> {
    let done = match accepted {
        Ok(step) => step.await,
        Err(error) => Err(error),
    };
    done.map_err(|error| match error {
        JobsError::TooLarge { .. } => Reject::TooLarge,
        _ => Reject::NotPersisted,
    })
}

/// An answer and its content type.
type CallbackBody = (Bytes, &'static str);
type AnswerReceiver = oneshot::Receiver<Result<EncodedAnswer, Reject>>;

/// An answer that a task of its own asks for, beside the request that waits for it. Dropped, the task ends.
struct BackgroundAnswer {
    job: Rc<AnswerJob>,
    answer: AnswerReceiver,
    /// Says that the answer is safe: it is remembered.
    safe: Option<oneshot::Sender<()>>,
    task: AbortHandle,
    _busy: TaskGuard,
}

impl Drop for BackgroundAnswer {
    fn drop(&mut self) {
        // Otherwise the answer has been handed over, and the task is about to end.
        if self.safe.is_some() {
            self.task.abort();
        }
    }
}

impl BackgroundAnswer {
    fn start(job: AnswerJob, since_ns: u64, xml: bool, hold: Option<BodyReservation>) -> Self {
        let busy = job.worker.task_guard();
        let job = Rc::new(job);
        let (tell, answer) = oneshot::channel();
        let (safe, is_safe) = oneshot::channel();
        let owned = (job.clone(), job.worker.task_guard(), hold);
        let task = spawn_local(async move {
            let (job, _busy, _hold) = owned;
            let mut tell = Some(tell);
            let handed = job.run(Some(since_ns), xml, async |answer| {
                if let Some(tell) = tell.take() {
                    let _ = tell.send(Ok(answer));
                }
                is_safe.await
            });
            if let Err(none) = handed.await
                && let Some(tell) = tell
            {
                let _ = tell.send(Err(none.reject));
            }
        });
        Self { job, answer, safe: Some(safe), task: task.abort_handle(), _busy: busy }
    }

    /// The answer, if it is there by `soon_ns`, with the `pending` it completes; otherwise the message is accepted as a job and
    /// `None`: the answer goes to the callback.
    async fn until(
        mut self,
        soon_ns: u64,
        timer: &Timer,
        target: JobTarget,
        pending: Option<PendingIdempotency>,
    ) -> Result<Option<(CallbackBody, Option<PendingIdempotency>)>, Reject> {
        timer.set(soon_ns);
        let answer = poll_fn(|cx| match Pin::new(&mut self.answer).poll(cx) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending => timer.poll(cx).map(|()| None),
        })
        .await;
        timer.clear();
        if let Some(answer) = answer {
            return Ok(Some((self.reply(answer)?, pending)));
        }
        // A task of its own goes on: the caller may leave while the job is written.
        let (tell_written, written) = oneshot::channel();
        spawn_local(async move {
            match target.accept_claimed(&self.job, pending.as_ref()).await {
                Ok(id) => {
                    if let Some(pending) = pending {
                        pending.complete();
                    }
                    let _ = tell_written.send(None);
                    self.deliver(&target.jobs, id).await;
                }
                Err(_) => {
                    let _ = tell_written.send(Some((self, pending)));
                }
            }
        });
        match written.await {
            Ok(None) => Ok(None),
            // What cannot be written is waited for.
            Ok(Some((mut background, pending))) => {
                let answer = (&mut background.answer).await;
                Ok(Some((background.reply(answer)?, pending)))
            }
            Err(_) => Err(Reject::NotPersisted),
        }
    }

    /// Tells the task that the answer is safe, so that it is remembered.
    fn settle(&mut self) {
        if let Some(safe) = self.safe.take() {
            let _ = safe.send(());
        }
    }

    fn reply(
        mut self,
        answer: Result<Result<EncodedAnswer, Reject>, oneshot::error::RecvError>,
    ) -> Result<CallbackBody, Reject> {
        let answer = answer.unwrap_or(Err(Reject::NotPersisted))?;
        self.settle();
        Ok(answer.reply)
    }

    /// Goes on with an accepted job: its answer is written, or its failure retried.
    async fn deliver(mut self, journal: &Jobs, id: Id) {
        let answer = (&mut self.answer).await;
        let took_ms = clock::unix_ms().saturating_sub(self.job.accepted_ms);
        let took = Duration::from_millis(took_ms);
        let done = match answer {
            Ok(Ok(answer)) => {
                let step = || self.job.answered(journal, id, &answer.outgoing);
                let done = retry_until_written(step).await;
                if done.is_ok() {
                    self.settle();
                }
                self.job.written(journal, id, done, took).await
            }
            Ok(Err(reject)) => self.job.failed(journal, id, 0, &reject, took).await,
            Err(_) => journal.release(id, 0, clock::unix_ms()),
        };
        if let Err(error) = done {
            tracing::error!(%id, %error, "a job is stuck until the next start");
        }
    }
}

fn respond(status: StatusCode, (body, content_type): CallbackBody) -> Response<ResponseBody> {
    ResponseBody::response(status, content_type, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn polling_ends_at_its_deadline() {
        let mut looks = 0;
        let third = async || {
            looks += 1;
            (looks == 3).then_some(looks)
        };
        assert_eq!(poll_until(third, u64::MAX).await.unwrap(), 3);
        let by = clock::now() + clock::nanos(Duration::from_millis(30));
        let never = poll_until(async || None::<()>, by).await;
        assert!(matches!(never, Err(Reject::TurnTimeout)));
        assert!(clock::now() >= by);
    }
}
