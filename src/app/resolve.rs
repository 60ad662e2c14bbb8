//! From settings to the registry: what each bot and upstream is to the line.

use crate::balance::Arm;
use crate::bot::{Ai, Bot, Cap, Cors, Duplicates, Forward, Path, Registry, Talk, Upstream, Way};
use crate::client::tls::Roots;
use crate::client::{Target, Timeouts};
use crate::config::{self, PathPattern, Settings};
use crate::conversation::Policy;
use crate::dialect::{self, Chat, Dialect, Names};
use crate::limit::RuleSet;
use crate::secret::Secret;
use crate::upstream::{self, Codec};
use crate::worker;
use http::{HeaderValue, header};
use ring::digest::{SHA256, digest};
use std::fmt::Display;

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
    let bots = settings
        .bots
        .iter()
        .map(|bot| resolve(settings, bot))
        .collect::<Result<Vec<_>, _>>()?;
    let server = &settings.server;
    let timeouts = worker::Timeouts {
        header: server.timeouts.header,
        body: server.timeouts.body,
        idle: server.timeouts.idle,
    };
    Ok(Registry::new(
        bots,
        upstreams,
        server.max_body,
        timeouts,
        server.trusted_proxies.clone(),
    ))
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
            max_connections: upstream.max_connections,
            timeouts: Timeouts {
                connect: upstream.timeouts.connect,
                first_byte: upstream.timeouts.first_byte,
                idle: upstream.timeouts.idle,
                total: upstream.timeouts.total,
            },
        },
        ai: upstream::find(upstream.kind).map(|codec| ai(upstream, codec)),
    })
}

fn ai(upstream: &config::Upstream, codec: &'static dyn Codec) -> Ai {
    let mut head = format!(
        "POST {} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json",
        upstream.endpoint, upstream.authority,
    );
    if let Some(key) = &upstream.key {
        let (name, before) = codec.auth(upstream.version);
        let key = String::from_utf8_lossy(key.expose());
        head.push_str(&format!("\r\n{name}: {before}{key}"));
    }
    let agent = concat!("botgate/", env!("CARGO_PKG_VERSION"));
    let usual = [
        (header::ACCEPT, "application/json, text/event-stream"),
        (header::USER_AGENT, agent),
    ];
    let usual = usual.map(|(name, value)| (name, value.to_owned()));
    for (name, value) in usual.into_iter().chain(codec.headers(upstream.version)) {
        if !upstream.fields.iter().any(|field| field.name == name) {
            head.push_str(&format!("\r\n{name}: {value}"));
        }
    }
    Ai {
        codec,
        head: Secret::new(&head),
        fields: upstream.fields.clone(),
        model: upstream.model.clone(),
        max_tokens: upstream.max_tokens,
        system: upstream.system.clone(),
        version: upstream.version.map(str::to_owned),
        price: upstream.price,
        retries: upstream.retries,
    }
}

fn resolve(settings: &Settings, bot: &config::Bot) -> Result<(Path, Bot), String> {
    let fault = |what: &dyn Display| format!("bots.{}: {what}", bot.id);
    let dialect = dialect::find(bot.dialect).ok_or_else(|| fault(&"no such dialect"))?;
    let way = match dialect.chat {
        Some(chat) => Way::Chat(Box::new(talk(settings, bot, chat))),
        None => Way::Forward(forward(settings, bot).map_err(|error| fault(&error))?),
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
        cors: bot.cors.as_ref().map(|cors| Cors {
            any: cors.any,
            origins: cors.origins.clone(),
        }),
        allow_from: bot.allow_from.clone(),
        way,
    };
    Ok((path(&bot.path, dialect, bot.template), resolved))
}

fn path(pattern: &PathPattern, dialect: &Dialect, template: bool) -> Path {
    let text = pattern.text.clone();
    match (dialect.names, text.split_once(PLACE)) {
        (Names::Body(field), _) => Path::Body(text, field),
        (Names::Path, Some((before, after))) if template => {
            Path::Named(before.to_owned(), after.to_owned())
        }
        (Names::Path, _) if pattern.prefix => Path::Below(text),
        (Names::Path, _) => Path::Exact(text),
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

fn talk(settings: &Settings, bot: &config::Bot, chat: &'static dyn Chat) -> Talk {
    let arms = bot.upstreams.iter().filter_map(|(index, weight)| {
        let upstream = settings.upstreams.get(*index)?;
        Some(Arm {
            seed: seed(&upstream.name),
            weight: *weight,
        })
    });
    Talk {
        chat,
        name: bot.name.clone(),
        arms: arms.collect(),
        upstreams: bot.upstreams.iter().map(|(index, _)| *index).collect(),
        fallback: bot.fallback.clone(),
        system: bot.system.clone(),
        stream: chat.stream().filter(|_| bot.stream),
        twiml: bot.twiml,
        conversation: bot.conversation.map(|kept| Policy {
            ttl: kept.ttl,
            window: kept.window,
        }),
        budget: bot.budget.map(|budget| Cap {
            most: budget.cap,
            per: budget.per,
        }),
    }
}

/// The same for the same name, in every process.
fn seed(name: &str) -> u64 {
    let hash = digest(&SHA256, name.as_bytes());
    let first = hash.as_ref().first_chunk().copied();
    u64::from_le_bytes(first.unwrap_or_default())
}
