//! What is in force, as the operator's side lists it.

use super::registry::{callback_of, subscriber_of};
use crate::config::{Bot, PathPattern, Settings};
use crate::proxy::bot::Registry;
use crate::server::admin::{BotListing, Inventory};
use crate::signature::PublicUrl;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// All bots of these settings, in their order. Where nobody says how the world sees them, it sees the first listener.
pub(super) fn listed(
    settings: &Settings,
    registry: &Arc<Registry>,
    http: Option<SocketAddr>,
) -> Inventory {
    let here = PublicUrl::of_server(&http.map(url).unwrap_or_default());
    let bot = |bot: &Bot| {
        let path = path(&bot.path);
        BotListing {
            id: format!("{}{}", bot.id, if bot.template { "*" } else { "" }),
            name: bot.name.clone(),
            dialect: bot.dialect,
            webhook_url: bot.public_url.as_ref().unwrap_or(&here).of_path(&path),
            path,
            upstreams: bot
                .upstreams
                .iter()
                .map(|(index, _)| index)
                .chain(&bot.fallback)
                .filter_map(|index| Some(settings.upstreams.get(*index)?.name.clone()))
                .collect(),
            warnings: bot.warnings.clone(),
            callback: bot.callback.as_ref().map(|_| callback_of(bot)),
        }
    };
    Inventory {
        bots: settings.bots.iter().map(bot).collect(),
        registry: registry.clone(),
        subscribers: settings.subscribers.iter().map(subscriber_of).collect(),
    }
}

fn path(pattern: &PathPattern) -> String {
    format!("{}{}", pattern.text, if pattern.prefix { "/*" } else { "" })
}

/// A listener as this machine reaches it.
fn url(mut at: SocketAddr) -> String {
    match at.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => at.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => at.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    format!("http://{at}")
}
