//! The registry: which bot a request belongs to.

use super::{Bot, CallerTimeouts, Cors, Subscriber, Upstream};
use crate::codec::dialect::Dialect;
use crate::proxy::bot::receiver::Receiver;
use foldhash::fast::RandomState;
use ipnet::IpNet;
use std::collections::HashMap;
use std::fmt;

/// The longest id of a bot, in bytes.
const MAX_ID: usize = 128;

/// Where a bot is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Path {
    /// Exactly this path.
    Exact(String),
    /// This path and everything below it.
    Below(String),
    /// This, then the bot's id, then that: a template's.
    Named(String, String),
    /// Exactly this path, which it shares with others; the body names it in this field.
    Body(String, &'static str),
}

impl Path {
    /// A path that it matches, of the bot with this id.
    pub fn sample(&self, id: &str) -> String {
        match self {
            Self::Exact(path) | Self::Body(path, _) => path.clone(),
            Self::Below(front) => format!("{front}/hello"),
            Self::Named(before, after) => format!("{before}{id}{after}"),
        }
    }
}

/// As the configuration writes it: with `/*` at the end, or `{bot}` in the place of the id.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(path) | Self::Body(path, _) => f.write_str(path),
            Self::Below(front) => write!(f, "{front}/*"),
            Self::Named(before, after) => write!(f, "{before}{{bot}}{after}"),
        }
    }
}

/// All that a reload replaces, as one value.
#[derive(Debug)]
pub struct Registry {
    bots: Vec<Bot>,
    exact: HashMap<String, Entry, RandomState>,
    below: HashMap<String, usize, RandomState>,
    longest: usize,
    named: Vec<Named>,
    shared: Vec<SharedRoute>,
    ids: HashMap<String, usize, RandomState>,
    /// The upstreams that the bots lead to.
    pub upstreams: Vec<Upstream>,
    /// Who is told of what happens to the bots.
    pub subscribers: Vec<Subscriber>,
    /// The largest body, in bytes.
    pub max_body: u64,
    /// The caller's deadlines.
    pub timeouts: CallerTimeouts,
    /// Whose `X-Forwarded-*` is believed.
    pub trusted: Vec<IpNet>,
}

#[derive(Debug)]
enum Entry {
    Bot(usize),
    Shared(usize),
}

/// Templates whose bots are named by the path.
#[derive(Debug)]
struct Named {
    before: String,
    after: String,
    templates: Templates,
}

/// A path whose requests name their bot in the body.
#[derive(Debug)]
pub struct SharedRoute {
    path: String,
    /// The dialect of all of its bots.
    pub dialect: &'static Dialect,
    /// The field that names the bot.
    pub field: &'static str,
    /// Pages that one of its bots at least may be called from.
    pub cors: Option<Cors>,
    /// None of its bots asks for a proof: nothing is given away by a 404.
    pub open: bool,
    listed: HashMap<String, usize, RandomState>,
    templates: Templates,
}

/// Beginnings of ids and whose they are, the longest first.
#[derive(Debug, Default)]
struct Templates(Vec<(String, usize)>);

/// What a path leads to.
#[derive(Debug)]
pub enum RouteMatch<'r, 'p> {
    /// A bot.
    Bot(BotMatch<'r, 'p>),
    /// Several; the body says which.
    Shared(&'r SharedRoute),
}

impl<'r> RouteMatch<'r, '_> {
    /// The dialect that is spoken behind it.
    pub fn dialect(&self) -> &'static Dialect {
        match self {
            Self::Bot(found) => found.bot.dialect,
            Self::Shared(shared) => shared.dialect,
        }
    }

    /// Pages that may call a bot behind it.
    pub fn cors(&self) -> Option<&'r Cors> {
        match self {
            Self::Bot(found) => found.bot.cors.as_ref(),
            Self::Shared(shared) => shared.cors.as_ref(),
        }
    }

    /// The methods that a page may use, as a preflight tells them.
    pub fn methods(&self) -> &'static str {
        match self.dialect().chat {
            Some(_) => "POST",
            None => "GET, HEAD, POST, PUT, PATCH, DELETE",
        }
    }
}

/// A bot, and the id that it was asked for under: its own, or one that its template stands for.
#[derive(Clone, Copy, Debug)]
pub struct BotMatch<'r, 'p> {
    /// Its place among [`Registry::bots`].
    pub index: usize,
    /// What is known of it.
    pub bot: &'r Bot,
    /// The id; `None`: the bot's own.
    pub named: Option<&'p str>,
}

impl<'p> BotMatch<'_, 'p> {
    /// The id.
    pub fn id<'a>(&'a self) -> &'a str
    where
        'p: 'a,
    {
        self.named.unwrap_or(&self.bot.id)
    }
}

impl Registry {
    /// Puts bots under their paths. Two with the same path are an error of the configuration, found before.
    pub fn new(
        bots: Vec<Bot>,
        upstreams: Vec<Upstream>,
        subscribers: Vec<Subscriber>,
        max_body: u64,
        timeouts: CallerTimeouts,
        trusted: Vec<IpNet>,
    ) -> Self {
        let mut registry = Self {
            bots: Vec::with_capacity(bots.len()),
            exact: HashMap::default(),
            below: HashMap::default(),
            longest: 0,
            named: Vec::new(),
            shared: Vec::new(),
            ids: HashMap::default(),
            upstreams,
            subscribers,
            max_body,
            timeouts,
            trusted,
        };
        for bot in bots {
            registry.add(bot);
        }
        registry
    }

