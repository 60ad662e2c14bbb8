//! One attempt to deliver an answer: sent under one deadline, classified by its status, recorded with what follows.

use super::dispatcher::Dispatcher;
use super::receiver_queue::ReceiverQueue;
use crate::clock;
use crate::codec::retry_after::retry_after;
use crate::net::client::breaker::{Breaker, Health, Permit};
use crate::net::client::{self, ConnectTiming, Pool, Sent, UpstreamBody, UpstreamError};
use crate::net::timers::Timer;
use crate::proxy::bot::receiver::{self, Next, Outcome, Receiver};
use crate::proxy::chat::{delivery_jobs, retry_until_written};
use crate::signature::UnixTime;
use crate::state::analytics::Happened;
use crate::state::jobs::{Attempt, Id, JobsError, MAX_KEPT_RESPONSE, NextState, Phases, Stage};
use crate::telemetry::observer::{self, Step};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// What is read of a receiver's response, in bytes; a longer one closes its connection.
const MAX_RESPONSE: usize = 16 * 1024;

struct ReceiverResponse {
    status: StatusCode,
    retry_after: Option<Duration>,
    /// The beginning of the body.
    body: Vec<u8>,
    /// How long the body took, in nanoseconds.
    body_ns: u64,
}

impl Dispatcher {
    /// Attempts to deliver a claimed job.
    pub(super) async fn attempt_delivery(
        &self,
        id: Id,
        queue: &ReceiverQueue,
        permit: Option<Permit<Rc<Breaker>>>,
    ) -> Result<(), JobsError> {
        let jobs = &self.jobs;
        let details = jobs.details(id)?.ok_or(JobsError::Unknown(id))?;
        let Some((receiver, pool)) = &queue.target else {
            let reason = "its receiver is not in the configuration any more";
            return self.give_up(id, &details.head, reason).await;
        };
        let attempts = details.attempts.iter();
        let number = 1 + attempts.filter(|it| it.stage == Stage::Deliver).count();
        let body = Bytes::from_owner(jobs.body(id, Stage::Deliver)?);
        let (at_ms, start) = (clock::unix_ms(), clock::now());
        let attempt = receiver::Attempt {
            bot: &details.head.bot,
            id: &id.to_string(),
            now: UnixTime::from_millis(at_ms.cast_signed()),
            body: &body,
        };
        let opening = ConnectTiming::default();
        let sent = self.send(receiver, pool, &attempt, &opening).await;
        let took = clock::now().saturating_sub(start);
        let (outcome, health) = match &sent {
            Ok(response) => (
                Outcome::Answered { status: response.status.as_u16(), told: response.retry_after },
                Health::of_status(response.status),
            ),
            Err(AttemptError::Upstream(error)) => (Outcome::Failed, Health::of_error(error)),
            Err(AttemptError::Unsigned(_)) => (Outcome::Failed, Health::Unknown),
        };
        if let Some(permit) = permit {
            permit.record(health, clock::now());
        }
        let now_ms = clock::unix_ms();
        let next = receiver.schedule.next(number, now_ms, outcome, self.worker.random());
        let reason;
        let counts = &self.worker.shared.state.deliveries;
        let (next, count, happened) = match next {
            Next::Delivered => (NextState::Delivered, &counts.delivered, Some(Happened::Delivered)),
            Next::At(at_ms) => (NextState::Again(at_ms), &counts.failed, None),
            Next::Dead(why) => {
                reason = match &sent {
                    Err(error) => format!("{why}; the last one: {error}"),
                    Ok(response) => format!("{why}; the last status: {}", response.status.as_u16()),
                };
                tracing::warn!(%id, receiver = &*receiver.name, reason, "a message is dead-lettered");
                (NextState::Dead(&reason), &counts.dead, Some(Happened::Dead))
            }
        };
        let attempt = Attempt {
            stage: Stage::Deliver,
            at_ms,
            took: phases(took, &opening, &sent),
            status: sent.as_ref().ok().map(|response| response.status.as_u16()),
            error: sent.as_ref().err().map(AttemptError::to_string).unwrap_or_default(),
            response: sent.map(|response| response.body).unwrap_or_default(),
        };
        let events = match next {
            NextState::Dead(reason) => self.dead_letter_events(id, &details.head, reason),
            _ => Vec::new(),
        };
        let head = &details.head;
        let event_jobs = delivery_jobs(&events, &head.bot, &head.dialect, head.subject);
        retry_until_written(|| match next {
            NextState::Dead(reason) => {
                jobs.record_final_attempt(id, &attempt, reason, &event_jobs, now_ms)
            }
            next => jobs.record_attempt(id, &attempt, next, now_ms),
        })
        .await?;
        count.fetch_add(1, Relaxed);
        if let Some(happened) = happened {
            self.record_analytics(head, happened);
        }
        Ok(())
    }

