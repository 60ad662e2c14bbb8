//! Who looks on while a message is answered: `botgate test` shows the steps. A server has no witness, and a step then costs a comparison.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;

/// How many steps wait to be looked at.
const MAX_OBSERVATIONS: usize = 256;
/// How much is kept of what an upstream said, in bytes.
const MAX_OBSERVED_BODY: usize = 1024;

/// One end: what happens is told to it. It never waits; what is not looked at in time is lost.
#[derive(Clone, Debug)]
pub struct Observer {
    upstream: Arc<str>,
    steps: mpsc::Sender<Observation>,
}

/// A step that was seen.
#[derive(Debug)]
pub struct Observation {
    /// When.
    pub at: Instant,
    /// The upstream that it concerns, by name; empty where it concerns none.
    pub upstream: Arc<str>,
    /// What happened.
    pub step: Step,
}

/// What happens on a message's way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The upstream's name was looked up, or was an address already.
    Resolved(Vec<SocketAddr>),
    /// A socket is connected.
    Connected(Option<SocketAddr>),
    /// The TLS handshake is done, the certificate believed.
    TlsEstablished,
    /// A request of so many bytes begins to go out.
    RequestStarted(u64),
    /// The head of the response is there, with this status.
    ResponseStarted(u16),
    /// The response is whole.
    ResponseEnded,
    /// What an AI responded, or the front of it. It may hold what the user wrote: for the terminal of who asked, and for no log.
    AiResponse(String),
    /// The caller has the first piece of an answer that streams, and its status.
    StreamStarted(u16),
    /// The exchange, or the request as a whole, came to nothing.
    Failed {
        /// The word for it in logs and metrics.
        word: &'static str,
        /// Why, for the operator.
        why: String,
    },
}

impl Step {
    /// What an AI responded, as far as it is kept.
    pub fn ai_response(body: &[u8]) -> Self {
        let front = body.get(..MAX_OBSERVED_BODY).unwrap_or(body);
        Self::AiResponse(String::from_utf8_lossy(front).into_owned())
    }
}

impl Observer {
    /// A witness, and where its steps can be looked at.
    pub fn new() -> (Self, mpsc::Receiver<Observation>) {
        let (steps, seen) = mpsc::channel(MAX_OBSERVATIONS);
        let upstream = Arc::from("");
        (Self { upstream, steps }, seen)
    }

    /// The same, for what concerns this upstream.
    pub fn for_upstream(&self, upstream: &str) -> Self {
        Self { upstream: upstream.into(), steps: self.steps.clone() }
    }

    /// Tells of a step.
    pub fn record(&self, step: Step) {
        let seen = Observation { at: Instant::now(), upstream: self.upstream.clone(), step };
        drop(self.steps.try_send(seen));
    }
}
