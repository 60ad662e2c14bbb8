//! A message whose answer may come later: on disk first and then a 202, or answered at once where that is soon enough.

use super::envelope::Envelope;
use super::job::{AnswerJob, Bodies, retry_until_written};
use super::report::Report;
use super::turn::{answer_deadline, conversation_key, routing_key};
use super::{Message, PendingIdempotency, keep};
use crate::clock;
use crate::codec::dialect::{Format, Receipt};
use crate::codec::message::Event;
use crate::net::body_budget::Hold;
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
use http::{HeaderValue, Response, StatusCode, header};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, spawn_local, yield_now};

/// A message and how it may be answered.
pub(super) struct DeferredRequest<'a> {
    pub(super) later: &'a DeferredReply,
    pub(super) event: &'a Event<'a>,
    pub(super) format: Format,
    /// As it came.
    pub(super) body: Vec<u8>,
    /// As [`Receipt::xml`].
    pub(super) xml: bool,
    /// What else follows from it.
    pub(super) report: Option<Report>,
}

/// Answers one message, or accepts it.
pub(super) async fn answer(
    message: &Message<'_>,
    said: DeferredRequest<'_>,
    ctx: &mut RequestContext,
    hold: Option<Hold>,
    guard: Option<Guard>,
) -> Result<Response<ResponseBody>, Reject> {
    let (worker, id) = (message.worker, message.id);
    let state = &worker.shared.state;
    let key = conversation_key(id, said.event);
    let candidates = candidates(message.settings, routing_key(id, said.event, &key, ctx.start_ns));
    let by = answer_deadline(message.snapshot, &candidates, ctx.start_ns);
    let named = match (message.settings.conversation, key) {
        (Some(policy), Some(key)) => {
            let name = || state.conversations.conversation_id(key, policy, ctx.start_ms);
            Some(known(name, by).await?)
        }
        _ => None,
    };
    let fresh = || <[u8; 32]>::try_from(worker.long_id().as_bytes()).unwrap_or([b'0'; 32]);
    let envelope = Envelope {
        format: said.format,
        conversation: named.unwrap_or_else(fresh),
        message_id: match &said.report {
            Some(report) => report.id.to_string(),
            None => worker.request_id().to_str().unwrap_or_default().to_owned(),
        },
        body: said.body,
    };
    let errand = AnswerJob {
        worker: worker.clone(),
        snapshot: message.snapshot.clone(),
        index: message.found.index,
        bot: id.into(),
        subject: Subject::of(id, said.event.user.id.as_deref()),
        envelope,
        accepted_ms: ctx.start_ms,
    };
    let accepted = {
        let own = said.event.conversation.as_deref().filter(|_| named.is_none());
        let receipt = Receipt {
            bot: id,
            event: said.event,
            conversation: own.unwrap_or(errand.envelope.conversation()),
            message_id: &errand.envelope.message_id,
            now_ms: ctx.start_ms,
            model: None,
            latency_ms: 0,
            micro_cents: 0,
            xml: said.xml,
        };
        let mut body = Vec::new();
        message.settings.chat.encode_accepted(&receipt, &mut body);
        let status = match &said.report {
            // The acknowledgement is the same whatever follows.
            Some(_) => StatusCode::OK,
            None => StatusCode::ACCEPTED,
        };
        let body = (body.into(), message.settings.chat.content_type(&receipt));
        response(status, body)
    };
    let place = Place {
        jobs: state.jobs.clone(),
        dialect: message.found.bot.dialect.name,
        receiver: said.later.receiver.clone(),
    };
    let promise = guard.map(|guard| PendingIdempotency::new(guard, &accepted));
    match said.later.within {
        None => {
            let now_ms = clock::unix_ms();
            done(match &said.report {
                Some(report) => {
                    let job = place.job(&errand, false, now_ms);
                    report.accept(message, Some(job), promise, now_ms)
                }
                None => place.hand_in(&errand, promise),
            })
            .await?;
        }
        Some(within) => {
            let soon = ctx.start_ns.saturating_add(clock::nanos(within));
            let exchange = Exchange::start(errand, by, said.xml, hold);
            let told = exchange.until(soon, message.timer, place, promise).await?;
            if let Some((reply, promise)) = told {
                let response = response(StatusCode::OK, reply);
                if let Some(promise) = promise {
                    keep(promise.guard, &response);
                }
                return Ok(response);
            }
        }
    }
    ctx.set_answered_later();
    Ok(accepted)
}

