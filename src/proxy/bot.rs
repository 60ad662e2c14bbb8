//! A bot and its upstreams, resolved: everything that a request needs of them.

pub mod receiver;
pub mod registry;

use crate::codec::bot_event::EventType;
use crate::codec::dialect::{Chat, Dialect, StreamEncoder};
use crate::codec::price::{MicroCents, Period, Price};
use crate::codec::provider::{self, Codec, Settings};
use crate::net::client::Target;
use crate::net::client::tls::Trust;
use crate::net::header_template::HeaderTemplate;
use crate::net::rendezvous::WeightedUpstream;
use crate::secret::Secret;
use crate::signature::{IdSource, PublicUrl, Verifier};
use crate::state::conversation::Policy;
use crate::state::limit::RuleSet;
use http::{HeaderName, HeaderValue};
use ipnet::IpNet;
use receiver::Receiver;
use std::borrow::Cow;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

pub use registry::{BotMatch, Path, Registry, RouteMatch, is_id};

/// One bot, or a template that many bots are made from.
#[derive(Clone, Debug)]
pub struct Bot {
    /// Its id; a template's is what its bots' ids begin with.
    pub id: Arc<str>,
    /// It stands for every id that begins with its own and is not listed.
    pub template: bool,
    /// What people call it.
    pub name: Option<String>,
    /// Which requests are its own.
    pub path: Path,
    /// The format it is spoken to in.
    pub dialect: &'static Dialect,
    /// Who may speak for it.
    pub verifier: Arc<Verifier>,
    /// Its limits.
    pub rules: RuleSet,
    /// How a repeated delivery is known; `None`: it is not.
    pub duplicates: Option<Duplicates>,
    /// Pages that may call it from a browser; `None`: none may, and raw passes `Origin` on.
    pub cors: Option<Cors>,
    /// Whose requests are taken; empty: everybody's.
    pub allow_from: Vec<IpNet>,
    /// What becomes of its messages.
    pub way: Handler,
    /// Where its answers go that come later.
    pub callback: Option<Receiver>,
    /// How the world sees it; `None`: as this machine sees the first listener.
    pub public_url: Option<PublicUrl>,
    /// What its owner should know, as `check` says it.
    pub warnings: Vec<String>,
}

impl Bot {
    /// What it is called where numbers are shown: a template stands for all of its bots.
    pub fn label(&self) -> Cow<'_, str> {
        if self.template { format!("{}*", self.id).into() } else { (&*self.id).into() }
    }

    /// Indices into [`Registry::upstreams`]: those that may answer it, and then those that stand in for them.
    pub fn upstreams(&self) -> impl Iterator<Item = usize> {
        let (chosen, fallback) = match &self.way {
            Handler::Forward(forward) => (slice::from_ref(&forward.upstream), [].as_slice()),
            Handler::Chat(chat) => (chat.upstreams.as_slice(), chat.fallback.as_slice()),
        };
        chosen.iter().chain(fallback).copied()
    }

    /// How it answers when its caller does not wait.
    pub fn later(&self) -> Option<&DeferredReply> {
        match &self.way {
            Handler::Forward(_) => None,
            Handler::Chat(chat) => chat.later.as_ref(),
        }
    }
}

/// What becomes of a verified message.
#[derive(Clone, Debug)]
pub enum Handler {
    /// It is forwarded as it is.
    Forward(Forward),
    /// It is read, and answered by an AI.
    Chat(Box<ChatSettings>),
}

impl Handler {
    /// Whether messages may become jobs.
    pub fn makes_jobs(&self) -> bool {
        match self {
            Self::Forward(_) => false,
            Self::Chat(talk) => talk.later.is_some() || talk.chat.acknowledges(),
        }
    }
}

