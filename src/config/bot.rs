//! `[bots.ID]`: what its values mean.

use super::path::{path, strip};
use super::raw::{self, OneOrMany};
use super::reader::Reading;
use super::schema_types::shown;
use super::scope::Scope;
use super::verify::verify;
use super::{
    callback, chat, cors, duplicates, limit, reply, sender_timeouts, server, upstream_refs, url,
};
use crate::codec::dialect::{self, Dialect};
use crate::codec::keys::KeySchema;
use crate::proxy::bot::{Bot, ChatSettings, Forward, Handler, Path};
use crate::signature::{PublicUrl, Scheme, Verifier};
use crate::state::limit::{Key, Rule, RuleSet};
use std::sync::Arc;

/// Reads the table of a bot, or of a template; nothing when something is wrong, which is noted.
pub(crate) fn bot(
    reading: &mut Reading<'_>,
    key: &str,
    mut written: raw::Bot,
    around: &Scope<'_>,
) -> Option<Bot> {
    let at = format!("bots.{key}");
    let (id, template) = match key.strip_suffix('*') {
        Some(before) => (before, true),
        None => (key, false),
    };
    check_id(reading, &at, id, template);
    let dialect = written.dialect.as_deref().and_then(dialect::find);
    if let Some(dialect) = dialect {
        suits(reading, &at, template, &written, dialect);
    }
    // A raw template is refused as such; its other faults are those of any raw bot.
    let template = template && dialect.is_some_and(|dialect| dialect.chat.is_some());
    let path = path(reading, &at, id, template, &written, dialect);
    let reply = dialect.map(|dialect| reply::reply(reading, &at, &written, dialect, around));
    let arms = upstream_refs::arms(reading, &at, &written, dialect, around);
    let public_url = public_url(reading, &at, template, &written, path.as_ref(), around);
    let proofs = schemes(reading, &at, written.verify.take(), public_url.as_ref(), dialect);
    let shared_user = dialect.and_then(|dialect| dialect.chat?.shared_secret_user());
    let shows = proofs.as_ref().is_none_or(|proofs| {
        let mut presets = proofs.iter().map(|proof| proof.preset.as_deref());
        presets.any(|preset| preset == dialect.and_then(|dialect| dialect.preset))
    });
    if let Some(proofs) = &proofs {
        let used: Vec<_> = arms.all();
        for proof in proofs {
            if let Some(preset) = &proof.preset {
                let mode = reply.as_ref().map(|(mode, _)| *mode);
                sender_timeouts::patience(reading, &at, preset, mode, &used, around);
            }
        }
        if template {
            check_derived(reading, &at, proofs);
        }
    }
    let schemes: Option<Vec<Scheme>> =
        proofs.map(|proofs| proofs.into_iter().map(|proof| proof.scheme).collect());
    let duplicates = schemes.as_deref().and_then(|schemes| {
        duplicates::duplicates(reading, &at, written.duplicates.as_ref(), schemes)
    });
    let strip = reading
        .value(&format!("{at}.strip"), written.strip.as_deref(), |text| strip(text, path.as_ref()));
    let allow_from = reading.values(
        &format!("{at}.allow_from"),
        written.allow_from.as_deref().unwrap_or_default(),
        server::network,
    );
    let limits = limits(reading, &at, &written, dialect, around);
    let verifier = schemes.map(Verifier::new).map(Arc::new);
    let own = match (shared_user, shows) {
        (None, _) => callback::Own::Unknown,
        (Some(user), false) => callback::Own::Hidden(user),
        (Some(user), true) => callback::Own::Shown(user, verifier.clone()),
    };
    let callback = written.callback.as_ref().and_then(|written| {
        let at = format!("{at}.callback");
        callback::callback(reading, &at, written, None, &own)
    });
    let proven = verifier.as_ref().is_none_or(|verifier| !verifier.unauthenticated());
    let cors_at = format!("{at}.cors");
    let cors = cors::cors(reading, &cors_at, written.cors.as_deref(), proven);
    let dialect = dialect?;
    let asks = reading.has(&format!("{at}.upstream"));
    let kept = written.conversation.as_ref();
    let conversation = chat::conversation(reading, &at, kept, dialect, asks);
    let budget = chat::budget(reading, &at, written.budget.as_ref(), &arms.all(), around);
    let rules = match RuleSet::new(&limits, id, dialect.name) {
        Ok(rules) => rules,
        Err(error) => {
            reading.error_at_key(
                &at,
                format!("`{}`: {error}", shown(&at)),
                "write another `limit`",
            );
            return None;
        }
    };
    let way = match dialect.chat {
        None => {
            let upstream = arms.upstreams.first()?.0;
            let backend = around.upstreams.get(upstream)?.as_ref()?;
            Handler::Forward(Forward {
                upstream,
                authority: backend.authority.clone(),
                prefix: backend.prefix.clone(),
                strip,
                headers: backend.headers_for(id),
            })
        }
        Some(chat) => Handler::Chat(Box::new(ChatSettings {
            chat,
            name: written.name.clone(),
            arms: arms.weights(around),
            upstreams: arms.upstreams.iter().map(|(index, _)| *index).collect(),
            fallback: arms.fallback,
            system: written.system,
            stream: chat.stream_encoder().filter(|_| written.stream == Some(true)),
            twiml: chat.settings(&written.own).xml,
            conversation,
            budget,
            later: reply?.1,
        })),
    };
    Some(Bot {
        id: id.into(),
        template,
        name: written.name,
        path: path?,
        dialect,
        verifier: verifier?,
        rules,
        duplicates,
        cors,
        allow_from,
        way,
        callback,
        public_url,
        warnings: reading.warnings(&at),
    })
}

