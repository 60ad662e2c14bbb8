//! The API: which path does what.

use super::deliveries;
use super::error::Fault;
use super::query::Query;
use super::response::{Answer, answer, json};
use super::{AdminServer, analytics, bots, reports};
use crate::clock;
use crate::state::jobs::{AcceptOptions, Id, Jobs, JobsError, Subject};
use crate::state::reports::{MAX_FORGOTTEN, PendingReport};
use http::{Method, Request, StatusCode};
use serde::Serialize;
use std::time::Duration;
use tokio::task;
use tokio::time::timeout;

/// How long somebody who asks to be forgotten waits for messages that are being answered.
const FORGET_TIMEOUT: Duration = Duration::from_secs(60);

/// Its own description.
const DESCRIPTION: &str = include_str!("openapi.json");

/// What was forgotten of a user.
#[derive(Serialize)]
struct Forgot {
    conversations: usize,
    deliveries: usize,
    messages: usize,
    more: bool,
}

/// Answers a request whose sender was proven.
pub(super) async fn api<B>(desk: &AdminServer, request: &Request<B>) -> Answer {
    let answered = route(desk, request).await;
    answered.unwrap_or_else(|fault| fault.answer())
}

async fn route<B>(desk: &AdminServer, request: &Request<B>) -> Result<Answer, Fault> {
    let (path, method) = (request.uri().path(), request.method());
    let query = |known: &[&str]| Query::read(request.uri().query(), known);
    let state = desk.state();
    let rest = path.strip_prefix("/api/").unwrap_or_default();
    let segments: Vec<&str> = rest.splitn(4, '/').collect();
    match segments[..] {
        ["openapi.json"] => {
            only(method, "GET, HEAD")?;
            query(&[])?;
            Ok(answer(StatusCode::OK, "application/json", DESCRIPTION))
        }
        ["bots"] => {
            only(method, "GET, HEAD")?;
            query(&[])?;
            Ok(ok(&bots::list(desk)))
        }
        ["bots", id, "activate"] => {
            only(method, "POST")?;
            query(&[])?;
            Ok(ok(&bots::switch(desk, id, true).await?))
        }
        ["bots", id, "deactivate"] => {
            only(method, "POST")?;
            query(&[])?;
            Ok(ok(&bots::switch(desk, id, false).await?))
        }
        ["bots", id, "test"] => {
            only(method, "POST")?;
            query(&[])?;
            Ok(ok(&bots::test(desk, id).await?))
        }
        ["bots", bot, "analytics"] => {
            only(method, "GET, HEAD")?;
            let query = query(&["from", "to"])?;
            Ok(ok(&analytics::show(desk, bot, &query).await?))
        }
        ["deliveries"] => {
            only(method, "GET, HEAD")?;
            let query = query(&["status", "bot", "cursor", "limit"])?;
            Ok(ok(&deliveries::list(&state.jobs, &query).await?))
        }
        ["deliveries", "retry"] => {
            only(method, "POST")?;
            let query = query(&["status", "bot", "cursor"])?;
            Ok(ok(&deliveries::retry_all(&state.jobs, &query).await?))
        }
        ["deliveries", id] => {
            only(method, "GET, HEAD")?;
            let query = query(&["body"])?;
            let (id, body) = (self::id(id)?, query.flag("body")?);
            Ok(ok(&deliveries::show(&state.jobs, id, body).await?))
        }
        ["deliveries", id, "retry"] => {
            only(method, "POST")?;
            query(&[])?;
            one(&state.jobs, id).await
        }
        ["messages"] => {
            only(method, "GET, HEAD")?;
            let query = query(&["bot", "cursor", "limit"])?;
            Ok(ok(&reports::list(&state.reports, &query)?))
        }
        ["subscribers", which, "test"] => {
            only(method, "POST")?;
            query(&[])?;
            let house = desk.house();
            Ok(ok(&reports::test(&state.jobs, which, &house.subscribers).await?))
        }
        ["conversations"] => {
            only(method, "DELETE")?;
            let query = query(&["bot", "user"])?;
            forget(desk, query.need("bot")?, query.need("user")?).await
        }
        _ => Err(Fault::missing("there is no such path; GET /api/openapi.json lists them")),
    }
}

async fn one(jobs: &Jobs, id: &str) -> Result<Answer, Fault> {
    Ok(ok(&deliveries::retry(jobs, self::id(id)?).await?))
}

async fn forget(desk: &AdminServer, bot: &str, user: &str) -> Result<Answer, Fault> {
    let state = desk.state();
    // First what is being answered, so that it has ended, or is a delivery that says so.
    let forgetting = state.conversations.forget(bot, user, clock::unix_ms());
    let forgotten = timeout(FORGET_TIMEOUT, forgetting).await.map_err(|_| {
        Fault::conflict("a message of the user is still being answered; ask again when it is")
    })??;
    let (going, messages) = task::block_in_place(|| {
        let (messages, PendingReport { changes, on_written: then }) =
            state.reports.forget(bot, user)?;
        let along = AcceptOptions { changes, on_written: Some(then), ..AcceptOptions::default() };
        let going = state.jobs.forget(Subject::of(bot, Some(user)), along)?;
        Ok::<_, JobsError>((going, messages))
    })?;
    going.step.await?;
    Ok(ok(&Forgot {
        conversations: forgotten.conversations,
        deliveries: going.jobs,
        messages,
        more: forgotten.more || going.more || messages == MAX_FORGOTTEN,
    }))
}

fn ok(value: &impl Serialize) -> Answer {
    json(StatusCode::OK, value)
}

fn id(text: &str) -> Result<Id, Fault> {
    let wrong = || Fault::missing("there is no such delivery: its id is no UUID");
    text.parse().map_err(|_| wrong())
}

fn only(method: &Method, allow: &'static str) -> Result<(), Fault> {
    let allowed = allow.split(", ").any(|allowed| allowed == method.as_str());
    allowed.then_some(()).ok_or(Fault::method(allow))
}
