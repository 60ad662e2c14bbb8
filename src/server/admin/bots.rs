//! Bots as the API shows and switches them, and a test of where their answers go.

use super::deliveries::Page;
use super::error::Fault;
use super::reports::Test;
use super::{AdminServer, BotListing, Inventory};
use crate::clock;
use crate::codec::{bot_event, dialect};
use crate::proxy::chat::{delivery_jobs, event_deliveries};
use crate::state::jobs::{Id, Job, Stage, Subject};
use crate::state::switches::{MAX_SWITCHES, Switches};
use serde::Serialize;

/// A bot in the list.
#[derive(Serialize)]
pub(super) struct Item {
    #[serde(flatten)]
    bot: BotListing,
    status: &'static str,
}

/// A bot that was switched, as the seed shows it (seed 000).
#[derive(Serialize)]
pub(super) struct Switched {
    status: &'static str,
    webhook_url: String,
    warnings: Vec<String>,
}

/// A bot that is asked for: one of the list, or one that a template of the list stands for.
struct Named<'a> {
    listed: &'a BotListing,
    key: String,
}

/// All bots, in the order of the file.
pub(super) fn list(desk: &AdminServer) -> Page<Item> {
    let (house, switches) = (desk.house(), &desk.0.shared.switches);
    let item =
        |bot: &BotListing| Item { bot: bot.clone(), status: status(!switches.is_off(&bot.id)) };
    Page { items: house.bots.iter().map(item).collect(), next: None }
}

/// Switches a bot on or off. It is done once the disk has it, whether or not whoever asked still waits.
pub(super) async fn switch(desk: &AdminServer, key: &str, active: bool) -> Result<Switched, Fault> {
    let (desk, key) = (desk.clone(), key.to_owned());
    let switched = tokio::spawn(async move { turn(&desk, &key, active).await });
    let broken = |_| Fault::internal("the bot was not switched; ask again");
    switched.await.map_err(broken)?
}

async fn turn(desk: &AdminServer, key: &str, active: bool) -> Result<Switched, Fault> {
    let _one = desk.0.turn.lock().await;
    let house = desk.house();
    let bot = find(&house, key)?;
    let switches = &desk.0.shared.switches;
    if active && bot.template_is_off(switches) {
        return Err(Fault::conflict(format!(
            "the template {0} that stands for it is inactive: activate {0} first",
            bot.listed.id
        )));
    }
    if switches.is_off(&bot.key) == active {
        if !switches.has_room(&bot.key) {
            return Err(Fault::conflict(format!(
                "{MAX_SWITCHES} are inactive, and no more can be: activate some, or deactivate the template that stands for them"
            )));
        }
        let now_ms = clock::unix_ms();
        let kind = bot_event::EventType::Verification;
        let letters = event_deliveries(&house.registry, kind, &bot.key, now_ms, |envelope, out| {
            bot_event::verification(envelope, active, out);
        });
        let jobs = delivery_jobs(&letters, &bot.key, bot.listed.dialect, Subject::default());
        let along = switches.turn(&bot.key, !active);
        desk.state().jobs.accept_with(&jobs, along, now_ms)?.await?;
    }
    Ok(Switched {
        status: status(active),
        webhook_url: bot.webhook_url(),
        warnings: bot.listed.warnings.clone(),
    })
}

/// Sends the receiver of a bot's answers what tells it that they arrive (seed 002).
pub(super) async fn test(desk: &AdminServer, key: &str) -> Result<Test, Fault> {
    let house = desk.house();
    let bot = find(&house, key)?;
    if bot.key.ends_with('*') {
        return Err(Fault::invalid(format!(
            "{} stands for many bots: name one of them, with its whole id",
            bot.key
        )));
    }
    let receiver = bot.listed.callback.as_deref().ok_or_else(|| {
        Fault::conflict(format!(
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
    desk.state().jobs.accept(&[job], now_ms)?.await?;
    Ok(Test { delivery: id.to_string() })
}

fn status(active: bool) -> &'static str {
    if active { "active" } else { "inactive" }
}

/// The bot of an id: one with a table of its own, else what the template with the longest front of it stands for. A template goes
/// by its own key; some clients write its `*` as `%2A`.
fn find<'a>(house: &'a Inventory, key: &str) -> Result<Named<'a>, Fault> {
    let front = ["*", "%2A", "%2a"].into_iter();
    let front = front.filter_map(|star| key.strip_suffix(star)).next();
    let key = front.map_or_else(|| key.to_owned(), |front| format!("{front}*"));
    let listed = house.bots.iter().find(|bot| bot.id == key);
    let template = || {
        let stands = |bot: &&BotListing| {
            let front = bot.id.strip_suffix('*');
            front.is_some_and(|front| key.starts_with(front))
        };
        let templates = house.bots.iter().filter(stands);
        let longest = templates.max_by_key(|bot| bot.id.len());
        longest.filter(|_| crate::proxy::bot::is_id(&key))
    };
    let listed = listed.or_else(template).ok_or_else(|| {
        Fault::missing(
            "there is no such bot; GET /api/bots lists them, templates with a * at their end",
        )
    })?;
    Ok(Named { listed, key })
}

impl Named<'_> {
    /// Whether it is inactive because its whole template is.
    fn template_is_off(&self, switches: &Switches) -> bool {
        self.listed.id != self.key && switches.is_off(&self.listed.id)
    }

    /// Where its messages are sent.
    fn webhook_url(&self) -> String {
        let url = &self.listed.webhook_url;
        match self.listed.id == self.key {
            true => url.clone(),
            false => url.replace("{bot}", &self.key),
        }
    }
}
