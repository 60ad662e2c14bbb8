//! The exchange with an AI: which upstream is asked, in what order the others follow, when one is retried (after a 429, say), the cost.

mod attempt;
pub mod stream;

use crate::clock;
use crate::codec::dialect::StreamEncoder;
use crate::codec::message::{Answer, Event, Turn};
use crate::codec::price::MicroCents;
use crate::net::client::breaker::Breaker;
use crate::net::rendezvous;
use crate::net::timers::Timer;
use crate::proxy::ai::stream::StreamingAnswer;
use crate::proxy::bot::ChatSettings;
use crate::proxy::context::RequestContext;
use crate::proxy::reject::Reject;
use crate::proxy::worker::{ConfigSnapshot, Worker};
use attempt::Attempt;
use http::HeaderMap;
use smallvec::SmallVec;
use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

/// What is asked.
#[derive(Debug)]
pub struct ChatRequest<'a> {
    pub worker: &'a Rc<Worker>,
    pub snapshot: &'a Rc<ConfigSnapshot>,
    pub settings: &'a ChatSettings,
    pub timer: &'a Rc<Timer>,
    /// The bot's id.
    pub bot: &'a str,
    pub event: &'a Event<'a>,
    /// How the answer is streamed to the caller; `None`: it is asked for whole.
    pub stream: Option<&'static dyn StreamEncoder>,
    /// The conversation's own id; `None` where its platform keeps the history.
    pub conversation: Option<&'a str>,
    /// Its past turns, oldest first.
    pub history: &'a [Turn<'a>],
    /// When the answer must be there, in nanoseconds of [`clock::now`].
    pub deadline_ns: u64,
}

/// What came of it.
#[derive(Debug)]
pub enum AiResponse {
    /// A whole answer of this upstream, an index into [`crate::proxy::bot::Registry::upstreams`].
    Whole { answer: Answer<'static>, micro_cents: MicroCents, upstream: usize },
    /// An answer that has begun.
    Streaming(Box<StreamingAnswer>),
}

/// Who is asked, first to last: the bot's upstreams by weight, the conversation's own first, then those that stand in for them.
pub fn candidates(settings: &ChatSettings, sticky: u64) -> SmallVec<[usize; 4]> {
    let mut order: SmallVec<[usize; 4]> = match settings.upstreams.as_slice() {
        [only] => SmallVec::from_slice(&[*only]),
        several => rendezvous::order(sticky, &settings.arms)
            .into_iter()
            .filter_map(|arm| several.get(arm).copied())
            .collect(),
    };
    for index in &settings.fallback {
        if !order.contains(index) {
            order.push(*index);
        }
    }
    order
}

/// Why an attempt came to nothing, and what may be done about it.
struct Failed {
    reject: Reject,
    /// The same upstream may be asked again after this time.
    again: Option<Duration>,
    /// Another upstream may be asked.
    next: bool,
}

impl Failed {
    /// Nothing else can help.
    fn for_good(reject: Reject) -> Self {
        Self { reject, again: None, next: false }
    }

    /// Another upstream might do better.
    fn next(reject: Reject) -> Self {
        Self { reject, again: None, next: true }
    }
}

/// Asks one AI after the other until one answers or time is up. `reused_headers` is an emptied map for responses to use.
pub async fn ask(
    request: &ChatRequest<'_>,
    candidates: &[usize],
    ctx: &mut RequestContext,
    reused_headers: &mut HeaderMap,
) -> Result<AiResponse, Reject> {
    let mut last = None;
    let mut closed_for = Duration::MAX;
    for index in candidates {
        let registry = &request.snapshot.registry;
        let upstream = registry.upstreams.get(*index);
        let Some(ai) = upstream.and_then(|upstream| upstream.ai.as_ref()) else {
            continue;
        };
        let mut left = ai.retries;
        while let Some(breaker) = request.snapshot.breakers.get(*index) {
            let now = clock::now();
            let Some(pass) = Breaker::admit(&**breaker, now) else {
                closed_for = closed_for.min(breaker.retry_in(now));
                break;
            };
            if let Some(before) = &last {
                ctx.passed_over(before);
            }
            let attempt = Attempt { request, ai, index: *index };
            let failed = match attempt.run(pass, ctx, std::mem::take(reused_headers)).await {
                Ok(response) => return Ok(response),
                Err(failed) => failed,
            };
            let wait = failed.again.filter(|wait| {
                left > 0 && clock::now().saturating_add(clock::nanos(*wait)) < request.deadline_ns
            });
            if !failed.next && wait.is_none() {
                return Err(failed.reject);
            }
            ctx.attempt_failed(&failed.reject);
            last = Some(failed.reject);
            let Some(wait) = wait else { break };
            left -= 1;
            ctx.retried();
            if !wait.is_zero() {
                request.sleep(wait).await;
            }
        }
        if clock::now() >= request.deadline_ns {
            break;
        }
    }
    Err(last.unwrap_or(Reject::Unavailable(closed_for)))
}

impl ChatRequest<'_> {
    async fn sleep(&self, wait: Duration) {
        self.timer.set(clock::now().saturating_add(clock::nanos(wait)));
        poll_fn(|cx| self.timer.poll(cx)).await;
        self.timer.clear();
    }
}
