//! From settings to the registry: TLS is set up, everything else is resolved already.

use crate::config::Settings;
use crate::net::client::Target;
use crate::net::client::tls::{Roots, Trust};
use crate::proxy::bot::Registry;
use crate::proxy::bot::receiver::Receiver;

/// The bots and upstreams of these settings. Reads the platform's certificates where TLS is spoken. The error names the
/// upstream or receiver.
pub fn registry(settings: &Settings) -> Result<Registry, String> {
    let mut roots = Roots::default();
    let mut upstreams = settings.upstreams.clone();
    for upstream in &mut upstreams {
        let name = format!("upstreams.{}", upstream.name);
        secure(&name, &mut upstream.target, upstream.tls.as_ref(), &mut roots)?;
    }
    let mut bots = settings.bots.clone();
    let mut subscribers = settings.subscribers.clone();
    let callbacks = bots.iter_mut().filter_map(|bot| bot.callback.as_mut());
    for receiver in callbacks.chain(subscribers.iter_mut().map(|to| &mut to.receiver)) {
        secure(&receiver.name, &mut receiver.target, receiver.tls.as_ref(), &mut roots)?;
    }
    let server = &settings.server;
    let trusted = server.trusted_proxies.clone();
    Ok(Registry::new(bots, upstreams, subscribers, server.max_body, server.timeouts, trusted))
}

/// Where the answers and events of these settings go: the bots' callbacks, then the subscribers, in the order of the file.
pub fn receivers(settings: &Settings) -> Result<Vec<Receiver>, String> {
    Ok(registry(settings)?.receivers().cloned().collect())
}

fn secure(
    name: &str,
    target: &mut Target,
    trust: Option<&Trust>,
    roots: &mut Roots,
) -> Result<(), String> {
    let connector =
        |trust: &Trust| roots.connector(trust.ca.as_ref().map(String::as_bytes), &target.host);
    target.tls = trust.map(connector).transpose().map_err(|error| format!("{name}: {error}"))?;
    Ok(())
}