fn check_id(reading: &mut Reading<'_>, at: &str, id: &str, template: bool) {
    let least = usize::from(!template);
    if !((least..=128).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')))
    {
        let fix = "write 1 to 128 letters, digits, \"_\" and \"-\": [bots.bt_support]; with \"*\" at its end it stands for all that begin so: [bots.\"bt_*\"]";
        reading.error_at_key(at, format!("`{}`: not a bot's id", shown(at)), fix);
    }
}

/// Notes every key that this dialect has no use for.
fn suits(
    reading: &mut Reading<'_>,
    at: &str,
    template: bool,
    written: &raw::Bot,
    dialect: &Dialect,
) {
    let Some(chat) = dialect.chat else {
        if template {
            reading.error_at_key(
                at,
                format!("`{}` stands for many bots, but a raw one has no id that its callers could name", shown(at)),
                "write one table for each bot, with its whole id, and tell tenants apart by `limit.key`",
            );
        }
        let meant = [
            ("system", written.system.is_some()),
            ("stream", written.stream == Some(true)),
            ("budget", written.budget.is_some()),
        ];
        let meant = meant.into_iter().filter(|(_, meant)| *meant).map(|(key, _)| key);
        for key in meant.chain(unowned(written, None)) {
            reading.error(
                &format!("{at}.{key}"),
                format!(
                    "`{}.{key}`: raw messages and their answers are handed on as they are",
                    shown(at)
                ),
                "leave it out, or name the dialect that the callers speak",
            );
        }
        return;
    };
    let unable = [
        (
            "stream",
            written.stream == Some(true) && chat.stream_encoder().is_none(),
            "callers of this dialect cannot read a stream: an answer is one JSON object",
        ),
        ("strip", written.strip.is_some(), "nothing of the caller's path goes to an AI"),
    ];
    for key in unowned(written, chat.keys()) {
        reading.error(
            &format!("{at}.{key}"),
            format!("`{}.{key}`: this dialect has no such key", shown(at)),
            "leave it out",
        );
    }
    for (key, _, why) in unable.into_iter().filter(|(_, unable, _)| *unable) {
        reading.error(
            &format!("{at}.{key}"),
            format!("`{}.{key}`: {why}", shown(at)),
            "leave it out",
        );
    }
}

/// The keys of other dialects that are written and mean something: what is false means nothing.
fn unowned(written: &raw::Bot, own: Option<KeySchema>) -> impl Iterator<Item = &str> {
    let own = own.map(raw::properties).unwrap_or_default();
    let others = written.own.iter().filter(move |(key, _)| !own.contains_key(*key));
    others.filter(|(_, value)| **value != false).map(|(key, _)| key.as_str())
}

fn public_url(
    reading: &mut Reading<'_>,
    at: &str,
    template: bool,
    written: &raw::Bot,
    path: Option<&Path>,
    around: &Scope<'_>,
) -> Option<PublicUrl> {
    let own_at = format!("{at}.public_url");
    let own = url::public(reading, &own_at, written.public_url.as_deref());
    match (&own, path) {
        (Some(_), _) if template => {
            reading.error(
                &own_at,
                format!(
                    "`{}` is one address, and `{}` stands for many bots",
                    shown(&own_at),
                    shown(at)
                ),
                "write public_url under [server]: the whole path follows it",
            );
            own.as_deref().map(PublicUrl::for_server)
        }
        (Some(url), Some(path)) => Some(PublicUrl::for_bot(url, &path.to_string())),
        _ => around.public_url.map(PublicUrl::for_server),
    }
}

/// A scheme, and the preset that it came from.
struct Proof {
    at: String,
    scheme: Scheme,
    preset: Option<String>,
}

fn schemes(
    reading: &mut Reading<'_>,
    at: &str,
    written: Option<serde_json::Value>,
    url: Option<&PublicUrl>,
    dialect: Option<&Dialect>,
) -> Option<Vec<Proof>> {
    // A dialect that is wrong is noted as such; that its preset is not known then is no second mistake.
    let own = dialect.map_or(Some("hmac"), |dialect| dialect.preset);
    let bot = at;
    let at = format!("{at}.verify");
    let (tables, is_list) = match written? {
        serde_json::Value::Array(tables) => (tables, true),
        table => (vec![table], false),
    };
    let count = tables.len();
    let mut proofs = Vec::with_capacity(count);
    for (index, table) in tables.into_iter().enumerate() {
        let at = if is_list { format!("{at}[{index}]") } else { at.clone() };
        let serde_json::Value::Object(table) = table else {
            continue;
        };
        if let Some((scheme, preset)) = verify(reading, bot, &at, table, url, own) {
            proofs.push(Proof { at, scheme, preset });
        }
    }
    (proofs.len() == count).then_some(proofs)
}

/// One secret for all, or none, would let any id of a template speak for every other.
fn check_derived(reading: &mut Reading<'_>, at: &str, proofs: &[Proof]) {
    for proof in proofs.iter().filter(|proof| !proof.scheme.derived()) {
        let message = format!(
            "`{}` stands for many bots, so each id needs a secret of its own: else any id could speak for all",
            shown(at)
        );
        let fix = if proof.scheme.asymmetric() {
            "write one table for each bot: the public key of a sender cannot be derived"
        } else {
            "write secrets = [{ derive = \"${env:MASTER}\" }], the master made by: openssl rand -hex 32"
        };
        reading.error(&proof.at, message, fix);
    }
}

/// The bot's own rules, else its dialect's, else the server's.
fn limits(
    reading: &mut Reading<'_>,
    at: &str,
    written: &raw::Bot,
    dialect: Option<&Dialect>,
    around: &Scope<'_>,
) -> Vec<Rule> {
    let limit_at = format!("{at}.limit");
    let rules = match (&written.limit, dialect.and_then(|dialect| dialect.per_minute)) {
        (Some(own), _) => limit::rules(reading, &limit_at, own),
        // What is written and wrong is not replaced by what would be there otherwise.
        (None, _) if reading.has(&limit_at) => Vec::new(),
        (None, Some(count)) => vec![limit::per_minute(count)],
        (None, None) => around.limits.to_vec(),
    };
    let raw = dialect.is_some_and(|dialect| dialect.chat.is_none());
    if raw && rules.iter().any(|rule| rule.key == Key::User) {
        reading.error(
            if reading.has(&limit_at) { &limit_at } else { at },
            format!(
                "`{}` is limited by user, but a raw bot's messages are not read for one",
                shown(at)
            ),
            "give it a limit with key = \"peer\", \"header:NAME\" or \"json:/pointer\"",
        );
    }
    rules
}

impl OneOrMany<raw::Limit> {
    /// The items, each with its path.
    pub(crate) fn at(&self, path: &str) -> Vec<(String, &raw::Limit)> {
        match self {
            Self::One(one) => vec![(path.to_owned(), one)],
            Self::Many(items) => items
                .iter()
                .enumerate()
                .map(|(index, item)| (format!("{path}[{index}]"), item))
                .collect(),
        }
    }
}
