//! The exchange with an AI: which upstream is asked, in what order the others follow, when one is retried (after a 429, say), the cost.

mod attempt;
pub mod stream;

use crate::clock;
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
    /// Who asks.
    pub worker: &'a Rc<Worker>,
    /// The upstreams there are.
    pub snapshot: &'a Rc<ConfigSnapshot>,
    /// How the bot talks.
    pub settings: &'a ChatSettings,
    /// What is waited on.
    pub timer: &'a Rc<Timer>,
    /// The bot's id.
    pub bot: &'a str,
    /// What the caller said.
    pub event: &'a Event<'a>,
    /// The conversation's own id; `None` where its platform has the say.
    pub conversation: Option<&'a str>,
    /// What was said in it before.
    pub history: &'a [Turn<'a>],
    /// When the answer must be there, in nanoseconds of [`clock::now`].
    pub by: u64,
}

/// What came of it.
#[derive(Debug)]
pub enum AiResponse {
    /// The whole answer, and what it cost.
    Whole(Answer<'static>, MicroCents),
    /// An answer that has begun.
    Pieces(Box<StreamingAnswer>),
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

/// Asks one AI after the other until one answers or time is up. `spare` is an emptied map for responses to use.
pub async fn ask(
    question: &ChatRequest<'_>,
    candidates: &[usize],
    ctx: &mut RequestContext,
    spare: &mut HeaderMap,
) -> Result<AiResponse, Reject> {
    let mut last = None;
    let mut closed_for = Duration::MAX;
    for index in candidates {
        let registry = &question.snapshot.registry;
        let upstream = registry.upstreams.get(*index);
        let Some(ai) = upstream.and_then(|upstream| upstream.ai.as_ref()) else {
            continue;
        };
        let mut left = ai.retries;
        while let Some(breaker) = question.snapshot.breakers.get(*index) {
            let now = clock::now();
            let Some(pass) = Breaker::admit(&**breaker, now) else {
                closed_for = closed_for.min(breaker.wait(now));
                break;
            };
            if let Some(before) = &last {
                ctx.passed_over(before);
            }
            let attempt = Attempt { question, ai, index: *index };
            let failed = match attempt.run(pass, ctx, std::mem::take(spare)).await {
                Ok(spoken) => return Ok(spoken),
                Err(failed) => failed,
            };
            let wait = failed.again.filter(|wait| {
                left > 0 && clock::now().saturating_add(clock::nanos(*wait)) < question.by
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
                question.sleep(wait).await;
            }
        }
        if clock::now() >= question.by {
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