    async fn send(
        &self,
        receiver: &Receiver,
        pool: &Rc<Pool>,
        attempt: &receiver::Attempt<'_>,
        opening: &ConnectTiming,
    ) -> Result<ReceiverResponse, AttemptError> {
        let mut request = receiver
            .request(attempt, HeaderMap::new())
            .map_err(|error| AttemptError::Unsigned(error.to_string()))?;
        let observer = self.worker.shared.observer.as_ref();
        let observer = observer.map(|observer| observer.for_upstream(&receiver.name));
        request.set_observer(observer.clone());
        let timer: Rc<Timer> = Rc::new(self.worker.timers.timer());
        let response =
            client::send(pool, request, &timer, None, Some(opening)).await.map_err(|error| {
                pool.cells().failed(error.cause.word());
                observer::record(observer.as_ref(), || Step::Failed {
                    word: error.cause.word(),
                    why: error.cause.to_string(),
                });
                AttemptError::Upstream(error)
            })?;
        let head = clock::now();
        let retry_after = retry_after(response.headers(), clock::unix_ms());
        let status = response.status();
        Ok(ReceiverResponse {
            status,
            retry_after,
            body: read_beginning(response.into_body()).await,
            body_ns: clock::now().saturating_sub(head),
        })
    }
}

/// The beginning of a response. Only the status decides: a body that fails is cut short.
async fn read_beginning(body: UpstreamBody) -> Vec<u8> {
    let mut read = Vec::new();
    match body {
        UpstreamBody::Whole(bytes) => read.extend_from_slice(&bytes),
        UpstreamBody::Streaming(mut body) => {
            while read.len() < MAX_RESPONSE
                && let Some(Ok(piece)) = poll_fn(|cx| body.poll_data(cx)).await
            {
                read.extend_from_slice(&piece);
            }
        }
    }
    read.truncate(MAX_KEPT_RESPONSE);
    read
}

#[derive(Debug, thiserror::Error)]
enum AttemptError {
    #[error("{}", .0.cause)]
    Upstream(UpstreamError),
    #[error("the request cannot be signed: {0}")]
    Unsigned(String),
}

/// The phases of an attempt that took `took` nanoseconds in all.
fn phases(
    took: u64,
    opening: &ConnectTiming,
    sent: &Result<ReceiverResponse, AttemptError>,
) -> Phases {
    let micros = |nanos: u64| u32::try_from(nanos / 1000).unwrap_or(u32::MAX);
    let (resolve, connect) = (opening.resolve.get(), opening.connect.get());
    let tls = opening.tls.get();
    let body = sent.as_ref().map_or(0, |response| response.body_ns);
    let was_sent = match sent {
        Ok(_) => true,
        Err(AttemptError::Upstream(error)) => error.sent != Sent::Unsent,
        Err(AttemptError::Unsigned(_)) => false,
    };
    let rest = took.saturating_sub(resolve + connect + tls + body);
    Phases {
        resolve_us: micros(resolve),
        connect_us: micros(connect),
        tls_us: micros(tls),
        first_byte_us: if was_sent { micros(rest) } else { 0 },
        body_us: micros(body),
    }
}