/// Where messages are forwarded to, and what their head says there.
#[derive(Clone, Debug)]
pub struct Forward {
    /// Index into [`Registry::upstreams`].
    pub upstream: usize,
    /// The upstream's `Host`.
    pub authority: HeaderValue,
    /// The path of the upstream's URL, without a slash at its end.
    pub prefix: String,
    /// What is taken off the caller's path first.
    pub strip: Option<String>,
    /// Header fields that the upstream gets on top.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// How a bot answers messages: which AIs it asks and what it keeps of a conversation.
#[derive(Clone, Debug)]
pub struct ChatSettings {
    /// How its messages are read and answered.
    pub chat: &'static dyn Chat,
    /// Its name.
    pub name: Option<String>,
    /// The AIs that share its conversations, by weight. Empty: it only acknowledges.
    pub arms: Vec<WeightedUpstream>,
    /// Their indices into [`Registry::upstreams`], in the same order.
    pub upstreams: Vec<usize>,
    /// Who is asked when those fail, in order.
    pub fallback: Vec<usize>,
    /// Its own system text.
    pub system: Option<String>,
    /// How it answers piece by piece; `None`: whole.
    pub stream: Option<&'static dyn StreamEncoder>,
    /// It answers in TwiML whatever the caller prefers.
    pub twiml: bool,
    /// What is kept of a conversation; `None`: nothing.
    pub conversation: Option<Policy>,
    /// What it may spend.
    pub budget: Option<SpendLimit>,
    /// How its answers come later; `None`: every answer is the response.
    pub later: Option<DeferredReply>,
}

/// How a bot answers when its caller does not wait.
#[derive(Clone, Debug)]
pub struct DeferredReply {
    /// For how long the caller waits first; `None`: not at all.
    pub within: Option<Duration>,
    /// For how long an AI that fails is asked again.
    pub answer_within: Duration,
    /// What is said when there is no answer by then; `None`: nothing.
    pub failure_text: Option<String>,
    /// Who gets the answer: the name of one of [`Registry::receivers`], or of nobody where it goes to all who want to be told.
    pub receiver: Arc<str>,
}

/// Who is told of what happens to bots.
#[derive(Clone, Debug)]
pub struct Subscriber {
    /// Where its events go.
    pub receiver: Receiver,
    /// The kinds of event that it is sent.
    pub events: Vec<EventType>,
    /// The ids of the bots that they are about; with `*` at the end all that begin so.
    pub bots: Vec<String>,
}

impl Subscriber {
    /// Whether a receiver of this name is a subscriber, be it one that is in the configuration no more.
    pub fn has_name(receiver: &str) -> bool {
        let rest = receiver.strip_prefix("subscribers");
        // Older versions knew them by their place, in brackets.
        rest.is_some_and(|rest| rest.starts_with(['.', '[']))
    }

    /// Whether it is told of such an event of this bot; of a template's, by its front and `*`, where any of its bots is meant.
    pub fn wants(&self, kind: EventType, bot: &str) -> bool {
        let named = |pattern: &String| match (pattern.strip_suffix('*'), bot.strip_suffix('*')) {
            (Some(front), None) => bot.starts_with(front),
            (None, None) => pattern == bot,
            (Some(front), Some(of)) => of.starts_with(front) || front.starts_with(of),
            (None, Some(of)) => pattern.starts_with(of),
        };
        self.events.contains(&kind) && self.bots.iter().any(named)
    }
}

/// What a bot may spend in a period.
#[derive(Clone, Copy, Debug)]
pub struct SpendLimit {
    /// The most, in millionths of a cent.
    pub most: MicroCents,
    /// The period.
    pub per: Period,
}

/// Whose pages may call.
#[derive(Clone, Debug, Default)]
pub struct Cors {
    /// Everybody's.
    pub any: bool,
    /// Those of these origins.
    pub origins: Vec<String>,
}

impl Cors {
    /// Whether a page of this origin may call.
    pub fn lists(&self, origin: &[u8]) -> bool {
        self.any || self.origins.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(origin))
    }
}

/// How a delivery that came before is known.
#[derive(Clone, Debug)]
pub struct Duplicates {
    /// Where its id stands.
    pub by: IdSource,
    /// The signature covers the id; otherwise the body's hash stands beside it.
    pub signed: bool,
    /// How long it is remembered.
    pub window: Duration,
}

/// How long a caller may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallerTimeouts {
    /// From the first byte of a head to its last.
    pub header: Duration,
    /// From the end of the head to the end of the body; also how long a caller may refuse to read.
    pub body: Duration,
    /// Between two requests.
    pub idle: Duration,
}

/// One upstream, by name.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Where it is.
    pub target: Target,
    /// Whom TLS to it trusts; `None`: it is plain. The target's own `tls` is made of this at the start.
    pub tls: Option<Trust>,
    /// How it is asked; `None`: it gets what the caller sent.
    pub ai: Option<AiUpstream>,
}

impl Upstream {
    /// What it speaks.
    pub fn kind(&self) -> &'static str {
        self.ai.as_ref().map_or(provider::FORWARDING, |ai| ai.codec.name())
    }
}

/// How an AI is asked.
#[derive(Clone, Debug)]
pub struct AiUpstream {
    /// In which language.
    pub codec: &'static dyn Codec,
    /// The request's head up to what differs from request to request: it holds the key.
    pub head: Secret,
    /// The same where the answer is asked for as a stream.
    pub streaming_head: Secret,
    /// The key in it, which no message may show.
    pub key: Option<Secret>,
    /// Header fields that name the bot, the user or the conversation.
    pub fields: Vec<HeaderTemplate>,
    /// The model and what else its kind is told.
    pub settings: Settings,
    /// The system text of this upstream.
    pub system: Option<String>,
    /// What its tokens cost.
    pub price: Option<Price>,
    /// How often it is asked again.
    pub retries: u32,
}

#[cfg(test)]
pub(crate) mod tests;
