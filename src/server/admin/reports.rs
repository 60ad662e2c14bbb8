//! The API's reports, page by page, and a test event for a subscriber.

use super::deliveries::Page;
use super::error::ApiError;
use super::query::Query;
use crate::clock;
use crate::codec::bot_event::{Envelope, received};
use crate::codec::message::{Event, MessageType, OneOrMany, Role, Turn};
use crate::state::jobs::{Id, Job, Jobs, Stage, Subject};
use crate::state::reports::Reports;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::task;

/// The bot in a test event.
const BOT: &str = "botgate-test";
const CONTENT: &str = "A test of this webhook";

/// A test event that was accepted.
#[derive(Serialize)]
pub(super) struct TestDelivery {
    pub(super) delivery: String,
}

pub(super) fn list(reports: &Reports, query: &Query<'_>) -> Result<Page<Box<RawValue>>, ApiError> {
    let (bot, cursor, limit) = (query.get("bot"), query.cursor()?, query.limit()?);
    let page = task::block_in_place(|| reports.list(bot, cursor, limit))
        .map_err(|error| ApiError::internal(error.to_string()))?;
    let items = page.items.into_iter().map(RawValue::from_string);
    Ok(Page {
        items: items
            .collect::<Result<_, _>>()
            .map_err(|_| ApiError::internal("a message on disk is no JSON"))?,
        next: page.next.map(|id| id.to_string()),
    })
}

/// Sends a test event to a subscriber, by its name or its position, whatever it has subscribed to.
pub(super) async fn test(
    jobs: &Jobs,
    which: &str,
    subscribers: &[String],
) -> Result<TestDelivery, ApiError> {
    let name = format!("subscribers.{which}");
    let found = match which.parse::<usize>() {
        Ok(index) => subscribers.get(index),
        Err(_) => subscribers.iter().find(|it| **it == name),
    };
    let Some(receiver) = found else {
        return Err(ApiError::not_found(match subscribers.len() {
            0 => "there is no subscriber: add [[subscribers]] with a url".to_owned(),
            count => format!(
                "there is no such subscriber: say its name, or its place from 0 to {}",
                count - 1
            ),
        }));
    };
    let now_ms = clock::unix_ms();
    let id = Id::new(now_ms);
    let text = id.to_string();
    let event = Event {
        message_type: MessageType::Event,
        turns: OneOrMany::One(Turn::text(Role::User, CONTENT)),
        ..Event::default()
    };
    let envelope = Envelope { id: &text, bot: BOT, now_ms };
    let mut body = Vec::new();
    received(&envelope, &text, &event, &mut body);
    let job = Job {
        id,
        bot: BOT,
        subject: Subject::default(),
        dialect: "botpass",
        receiver,
        stage: Stage::Deliver,
        body: body.into(),
        claimed: false,
        event: false,
    };
    jobs.accept(&[job], now_ms)?.await?;
    Ok(TestDelivery { delivery: text })
}
