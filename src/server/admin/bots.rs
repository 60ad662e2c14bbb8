//! The API's bots: listed, switched on and off, and their callbacks tested.

use super::deliveries::Page;
use super::error::ApiError;
use super::reports::TestDelivery;
use super::{AdminServer, BotListing, Inventory};
use crate::clock;
use crate::codec::{bot_event, dialect};
use crate::proxy::chat::{delivery_jobs, event_deliveries};
use crate::state::jobs::{Id, Job, Stage, Subject};
use crate::state::switches::{MAX_SWITCHES, Switches};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Item {
    #[serde(flatten)]
    bot: BotListing,
    status: &'static str,
}

/// The response to a switch (seed 000).
#[derive(Serialize)]
pub(super) struct Switched {
    status: &'static str,
    webhook_url: String,
    warnings: Vec<String>,
}

/// A bot in the inventory, or one that a template in it stands for.
struct FoundBot<'a> {
    listed: &'a BotListing,
    key: String,
}

/// All bots, in the order of the file.
pub(super) fn list(server: &AdminServer) -> Page<Item> {
    let (inventory, switches) = (server.inventory(), &server.0.shared.switches);
    let item =
        |bot: &BotListing| Item { bot: bot.clone(), status: status(!switches.is_off(&bot.id)) };
    Page { items: inventory.bots.iter().map(item).collect(), next: None }
}

/// Switches a bot on or off. The change completes on disk even if the caller disconnects.
pub(super) async fn switch(
    server: &AdminServer,
    key: &str,
    active: bool,
) -> Result<Switched, ApiError> {
    let (server, key) = (server.clone(), key.to_owned());
    let switched = tokio::spawn(async move { switch_locked(&server, &key, active).await });
    let broken = |_| ApiError::internal("the bot was not switched; ask again");
    switched.await.map_err(broken)?
}

async fn switch_locked(
    server: &AdminServer,
    key: &str,
    active: bool,
) -> Result<Switched, ApiError> {
    let _guard = server.0.switching.lock().await;
    let inventory = server.inventory();
    let bot = find(&inventory, key)?;
    let switches = &server.0.shared.switches;
    if active && bot.template_is_off(switches) {
        return Err(ApiError::conflict(format!(
            "the template {0} that stands for it is inactive: activate {0} first",
            bot.listed.id
        )));
    }
    if switches.is_off(&bot.key) == active {
        if !switches.has_room(&bot.key) {
            return Err(ApiError::conflict(format!(
                "{MAX_SWITCHES} are inactive, and no more can be: activate some, or deactivate the template that stands for them"
            )));
        }
        let now_ms = clock::unix_ms();
        let kind = bot_event::EventType::Verification;
        let letters =
            event_deliveries(&inventory.registry, kind, &bot.key, now_ms, |envelope, out| {
                bot_event::verification(envelope, active, out);
            });
        let jobs = delivery_jobs(&letters, &bot.key, bot.listed.dialect, Subject::default());
        let change = switches.turn(&bot.key, !active);
        server.state().jobs.accept_with(&jobs, change, now_ms)?.await?;
    }
    Ok(Switched {
        status: status(active),
        webhook_url: bot.webhook_url(),
        warnings: bot.listed.warnings.clone(),
    })
}

/// Sends a test event to the receiver of a bot's answers (seed 002).
pub(super) async fn test(server: &AdminServer, key: &str) -> Result<TestDelivery, ApiError> {
    let inventory = server.inventory();
    let bot = find(&inventory, key)?;
    if bot.key.ends_with('*') {
        return Err(ApiError::invalid(format!(
            "{} stands for many bots: name one of them, with its whole id",
            bot.key
        )));
    }
    let receiver = bot.listed.callback.as_deref().ok_or_else(|| {
        ApiError::conflict(format!(
            "the bot has no callback that could be tested: add [bots.ID.callback] with a url, or run \"botgate test {}\", which asks its upstream",
            bot.key
        ))
    })?;
    let now_ms = clock::unix_ms();
    let id = Id::new(now_ms);
    let mut body = Vec::new();
    dialect::encode_test_callback(&bot.key, bot.listed.name.as_deref(), now_ms, &mut body);
    let job = Job {
        id,
        bot: &bot.key,
        subject: Subject::default(),
        dialect: bot.listed.dialect,
        receiver,
        stage: Stage::Deliver,
        body: body.into(),
        claimed: false,
        event: false,
    };
    server.state().jobs.accept(&[job], now_ms)?.await?;
    Ok(TestDelivery { delivery: id.to_string() })
}

fn status(active: bool) -> &'static str {
    if active { "active" } else { "inactive" }
}

/// The bot with this id: a table of its own, else the template with the longest matching prefix. A template is found by
/// its own key; some clients write its `*` as `%2A`.
fn find<'a>(inventory: &'a Inventory, key: &str) -> Result<FoundBot<'a>, ApiError> {
    let front = ["*", "%2A", "%2a"].into_iter();
    let front = front.filter_map(|star| key.strip_suffix(star)).next();
    let key = front.map_or_else(|| key.to_owned(), |front| format!("{front}*"));
    let listed = inventory.bots.iter().find(|bot| bot.id == key);
    let template = || {
        let stands = |bot: &&BotListing| {
            let front = bot.id.strip_suffix('*');
            front.is_some_and(|front| key.starts_with(front))
        };
        let templates = inventory.bots.iter().filter(stands);
        let longest = templates.max_by_key(|bot| bot.id.len());
        longest.filter(|_| crate::proxy::bot::is_id(&key))
    };
    let listed = listed.or_else(template).ok_or_else(|| {
        ApiError::not_found(
            "there is no such bot; GET /api/bots lists them, templates with a * at their end",
        )
    })?;
    Ok(FoundBot { listed, key })
}

impl FoundBot<'_> {
    fn template_is_off(&self, switches: &Switches) -> bool {
        self.listed.id != self.key && switches.is_off(&self.listed.id)
    }

    fn webhook_url(&self) -> String {
        let url = &self.listed.webhook_url;
        match self.listed.id == self.key {
            true => url.clone(),
            false => url.replace("{bot}", &self.key),
        }
    }
}
