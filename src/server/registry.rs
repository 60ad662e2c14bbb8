//! From settings to the registry: what each bot and upstream is to the line.

use crate::codec::dialect::{self, BotIdLocation, Chat, Dialect};
use crate::codec::provider::{self, Codec};
use crate::config::{self, Auth, Mode, PathPattern, Settings};
use crate::net::address_policy::Guard;
use crate::net::client::tls::Roots;
use crate::net::client::{Target, Timeouts};
use crate::net::rendezvous::WeightedUpstream;
use crate::proxy::bot::receiver::{self, Receiver, Schedule};
use crate::proxy::bot::{
    AiUpstream, Bot, ChatSettings, Cors, DeferredReply, Duplicates, Forward, Handler, Path,
    Registry, SpendLimit, Subscriber, Upstream,
};
use crate::proxy::worker;
use crate::secret::Secret;
use crate::state::conversation::Policy;
use crate::state::limit::RuleSet;
use http::{HeaderValue, header};
use ring::digest::{SHA256, digest};
use std::borrow::Cow;
use std::fmt::Display;
use zeroize::Zeroizing;

/// The place of the id in a template's path.
const PLACE: &str = "{bot}";

/// The bots and upstreams of these settings, as the line knows them. The error names the bot or upstream.
pub fn registry(settings: &Settings) -> Result<Registry, String> {
    let mut roots = Roots::default();
    let upstreams = settings
        .upstreams
        .iter()
        .map(|settings| upstream(settings, &mut roots))
        .collect::<Result<Vec<_>, _>>()?;
    let bots =
        settings.bots.iter().map(|bot| resolve(settings, bot)).collect::<Result<Vec<_>, _>>()?;
    let server = &settings.server;
    let timeouts = worker::Timeouts {
        header: server.timeouts.header,
        body: server.timeouts.body,
        idle: server.timeouts.idle,
    };
    let mut registry =
        Registry::new(bots, upstreams, server.max_body, timeouts, server.trusted_proxies.clone());
    registry.receivers = receivers(settings)?;
    let subscribers = settings.subscribers.iter();
    registry.subscribers = subscribers
        .map(|subscriber| Subscriber {
            receiver: subscriber_of(subscriber).into(),
            events: subscriber.events.clone(),
            bots: subscriber.bots.clone(),
        })
        .collect();
    Ok(registry)
}

fn upstream(upstream: &config::Upstream, roots: &mut Roots) -> Result<Upstream, String> {
    let fault = |what: &dyn Display| format!("upstreams.{}: {what}", upstream.name);
    let tls = upstream.tls.then(|| {
        let ca = upstream.ca.as_deref().map(str::as_bytes);
        roots.connector(ca, &upstream.host)
    });
    let tls = tls.transpose().map_err(|error| fault(&error))?;
    Ok(Upstream {
        name: upstream.name.as_str().into(),
        target: Target {
            host: upstream.host.clone(),
            port: upstream.port,
            tls,
            guard: None,
            max_connections: upstream.max_connections,
            timeouts: Timeouts {
                connect: upstream.timeouts.connect,
                first_byte: upstream.timeouts.first_byte,
                idle: upstream.timeouts.idle,
                total: upstream.timeouts.total,
            },
        },
        ai: provider::find(upstream.kind).map(|codec| ai(upstream, codec)),
    })
}

fn ai(upstream: &config::Upstream, codec: &'static dyn Codec) -> AiUpstream {
    AiUpstream {
        codec,
        head: head(upstream, codec, &upstream.endpoint),
        streaming_head: head(upstream, codec, &upstream.streaming_endpoint),
        fields: upstream.fields.clone(),
        settings: upstream.settings.clone(),
        system: upstream.system.clone(),
        price: upstream.price,
        retries: upstream.retries,
    }
}