/// What another worker is about to know, until this time in nanoseconds of [`clock::now`].
async fn known<T>(mut look: impl FnMut() -> Option<T>, by: u64) -> Result<T, Reject> {
    loop {
        match look() {
            Some(known) => return Ok(known),
            None if clock::coarse() >= by => return Err(Reject::TurnTimeout),
            None => yield_now().await,
        }
    }
}

/// Where a message is accepted.
struct Place {
    jobs: Arc<Jobs>,
    dialect: &'static str,
    receiver: Arc<str>,
}

impl Place {
    /// What has the message answered. `held`: whoever accepts it goes on with it.
    fn job<'a>(&'a self, errand: &'a AnswerJob, held: bool, now_ms: u64) -> Job<'a> {
        Job {
            id: Id::new(now_ms),
            bot: &errand.bot,
            subject: errand.subject,
            dialect: self.dialect,
            receiver: &self.receiver,
            stage: Stage::Answer,
            body: errand.envelope.write(),
            claimed: held,
            event: false,
        }
    }

    /// Has the message put on disk, by whoever goes on with it.
    async fn accept(
        &self,
        errand: &AnswerJob,
        promise: Option<&PendingIdempotency>,
    ) -> Result<Id, JobsError> {
        let now_ms = clock::unix_ms();
        let (job, mut along) = (self.job(errand, true, now_ms), AcceptOptions::default());
        let id = job.id;
        if let Some(promise) = promise {
            along.record_response(id, &promise.repeat());
        }
        self.jobs.accept_with(&[job], along, now_ms)?.await?;
        Ok(id)
    }

    /// Has it put on disk by whoever may leave before that: what is promised is kept without him.
    fn hand_in(
        &self,
        errand: &AnswerJob,
        promise: Option<PendingIdempotency>,
    ) -> Result<Step, JobsError> {
        let now_ms = clock::unix_ms();
        let (job, mut along) = (self.job(errand, false, now_ms), AcceptOptions::default());
        if let Some(promise) = promise {
            along.record_response(job.id, &promise.repeat());
            along.on_written = Some(Box::new(|written| {
                if written {
                    promise.keep();
                }
            }));
        }
        self.jobs.accept_with(&[job], along, now_ms)
    }
}

/// Waits until a message is on disk.
pub(super) async fn done(accepted: Result<Step, JobsError>) -> Result<(), Reject> {
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
type Told = oneshot::Receiver<Result<Bodies, Reject>>;

/// An exchange that goes on beside the one who waits for it. Dropped, it ends.
struct Exchange {
    errand: Rc<AnswerJob>,
    /// What came of it.
    told: Told,
    /// Says that the answer is safe: it is remembered.
    safe: Option<oneshot::Sender<()>>,
    task: AbortHandle,
    _busy: TaskGuard,
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // Its answer has been told; the rest takes no time.
        if self.safe.is_some() {
            self.task.abort();
        }
    }
}

impl Exchange {
    fn start(errand: AnswerJob, by: u64, xml: bool, hold: Option<Hold>) -> Self {
        let busy = errand.worker.task_guard();
        let errand = Rc::new(errand);
        let (tell, told) = oneshot::channel();
        let (safe, is_safe) = oneshot::channel();
        let theirs = (errand.clone(), errand.worker.task_guard(), hold);
        let task = spawn_local(async move {
            let (errand, _busy, _hold) = theirs;
            let mut tell = Some(tell);
            let handed = errand.run(Some(by), xml, async |bodies| {
                if let Some(tell) = tell.take() {
                    let _ = tell.send(Ok(bodies));
                }
                is_safe.await.is_ok()
            });
            if let Err(none) = handed.await
                && let Some(tell) = tell
            {
                let _ = tell.send(Err(none.reject));
            }
        });
        Self { errand, told, safe: Some(safe), task: task.abort_handle(), _busy: busy }
    }

