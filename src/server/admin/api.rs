//! The API's routes.

use super::deliveries;
use super::error::ApiError;
use super::query::Query;
use super::response::{AdminResponse, json, response};
use super::{AdminServer, analytics, bots, reports};
use crate::clock;
use crate::state::jobs::{AcceptOptions, Id, Jobs, JobsError, Subject};
use crate::state::reports::{MAX_FORGOTTEN, PendingReport};
use http::{Method, Request, StatusCode};
use serde::Serialize;
use std::time::Duration;
use tokio::task;
use tokio::time::timeout;

/// How long a deletion waits for messages that are being answered.
const FORGET_TIMEOUT: Duration = Duration::from_secs(60);

const DESCRIPTION: &str = include_str!("openapi.json");

/// What was deleted of a user.
#[derive(Serialize)]
struct Deleted {
    conversations: usize,
    deliveries: usize,
    messages: usize,
    more: bool,
}

/// Answers an authorized request.
pub(super) async fn respond<B>(server: &AdminServer, request: &Request<B>) -> AdminResponse {
    let routed = route(server, request).await;
    routed.unwrap_or_else(|error| error.response())
}

async fn route<B>(server: &AdminServer, request: &Request<B>) -> Result<AdminResponse, ApiError> {
    let (path, method) = (request.uri().path(), request.method());
    let query = |known: &[&str]| Query::read(request.uri().query(), known);
    let state = server.state();
    let rest = path.strip_prefix("/api/").unwrap_or_default();
    let segments: Vec<&str> = rest.splitn(4, '/').collect();
    match segments[..] {
        ["openapi.json"] => {
            only(method, "GET, HEAD")?;
            query(&[])?;
            Ok(response(StatusCode::OK, "application/json", DESCRIPTION))
        }
        ["bots"] => {
            only(method, "GET, HEAD")?;
            query(&[])?;
            Ok(ok(&bots::list(server)))
        }
        ["bots", id, "activate"] => {
            only(method, "POST")?;
            query(&[])?;
            Ok(ok(&bots::switch(server, id, true).await?))
        }
        ["bots", id, "deactivate"] => {
            only(method, "POST")?;
            query(&[])?;
            Ok(ok(&bots::switch(server, id, false).await?))
        }
        ["bots", id, "test"] => {
            only(method, "POST")?;
            query(&[])?;
            Ok(ok(&bots::test(server, id).await?))
        }
        ["bots", bot, "analytics"] => {
            only(method, "GET, HEAD")?;
            let query = query(&["from", "to"])?;
            Ok(ok(&analytics::show(server, bot, &query).await?))
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
            retry(&state.jobs, id).await
        }
        ["messages"] => {
            only(method, "GET, HEAD")?;
            let query = query(&["bot", "cursor", "limit"])?;
            Ok(ok(&reports::list(&state.reports, &query)?))
        }
        ["subscribers", which, "test"] => {
            only(method, "POST")?;
            query(&[])?;
            let inventory = server.inventory();
            Ok(ok(&reports::test(&state.jobs, which, &inventory.subscribers).await?))
        }
        ["conversations"] => {
            only(method, "DELETE")?;
            let query = query(&["bot", "user"])?;
            forget(server, query.required("bot")?, query.required("user")?).await
        }
        _ => Err(ApiError::not_found("there is no such path; GET /api/openapi.json lists them")),
    }
}

async fn retry(jobs: &Jobs, id: &str) -> Result<AdminResponse, ApiError> {
    Ok(ok(&deliveries::retry(jobs, self::id(id)?).await?))
}

async fn forget(server: &AdminServer, bot: &str, user: &str) -> Result<AdminResponse, ApiError> {
    let state = server.state();
    // Messages being answered come first: afterwards they have ended or are deliveries.
    let forgetting = state.conversations.forget(bot, user, clock::unix_ms());
    let forgotten = timeout(FORGET_TIMEOUT, forgetting).await.map_err(|_| {
        ApiError::conflict("a message of the user is still being answered; ask again when it is")
    })??;
    let (deleted, messages) = task::block_in_place(|| {
        let (messages, PendingReport { changes, on_written: then }) =
            state.reports.forget(bot, user)?;
        let options = AcceptOptions { changes, on_written: Some(then), ..AcceptOptions::default() };
        let deleted = state.jobs.forget(Subject::of(bot, Some(user)), options)?;
        Ok::<_, JobsError>((deleted, messages))
    })?;
    deleted.step.await?;
    Ok(ok(&Deleted {
        conversations: forgotten.conversations,
        deliveries: deleted.jobs,
        messages,
        more: forgotten.more || deleted.more || messages == MAX_FORGOTTEN,
    }))
}

fn ok(value: &impl Serialize) -> AdminResponse {
    json(StatusCode::OK, value)
}

fn id(text: &str) -> Result<Id, ApiError> {
    let wrong = || ApiError::not_found("there is no such delivery: its id is no UUID");
    text.parse().map_err(|_| wrong())
}

fn only(method: &Method, allow: &'static str) -> Result<(), ApiError> {
    let allowed = allow.split(", ").any(|allowed| allowed == method.as_str());
    allowed.then_some(()).ok_or(ApiError::method_not_allowed(allow))
}