/// The head of an AI's requests, as far as it is the same for all of them.
fn head(upstream: &config::Upstream, codec: &dyn Codec, endpoint: &str) -> Secret {
    let mut head = Zeroizing::new(format!(
        "POST {endpoint} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json",
        upstream.authority,
    ));
    if let Some(key) = &upstream.key {
        let (name, before) = codec.auth(&upstream.settings);
        let key = String::from_utf8_lossy(key.expose());
        head.push_str(&format!("\r\n{name}: {before}{key}"));
    }
    let agent = concat!("botgate/", env!("CARGO_PKG_VERSION"));
    let usual =
        [(header::ACCEPT, "application/json, text/event-stream"), (header::USER_AGENT, agent)];
    let usual = usual.map(|(name, value)| (name, value.to_owned()));
    for (name, value) in usual.into_iter().chain(codec.headers(&upstream.settings)) {
        if !upstream.fields.iter().any(|field| field.name == name) {
            head.push_str(&format!("\r\n{name}: {value}"));
        }
    }
    Secret::new(&head)
}

/// Where the answers and events of these settings go: the bots' callbacks, then the subscribers, in the order of the file. The
/// error names the one that cannot be.
pub fn receivers(settings: &Settings) -> Result<Vec<Receiver>, String> {
    let mut roots = Roots::default();
    let bots = settings.bots.iter().filter_map(|bot| {
        let callback = bot.callback.as_ref();
        callback.map(|callback| (callback_of(bot), callback))
    });
    let subscribers = settings.subscribers.iter();
    let subscribers =
        subscribers.map(|subscriber| (subscriber_of(subscriber), &subscriber.callback));
    bots.chain(subscribers).map(|(name, callback)| receiver(&name, callback, &mut roots)).collect()
}

/// The name of a subscriber.
pub(super) fn subscriber_of(subscriber: &config::Subscriber) -> String {
    format!("subscribers.{}", subscriber.name)
}

/// The name of a bot's callback.
pub(super) fn callback_of(bot: &config::Bot) -> String {
    format!("{}.callback", name(bot))
}

/// What stands in the callback's place where a bot's answers leave as events.
fn events_of(bot: &config::Bot) -> String {
    format!("{}.events", name(bot))
}

fn name(bot: &config::Bot) -> String {
    let star = if bot.template { "*" } else { "" };
    format!("bots.{}{star}", bot.id)
}

fn receiver(
    name: &str,
    callback: &config::Callback,
    roots: &mut Roots,
) -> Result<Receiver, String> {
    let tls = callback.tls.then(|| {
        let ca = callback.ca.as_deref().map(str::as_bytes);
        roots.connector(ca, &callback.host)
    });
    let tls = tls.transpose().map_err(|error| format!("{name}: {error}"))?;
    let mut head = Zeroizing::new(format!(
        "POST {} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json",
        text(&callback.path),
        callback.authority,
    ));
    let own = |name: &str| callback.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
    if !own("user-agent") {
        head.push_str(concat!("\r\nuser-agent: botgate/", env!("CARGO_PKG_VERSION")));
    }
    for (name, value) in &callback.headers {
        head.push_str(&format!("\r\n{name}: {}", text(value)));
    }
    if let Auth::Own(value) = &callback.auth {
        head.push_str(&format!("\r\nauthorization: {}", text(value)));
    }
    Ok(Receiver {
        name: name.into(),
        target: Target {
            host: callback.host.clone(),
            port: callback.port,
            tls,
            guard: Some(Guard::new(callback.allow.clone())),
            max_connections: receiver::MAX_CONNECTIONS,
            timeouts: Timeouts {
                connect: callback.timeout,
                first_byte: callback.timeout,
                idle: callback.timeout,
                total: callback.timeout,
            },
        },
        schedule: Schedule::new(callback.retries.clone()),
        head: Secret::new(&head),
        shared: match &callback.auth {
            Auth::Shared(shared) => Some(shared.clone()),
            Auth::None | Auth::Own(_) => None,
        },
        sign: callback.sign.clone(),
    })
}

/// A secret that is known to be text.
fn text(secret: &Secret) -> Cow<'_, str> {
    String::from_utf8_lossy(secret.expose())
}