    /// The answer, if it is there by `soon`, and what is not promised then; else the message is accepted, and the answer goes to
    /// the callback.
    async fn until(
        mut self,
        soon: u64,
        timer: &Timer,
        place: Place,
        promise: Option<PendingIdempotency>,
    ) -> Result<Option<(CallbackBody, Option<PendingIdempotency>)>, Reject> {
        timer.set(soon);
        let told = poll_fn(|cx| match Pin::new(&mut self.told).poll(cx) {
            Poll::Ready(told) => Poll::Ready(Some(told)),
            Poll::Pending => timer.poll(cx).map(|()| None),
        })
        .await;
        timer.clear();
        if let Some(told) = told {
            return Ok(Some((self.reply(told)?, promise)));
        }
        // From here on it is another task's: the caller may leave between the disk's word and ours.
        let (say, heard) = oneshot::channel();
        spawn_local(async move {
            match place.accept(&self.errand, promise.as_ref()).await {
                Ok(id) => {
                    if let Some(promise) = promise {
                        promise.keep();
                    }
                    let _ = say.send(None);
                    self.deliver(&place.jobs, id).await;
                }
                Err(_) => {
                    let _ = say.send(Some((self, promise)));
                }
            }
        });
        match heard.await {
            Ok(None) => Ok(None),
            // What cannot be kept is waited for.
            Ok(Some((mut exchange, promise))) => {
                let told = (&mut exchange.told).await;
                Ok(Some((exchange.reply(told)?, promise)))
            }
            Err(_) => Err(Reject::NotPersisted),
        }
    }

    /// Whoever answers says that the answer is out.
    fn settle(&mut self) {
        if let Some(safe) = self.safe.take() {
            let _ = safe.send(());
        }
    }

    fn reply(
        mut self,
        told: Result<Result<Bodies, Reject>, oneshot::error::RecvError>,
    ) -> Result<CallbackBody, Reject> {
        let bodies = told.unwrap_or(Err(Reject::NotPersisted))?;
        self.settle();
        Ok(bodies.reply)
    }

    /// Goes on with a message that is accepted: its answer goes to disk, a failure to whoever tries again.
    async fn deliver(mut self, journal: &Jobs, id: Id) {
        let told = (&mut self.told).await;
        let took_ms = clock::unix_ms().saturating_sub(self.errand.accepted_ms);
        let took = Duration::from_millis(took_ms);
        let done = match told {
            Ok(Ok(bodies)) => {
                let step = || self.errand.answered(journal, id, &bodies.way);
                let done = retry_until_written(step).await;
                if done.is_ok() {
                    self.settle();
                }
                self.errand.kept(journal, id, done, took).await
            }
            Ok(Err(reject)) => self.errand.failed(journal, id, 0, &reject, took).await,
            Err(_) => journal.release(id, 0, clock::unix_ms()),
        };
        if let Err(error) = done {
            tracing::error!(%id, %error, "a job is stuck until the next start");
        }
    }
}

fn response(
    status: StatusCode,
    (body, content_type): (Bytes, &'static str),
) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::full(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_another_worker_is_about_to_know_is_not_waited_for_beyond_its_time() {
        let mut looks = 0;
        let third = || {
            looks += 1;
            (looks == 3).then_some(looks)
        };
        assert_eq!(known(third, u64::MAX).await.unwrap(), 3);
        let by = clock::now() + clock::nanos(Duration::from_millis(30));
        let never = known(|| None::<()>, by).await;
        assert!(matches!(never, Err(Reject::TurnTimeout)));
        assert!(clock::now() >= by);
    }
}
