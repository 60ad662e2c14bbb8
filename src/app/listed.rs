//! What is in force, as the operator's side lists it.

use super::resolve::subscriber_of;
use crate::admin::{House, Listed};
use crate::config::{Bot, PathPattern, Settings};

/// All bots of these settings, in their order.
pub(super) fn listed(settings: &Settings) -> House {
    let bot = |bot: &Bot| Listed {
        id: format!("{}{}", bot.id, if bot.template { "*" } else { "" }),
        name: bot.name.clone(),
        dialect: bot.dialect,
        path: path(&bot.path),
        upstreams: bot
            .upstreams
            .iter()
            .map(|(index, _)| index)
            .chain(&bot.fallback)
            .filter_map(|index| Some(settings.upstreams.get(*index)?.name.clone()))
            .collect(),
    };
    House {
        bots: settings.bots.iter().map(bot).collect(),
        subscribers: settings.subscribers.iter().map(subscriber_of).collect(),
    }
}

fn path(pattern: &PathPattern) -> String {
    format!("{}{}", pattern.text, if pattern.prefix { "/*" } else { "" })
}