fn resolve(settings: &Settings, bot: &config::Bot) -> Result<(Path, Bot), String> {
    let fault = |what: &dyn Display| format!("bots.{}: {what}", bot.id);
    let dialect = dialect::find(bot.dialect).ok_or_else(|| fault(&"no such dialect"))?;
    let way = match dialect.chat {
        Some(chat) => Handler::Chat(Box::new(talk(settings, bot, chat))),
        None => Handler::Forward(forward(settings, bot).map_err(|error| fault(&error))?),
    };
    let resolved = Bot {
        id: bot.id.as_str().into(),
        template: bot.template,
        dialect,
        verifier: bot.verifier.clone(),
        rules: RuleSet::new(&bot.limits, &bot.id, dialect.name).map_err(|error| fault(&error))?,
        duplicates: bot.duplicates.as_ref().map(|duplicates| Duplicates {
            by: duplicates.by.clone(),
            signed: duplicates.signed,
            window: duplicates.window,
        }),
        cors: bot.cors.as_ref().map(|cors| Cors { any: cors.any, origins: cors.origins.clone() }),
        allow_from: bot.allow_from.clone(),
        way,
    };
    Ok((path(&bot.path, dialect, bot.template), resolved))
}

fn path(pattern: &PathPattern, dialect: &Dialect, template: bool) -> Path {
    let text = pattern.text.clone();
    match (dialect.bot_id, text.split_once(PLACE)) {
        (BotIdLocation::Body(field), _) => Path::Body(text, field),
        (BotIdLocation::Path, Some((before, after))) if template => {
            Path::Named(before.to_owned(), after.to_owned())
        }
        (BotIdLocation::Path, _) if pattern.prefix => Path::Below(text),
        (BotIdLocation::Path, _) => Path::Exact(text),
    }
}

fn forward(settings: &Settings, bot: &config::Bot) -> Result<Forward, String> {
    let (index, upstream) = bot
        .upstreams
        .first()
        .and_then(|(index, _)| Some((*index, settings.upstreams.get(*index)?)))
        .ok_or("no such upstream")?;
    Ok(Forward {
        upstream: index,
        authority: HeaderValue::from_str(&upstream.authority).map_err(|error| error.to_string())?,
        prefix: upstream.prefix.clone(),
        strip: bot.strip.clone(),
        headers: bot.headers.clone(),
    })
}

fn talk(settings: &Settings, bot: &config::Bot, chat: &'static dyn Chat) -> ChatSettings {
    let arms = bot.upstreams.iter().filter_map(|(index, weight)| {
        let upstream = settings.upstreams.get(*index)?;
        Some(WeightedUpstream { seed: seed(&upstream.name), weight: *weight })
    });
    ChatSettings {
        chat,
        name: bot.name.clone(),
        arms: arms.collect(),
        upstreams: bot.upstreams.iter().map(|(index, _)| *index).collect(),
        fallback: bot.fallback.clone(),
        system: bot.system.clone(),
        stream: chat.stream_encoder().filter(|_| bot.stream),
        twiml: bot.twiml,
        conversation: bot.conversation.map(|kept| Policy { ttl: kept.ttl, window: kept.window }),
        budget: bot.budget.map(|budget| SpendLimit { most: budget.cap, per: budget.per }),
        later: later(settings, bot, chat),
    }
}

/// How a bot answers later, unless it never does.
fn later(settings: &Settings, bot: &config::Bot, chat: &dyn Chat) -> Option<DeferredReply> {
    let events = chat.acknowledges() && !settings.subscribers.is_empty();
    let within = match bot.reply.mode {
        Mode::Sync if events => None,
        Mode::Sync => return None,
        Mode::Callback => None,
        Mode::Auto(within) => Some(within),
    };
    let receiver = if events { events_of(bot) } else { callback_of(bot) };
    Some(DeferredReply {
        within,
        answer_within: bot.reply.answer_within,
        failure_text: bot.reply.failure_text.clone(),
        receiver: receiver.into(),
    })
}

/// The same for the same name, in every process.
fn seed(name: &str) -> u64 {
    let hash = digest(&SHA256, name.as_bytes());
    let first = hash.as_ref().first_chunk().copied();
    u64::from_le_bytes(first.unwrap_or_default())
}
