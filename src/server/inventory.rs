//! What is in force, as the operator's side lists it.

use crate::proxy::bot::{Bot, Registry};
use crate::server::admin::{BotListing, Inventory};
use crate::signature::PublicUrl;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// All bots of this registry, in their order. Where nobody says how the world sees them, it sees the first listener.
pub(super) fn listed(registry: &Arc<Registry>, http: Option<SocketAddr>) -> Inventory {
    let here = PublicUrl::for_server(&http.map(url).unwrap_or_default());
    let bot = |bot: &Bot| {
        let path = bot.path.to_string();
        BotListing {
            id: bot.label().into_owned(),
            name: bot.name.clone(),
            dialect: bot.dialect.name,
            webhook_url: bot.public_url.as_ref().unwrap_or(&here).url_of_path(&path),
            path,
            upstreams: bot
                .upstreams()
                .filter_map(|index| Some(registry.upstreams.get(index)?.name.to_string()))
                .collect(),
            warnings: bot.warnings.clone(),
            callback: bot.callback.as_ref().map(|callback| callback.name.to_string()),
        }
    };
    Inventory {
        bots: registry.bots().iter().map(bot).collect(),
        registry: registry.clone(),
        subscribers: registry.subscribers.iter().map(|it| it.receiver.name.to_string()).collect(),
    }
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
