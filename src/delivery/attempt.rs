//! One attempt to deliver an answer: sent under one deadline, judged by its status, written down with what follows.

use super::Dispatcher;
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
use crate::telemetry::observer::Step;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// What is read of a receiver's response, in bytes; a longer one closes its connection.
const MAX_RESPONSE: usize = 16 * 1024;

/// What came back.
struct Answered {
    status: StatusCode,
    told: Option<Duration>,
    /// The begin of the body.
    body: Vec<u8>,
    /// How long the body took, in nanoseconds.
    took: u64,
}

impl Dispatcher {
    /// Tries to deliver a job that was taken.
    pub(super) async fn try_to_deliver(
        &self,
        id: Id,
        lane: &ReceiverQueue,
        pass: Option<Permit<Rc<Breaker>>>,
    ) -> Result<(), JobsError> {
        let journal = &self.jobs;
        let shown = journal.details(id)?.ok_or(JobsError::Unknown(id))?;
        let Some((receiver, pool)) = &lane.way else {
            let gone = "its receiver is not in the configuration any more";
            return self.give_up(id, &shown.head, gone).await;
        };
        let attempts = shown.attempts.iter();
        let made = 1 + attempts.filter(|it| it.stage == Stage::Deliver).count();
        let body = Bytes::from_owner(journal.body(id, Stage::Deliver)?);
        let (at_ms, start) = (clock::unix_ms(), clock::now());
        let attempt = receiver::Attempt {
            bot: &shown.head.bot,
            id: &id.to_string(),
            now: UnixTime::from_millis(at_ms.cast_signed()),
            body: &body,
        };
        let opening = ConnectTiming::default();
        let sent = self.send(receiver, pool, &attempt, &opening).await;
        let took = clock::now().saturating_sub(start);
        let (outcome, health) = match &sent {
            Ok(answered) => (
                Outcome::Answered { status: answered.status.as_u16(), told: answered.told },
                Health::of_status(answered.status),
            ),
            Err(Failed::Upstream(error)) => (Outcome::Failed, Health::of_error(error)),
            Err(Failed::Unsigned(_)) => (Outcome::Failed, Health::Unknown),
        };
        if let Some(pass) = pass {
            pass.record(health, clock::now());
        }
        let now_ms = clock::unix_ms();
        let next = receiver.schedule.next(made, now_ms, outcome, self.worker.random());
        let reason;
        let counts = &self.worker.shared.state.deliveries;
        let (then, count, happened) = match next {
            Next::Delivered => (NextState::Delivered, &counts.delivered, Some(Happened::Delivered)),
            Next::At(at_ms) => (NextState::Again(at_ms), &counts.failed, None),
            Next::Dead(why) => {
                reason = match &sent {
                    Err(failed) => format!("{why}; the last one: {failed}"),
                    Ok(answered) => format!("{why}; the last status: {}", answered.status.as_u16()),
                };
                tracing::warn!(%id, receiver = &*receiver.name, reason, "a message is dead-lettered");
                (NextState::Dead(&reason), &counts.dead, Some(Happened::Dead))
            }
        };
        let attempt = Attempt {
            stage: Stage::Deliver,
            at_ms,
            took: phases(took, &opening, &sent),
            status: sent.as_ref().ok().map(|answered| answered.status.as_u16()),
            error: sent.as_ref().err().map(Failed::to_string).unwrap_or_default(),
            response: sent.map(|answered| answered.body).unwrap_or_default(),
        };
        let told = match then {
            NextState::Dead(why) => self.tell(id, &shown.head, why),
            _ => Vec::new(),
        };
        let jobs = delivery_jobs(&told, &shown.head.bot, &shown.head.dialect, shown.head.subject);
        retry_until_written(|| match then {
            NextState::Dead(why) => journal.record_final_attempt(id, &attempt, why, &jobs, now_ms),
            then => journal.record_attempt(id, &attempt, then, now_ms),
        })
        .await?;
        count.fetch_add(1, Relaxed);
        if let Some(happened) = happened {
            self.happened(&shown.head, happened);
        }
        Ok(())
    }

    async fn send(
        &self,
        receiver: &Receiver,
        pool: &Rc<Pool>,
        attempt: &receiver::Attempt<'_>,
        opening: &ConnectTiming,
    ) -> Result<Answered, Failed> {
        let request = receiver
            .request(attempt, HeaderMap::new())
            .map_err(|error| Failed::Unsigned(error.to_string()))?;
        let timer: Rc<Timer> = Rc::new(self.worker.timers.timer());
        let response =
            client::send(pool, request, &timer, None, Some(opening)).await.map_err(|error| {
                pool.cells().failed(error.cause.word());
                pool.observe(|| Step::Failed {
                    word: error.cause.word(),
                    why: error.cause.to_string(),
                });
                Failed::Upstream(error)
            })?;
        let head = clock::now();
        let told = retry_after(response.headers(), clock::unix_ms());
        let status = response.status();
        Ok(Answered {
            status,
            told,
            body: begin(response.into_body()).await,
            took: clock::now().saturating_sub(head),
        })
    }
}

/// The begin of a response. Its status is its word: what becomes of the body is of no account.
async fn begin(body: UpstreamBody) -> Vec<u8> {
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

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("{}", .0.cause)]
    Upstream(UpstreamError),
    #[error("the request cannot be signed: {0}")]
    Unsigned(String),
}

/// The phases of an attempt that took so long in all, in nanoseconds.
fn phases(took: u64, opening: &ConnectTiming, sent: &Result<Answered, Failed>) -> Phases {
    let micros = |nanos: u64| u32::try_from(nanos / 1000).unwrap_or(u32::MAX);
    let (resolve, connect) = (opening.resolve.get(), opening.connect.get());
    let tls = opening.tls.get();
    let body = sent.as_ref().map_or(0, |answered| answered.took);
    let asked = match sent {
        Ok(_) => true,
        Err(Failed::Upstream(error)) => error.sent != Sent::Unsent,
        Err(Failed::Unsigned(_)) => false,
    };
    let rest = took.saturating_sub(resolve + connect + tls + body);
    Phases {
        resolve_us: micros(resolve),
        connect_us: micros(connect),
        tls_us: micros(tls),
        first_byte_us: if asked { micros(rest) } else { 0 },
        body_us: micros(body),
    }
}