    fn add(&mut self, bot: Bot) {
        let index = self.bots.len();
        if !bot.template {
            self.ids.insert(bot.id.to_string(), index);
        }
        match bot.path.clone() {
            Path::Exact(path) => {
                self.exact.insert(path, Entry::Bot(index));
            }
            Path::Below(path) => {
                self.longest = self.longest.max(path.len());
                self.below.insert(path, index);
            }
            Path::Named(before, after) => {
                let known = self
                    .named
                    .iter_mut()
                    .find(|named| named.before == before && named.after == after);
                if let Some(named) = known {
                    named.templates.add(&bot.id, index);
                } else {
                    let mut templates = Templates::default();
                    templates.add(&bot.id, index);
                    self.named.push(Named { before, after, templates });
                }
            }
            Path::Body(path, field) => {
                let at = self.shared.iter().position(|shared| shared.path == path);
                let at = at.unwrap_or_else(|| {
                    self.exact.insert(path.clone(), Entry::Shared(self.shared.len()));
                    self.shared.push(SharedRoute {
                        path,
                        dialect: bot.dialect,
                        field,
                        cors: None,
                        open: true,
                        listed: HashMap::default(),
                        templates: Templates::default(),
                    });
                    self.shared.len() - 1
                });
                if let Some(shared) = self.shared.get_mut(at) {
                    shared.add(&bot, index);
                }
            }
        }
        self.bots.push(bot);
    }

    /// What a path leads to: an exact one first, then one with an id in it, then the longest prefix.
    pub fn route<'r, 'p>(&'r self, path: &'p str) -> Option<RouteMatch<'r, 'p>> {
        match self.exact.get(path) {
            Some(Entry::Bot(index)) => return self.door(*index, None),
            Some(Entry::Shared(at)) => return self.shared.get(*at).map(RouteMatch::Shared),
            None => {}
        }
        for named in &self.named {
            let id = path
                .strip_prefix(&*named.before)
                .and_then(|rest| rest.strip_suffix(&*named.after))
                .filter(|id| is_id(id));
            if let Some(id) = id
                && let Some(index) = named.templates.find(id)
            {
                return self.door(index, Some(id));
            }
        }
        self.door(self.below(path)?, None)
    }

    /// The bot that a body names, at one of the paths that several share.
    pub fn named<'r, 'p>(&'r self, shared: &SharedRoute, id: &'p str) -> Option<BotMatch<'r, 'p>> {
        if let Some(index) = shared.listed.get(id) {
            return self.found(*index, None);
        }
        self.found(shared.templates.find(id)?, Some(id))
    }

    /// The place of the bot with this id that speaks this dialect: one with a table of its own, else the template with the longest
    /// front of it.
    pub fn place(&self, id: &str, dialect: &str) -> Option<usize> {
        let listed = self.ids.get(id).copied();
        let template = || {
            let bots = self.bots.iter().enumerate();
            let templates = bots.filter(|(_, bot)| {
                bot.template && bot.dialect.name == dialect && id.starts_with(&*bot.id)
            });
            templates.max_by_key(|(_, bot)| bot.id.len()).map(|(index, _)| index)
        };
        let speaks = |index: &usize| {
            let bot = self.bots.get(*index);
            bot.is_some_and(|bot| bot.dialect.name == dialect)
        };
        listed.or_else(template).filter(speaks)
    }

    fn door<'r, 'p>(&'r self, index: usize, named: Option<&'p str>) -> Option<RouteMatch<'r, 'p>> {
        self.found(index, named).map(RouteMatch::Bot)
    }

    fn found<'r, 'p>(&'r self, index: usize, named: Option<&'p str>) -> Option<BotMatch<'r, 'p>> {
        let bot = self.bots.get(index)?;
        Some(BotMatch { index, bot, named })
    }

    fn below(&self, path: &str) -> Option<usize> {
        if self.below.is_empty() {
            return None;
        }
        // A cut is at most one byte behind the longest prefix: a path of slashes alone costs no more than any other.
        let head = &path.as_bytes()[..path.len().min(self.longest + 1)];
        let whole = (head.len() == path.len()).then_some(path);
        let cuts = memchr::memrchr_iter(b'/', head).map(|cut| &path[..cut]);
        whole.into_iter().chain(cuts).find_map(|prefix| self.below.get(prefix).copied())
    }

    /// Where answers and events go: the bots' callbacks, then the subscribers.
    pub fn receivers(&self) -> impl Iterator<Item = &Receiver> {
        let callbacks = self.bots.iter().filter_map(|bot| bot.callback.as_ref());
        callbacks.chain(self.subscribers.iter().map(|subscriber| &subscriber.receiver))
    }

    /// All bots, in the order of the configuration.
    pub fn bots(&self) -> &[Bot] {
        &self.bots
    }
}

impl SharedRoute {
    fn add(&mut self, bot: &Bot, index: usize) {
        if bot.template {
            self.templates.add(&bot.id, index);
        } else {
            self.listed.insert(bot.id.to_string(), index);
        }
        self.open &= bot.verifier.unauthenticated();
        if let Some(cors) = &bot.cors {
            let union = self.cors.get_or_insert_default();
            union.any |= cors.any;
            union.origins.extend_from_slice(&cors.origins);
        }
    }
}

impl Templates {
    fn add(&mut self, beginning: &str, index: usize) {
        let at = self.0.partition_point(|(known, _)| known.len() >= beginning.len());
        self.0.insert(at, (beginning.to_owned(), index));
    }

    fn find(&self, id: &str) -> Option<usize> {
        let found = self.0.iter().find(|(known, _)| id.starts_with(&**known));
        found.map(|(_, index)| *index)
    }
}

/// Whether this may be a bot's id.
pub fn is_id(text: &str) -> bool {
    matches!(text.len(), 1..=MAX_ID)
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}
