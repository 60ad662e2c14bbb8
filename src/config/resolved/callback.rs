//! What the settings of callbacks and subscribers resolve to.

use crate::codec::bot_event::EventType;
use crate::proxy::bot::receiver::Shared;
use crate::secret::Secret;
use crate::signature::Scheme;
use ipnet::IpNet;
use std::sync::Arc;
use std::time::Duration;

/// How a bot answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Where the answer goes.
    pub mode: Mode,
    /// For how long an AI that fails is asked again where the answer may come later. Default 15 min.
    pub answer_within: Duration,
    /// What is said when there is no answer by then; `None`: nothing.
    pub failure_text: Option<String>,
}

/// Where an answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Into the response.
    Sync,
    /// To the callback.
    Callback,
    /// Into the response where it is ready within this time, else to the callback. Default 25 s.
    Auto(Duration),
}

/// `[bots.ID.callback]`.
#[derive(Clone, Debug)]
pub struct Callback {
    /// Whether TLS is spoken to it.
    pub tls: bool,
    /// Certificates that are trusted beside the platform's own: PEM text, looked at but not verified.
    pub ca: Option<String>,
    /// What goes into `Host`.
    pub authority: String,
    /// A host name or an address, an IPv6 one without its brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The URL's path and query: many a receiver knows its sender by nothing else.
    pub path: Secret,
    /// Header fields of its requests: names as written, values that no header breaks at.
    pub headers: Vec<(String, Secret)>,
    /// What authorises its requests.
    pub auth: Auth,
    /// How they are signed; `None`: they are not.
    pub sign: Option<Arc<Scheme>>,
    /// How long one attempt may take. Default 10 s.
    pub timeout: Duration,
    /// How long after each failed attempt the next one follows, at most 16. Default 30 s, 2 min, 10 min.
    pub retries: Vec<Duration>,
    /// Networks that it may be in though they are not public.
    pub allow: Vec<IpNet>,
}

/// What authorises a callback's requests.
#[derive(Clone, Debug)]
pub enum Auth {
    /// Nothing, or one of the headers.
    None,
    /// This value of `Authorization`.
    Own(Secret),
    /// The bot's own secret.
    Shared(Shared),
}

/// One of `[[subscribers]]`.
#[derive(Clone, Debug)]
pub struct Subscriber {
    /// What it is known by, its own among all: as written, or derived from its URL, of which it shows the host alone.
    pub name: String,
    /// Where its events go.
    pub callback: Callback,
    /// The kinds of event that it is sent, each once.
    pub events: Vec<EventType>,
    /// The ids of the bots that they are about; with `*` at the end all that begin so.
    pub bots: Vec<String>,
}
