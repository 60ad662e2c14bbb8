//! The API's deliveries: lists without message texts, one with its attempts, retries of dead ones.

use super::error::ApiError;
use super::query::Query;
use crate::clock;
use crate::state::jobs::{Attempt, Filter, Head, Id, JobState, Jobs, JobsError, Phases, Stage};
use serde::Serialize;
use tokio::task;

/// Dead jobs retried by one request.
pub const MAX_RETRIES_PER_CALL: usize = 100;

/// A page of a list.
#[derive(Serialize)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    pub(super) next: Option<String>,
}

/// A job. Times are RFC 3339 in UTC, null for what has not happened.
#[derive(Serialize)]
pub(super) struct Delivery {
    id: String,
    status: &'static str,
    bot: String,
    dialect: String,
    receiver: String,
    reason: Option<String>,
    attempts: u32,
    bytes: u32,
    accepted_at: Option<String>,
    answered_at: Option<String>,
    ended_at: Option<String>,
    next_attempt_at: Option<String>,
}

#[derive(Serialize)]
pub(super) struct DeliveryDetail {
    #[serde(flatten)]
    delivery: Delivery,
    tries: Vec<AttemptView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Option<String>>,
}

#[derive(Serialize)]
struct AttemptView {
    to: &'static str,
    at: Option<String>,
    status: Option<u16>,
    error: Option<String>,
    response: String,
    took_us: PhaseTimes,
}

/// In microseconds; for an attempt to answer only the total.
#[derive(Default, Serialize)]
struct PhaseTimes {
    resolve: u32,
    connect: u32,
    tls: u32,
    first_byte: u32,
    body: u32,
    total: u64,
}

#[derive(Serialize)]
pub(super) struct Retried {
    retried: usize,
    next: Option<String>,
}

pub(super) async fn list(jobs: &Jobs, query: &Query<'_>) -> Result<Page<Delivery>, ApiError> {
    let filter = Filter { state: query.status()?, bot: query.get("bot").map(str::to_owned) };
    let (cursor, limit) = (query.cursor()?, query.limit()?);
    let page = task::block_in_place(|| jobs.list(&filter, cursor, limit))?;
    let items = page.items.into_iter();
    Ok(Page {
        items: items.map(|found| delivery(found.id, found.head)).collect(),
        next: page.next.map(|id| id.to_string()),
    })
}

/// One job with its attempts and, on request, the body that is delivered.
pub(super) async fn show(jobs: &Jobs, id: Id, with_body: bool) -> Result<DeliveryDetail, ApiError> {
    let shown = task::block_in_place(|| jobs.details(id))?;
    let shown = shown.ok_or(JobsError::Unknown(id))?;
    let body = if with_body {
        match task::block_in_place(|| jobs.body(id, Stage::Deliver)) {
            Ok(body) => Some(Some(String::from_utf8_lossy(&body).into_owned())),
            Err(JobsError::Unknown(_)) => Some(None),
            Err(error) => return Err(error.into()),
        }
    } else {
        None
    };
    Ok(DeliveryDetail {
        delivery: delivery(id, shown.head),
        tries: shown.attempts.into_iter().map(attempt).collect(),
        body,
    })
}

/// Retries a dead job and shows it.
pub(super) async fn retry(jobs: &Jobs, id: Id) -> Result<DeliveryDetail, ApiError> {
    task::block_in_place(|| jobs.retry(id, clock::unix_ms()))?.await?;
    show(jobs, id, false).await
}

/// Retries up to [`MAX_RETRIES_PER_CALL`] dead jobs.
pub(super) async fn retry_all(jobs: &Jobs, query: &Query<'_>) -> Result<Retried, ApiError> {
    if query.status()? != Some(JobState::Dead) {
        let error = "only dead deliveries can be retried; write status=dead";
        return Err(ApiError::invalid(error));
    }
    let filter = Filter { state: Some(JobState::Dead), bot: query.get("bot").map(str::to_owned) };
    let cursor = query.cursor()?;
    let page = task::block_in_place(|| jobs.list(&filter, cursor, MAX_RETRIES_PER_CALL))?;
    let (mut steps, mut failed, mut last) = (Vec::new(), None, cursor);
    for found in page.items {
        match task::block_in_place(|| jobs.retry(found.id, clock::unix_ms())) {
            Ok(step) => steps.push(step),
            // Another request was faster, or retention has deleted it.
            Err(JobsError::Order { .. } | JobsError::Unknown(_)) => {}
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
        last = Some(found.id);
    }
    let mut retried = 0;
    for step in steps {
        step.await?;
        retried += 1;
    }
    let next = match failed {
        None => page.next,
        Some(error) if retried == 0 => return Err(error.into()),
        Some(_) => last,
    };
    Ok(Retried { retried, next: next.map(|id| id.to_string()) })
}

fn delivery(id: Id, head: Head) -> Delivery {
    Delivery {
        id: id.to_string(),
        status: head.state().word(),
        bytes: head.size(),
        attempts: head.attempts,
        accepted_at: time(head.accepted_ms),
        answered_at: time(head.answered_ms),
        ended_at: time(head.ended_ms),
        next_attempt_at: head.end.is_none().then(|| time(head.next_ms)).flatten(),
        reason: Some(head.reason).filter(|reason| !reason.is_empty()),
        bot: head.bot,
        dialect: head.dialect,
        receiver: head.receiver,
    }
}

fn attempt(attempt: Attempt) -> AttemptView {
    let Phases {
        resolve_us: resolve,
        connect_us: connect,
        tls_us: tls,
        first_byte_us: first_byte,
        body_us: body,
    } = attempt.took;
    let phases = [resolve, connect, tls, first_byte, body];
    let total = phases.into_iter().map(u64::from).sum();
    AttemptView {
        to: match attempt.stage {
            Stage::Answer => "answer",
            Stage::Deliver => "deliver",
        },
        at: time(attempt.at_ms),
        status: attempt.status,
        error: Some(attempt.error).filter(|error| !error.is_empty()),
        response: String::from_utf8_lossy(&attempt.response).into_owned(),
        took_us: match attempt.stage {
            Stage::Answer => PhaseTimes { total, ..PhaseTimes::default() },
            Stage::Deliver => PhaseTimes { resolve, connect, tls, first_byte, body, total },
        },
    }
}

/// RFC 3339 to the millisecond; `None` for 0.
fn time(unix_ms: u64) -> Option<String> {
    let at = jiff::Timestamp::from_millisecond(i64::try_from(unix_ms).ok()?).ok()?;
    (unix_ms > 0).then(|| format!("{at:.3}"))
}
