//! The observer of a request, told of every step on its way: `botgate test` prints them. A request carries one or none, decided at its
//! head; without one a step costs a comparison.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;

/// How many observations wait to be received.
const MAX_OBSERVATIONS: usize = 256;
/// How much is kept of an AI's response, in bytes.
const MAX_OBSERVED_BODY: usize = 1024;

/// Records the steps of one request. It never waits: while [`MAX_OBSERVATIONS`] are not received, further ones are lost.
#[derive(Clone, Debug)]
pub struct Observer(Arc<Channel>);

#[derive(Debug)]
struct Channel {
    /// The upstream that is recorded with a step, by name; empty before there is one.
    upstream: Arc<str>,
    observations: mpsc::Sender<Observation>,
}

/// A step that was recorded.
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
    /// An observer, and the end at which its observations are received.
    pub fn new() -> (Self, mpsc::Receiver<Observation>) {
        let (observations, received) = mpsc::channel(MAX_OBSERVATIONS);
        (Self(Arc::new(Channel { upstream: Arc::from(""), observations })), received)
    }

    /// The same, for the steps that concern this upstream.
    pub fn for_upstream(&self, upstream: &str) -> Self {
        let observations = self.0.observations.clone();
        Self(Arc::new(Channel { upstream: upstream.into(), observations }))
    }

    pub fn record(&self, step: Step) {
        let Channel { upstream, observations } = &*self.0;
        let observation = Observation { at: Instant::now(), upstream: upstream.clone(), step };
        drop(observations.try_send(observation));
    }
}

/// Records a step where there is an observer; where there is none, the step is not even made.
pub fn record(observer: Option<&Observer>, step: impl FnOnce() -> Step) {
    if let Some(observer) = observer {
        observer.record(step());
    }
}
