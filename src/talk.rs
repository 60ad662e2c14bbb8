//! The exchange with an AI: which upstream is asked, in what order the others follow, when one is asked again, what it costs.

use crate::balance;
use crate::bot::{Ai, Talk};
use crate::budget::{Refused, Reservation};
use crate::client::breaker::{Breaker, Health, Pass};
use crate::client::{self, Cause, Frames, Outgoing, Received, Sent};
use crate::clock;
use crate::message::{Answer, Ask, Event, Fault, Outcome, Part, Turn, Usage};
use crate::money::MicroCents;
use crate::placeholder::Names;
use crate::reject::Reject;
use crate::speech::Speech;
use crate::timers::Timer;
use crate::trace::Trace;
use crate::upstream::Unsupported;
use crate::worker::{View, Worker};
use http::{HeaderMap, Response, StatusCode, header};
use smallvec::SmallVec;
use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

/// The longest answer of an AI, in bytes.
const ANSWER_MAX: usize = 4 * 1024 * 1024;
/// The longest body of an AI's error that is read, in bytes.
const ERROR_MAX: usize = 64 * 1024;
/// What one image or file is taken to cost at most, in tokens, until the AI says what it did.
const ATTACHMENT_TOKENS: u64 = 5_000;

/// What is asked.
#[derive(Debug)]
pub struct Question<'a> {
    /// Who asks.
    pub worker: &'a Rc<Worker>,
    /// The upstreams there are.
    pub view: &'a Rc<View>,
    /// How the bot talks.
    pub talk: &'a Talk,
    /// What is waited on.
    pub timer: &'a Rc<Timer>,
    /// The bot's id.
    pub bot: &'a str,
    /// What the caller said.
    pub event: &'a Event<'a>,
    /// The kept conversation's id.
    pub conversation: Option<&'a str>,
    /// What was said in it before.
    pub history: &'a [Turn<'a>],
    /// When the answer must be there, in nanoseconds of [`clock::now`].
    pub by: u64,
}

/// What came of it.
#[derive(Debug)]
pub enum Spoken {
    /// The whole answer, and what it cost.
    Whole(Answer<'static>, MicroCents),
    /// An answer that has begun.
    Pieces(Box<Speech>),
}

/// Who is asked, first to last: the bot's upstreams by weight, the conversation's own first, then those that stand in for them.
pub fn candidates(talk: &Talk, sticky: u64) -> SmallVec<[usize; 4]> {
    let mut order: SmallVec<[usize; 4]> = match talk.upstreams.as_slice() {
        [only] => SmallVec::from_slice(&[*only]),
        several => balance::order(sticky, &talk.arms)
            .into_iter()
            .filter_map(|arm| several.get(arm).copied())
            .collect(),
    };
    for index in &talk.fallback {
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
        Self {
            reject,
            again: None,
            next: false,
        }
    }

    /// Another upstream might do better.
    fn next(reject: Reject) -> Self {
        Self {
            reject,
            again: None,
            next: true,
        }
    }
}

/// Asks one AI after the other until one answers or time is up. `spare` is an emptied map for responses to use.
pub async fn ask(
    question: &Question<'_>,
    candidates: &[usize],
    trace: &mut Trace,
    spare: &mut HeaderMap,
) -> Result<Spoken, Reject> {
    let mut last = None;
    let mut closed_for = Duration::MAX;
    for index in candidates {
        let registry = &question.view.registry;
        let upstream = registry.upstreams.get(*index);
        let Some(ai) = upstream.and_then(|upstream| upstream.ai.as_ref()) else {
            continue;
        };
        let mut left = ai.retries;
        while let Some(breaker) = question.view.breakers.get(*index) {
            let now = clock::now();
            let Some(pass) = Breaker::admit(&**breaker, now) else {
                closed_for = closed_for.min(breaker.wait(now));
                break;
            };
            let attempt = Attempt {
                question,
                ai,
                index: *index,
            };
            let failed = match attempt.run(pass, trace, std::mem::take(spare)).await {
                Ok(spoken) => return Ok(spoken),
                Err(failed) => failed,
            };
            let wait = failed.again.filter(|wait| {
                left > 0 && clock::now().saturating_add(clock::nanos(*wait)) < question.by
            });
            if !failed.next && wait.is_none() {
                return Err(failed.reject);
            }
            trace.attempt_failed(&failed.reject);
            last = Some(failed.reject);
            let Some(wait) = wait else { break };
            left -= 1;
            trace.retried();
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

impl Question<'_> {
    async fn sleep(&self, wait: Duration) {
        self.timer
            .set(clock::now().saturating_add(clock::nanos(wait)));
        poll_fn(|cx| self.timer.poll(cx)).await;
        self.timer.clear();
    }
}

/// One exchange with one AI.
struct Attempt<'a> {
    question: &'a Question<'a>,
    ai: &'a Ai,
    index: usize,
}

impl Attempt<'_> {
    async fn run(
        &self,
        pass: Pass<&Breaker>,
        trace: &mut Trace,
        spare: HeaderMap,
    ) -> Result<Spoken, Failed> {
        let question = self.question;
        let pool = question
            .view
            .pools
            .get(self.index)
            .ok_or_else(|| Failed::next(Reject::Unavailable(Duration::ZERO)))?;
        let mut body = question.worker.room();
        self.encode(&mut body)
            .map_err(|wrong| Failed::next(Reject::Unsupported(wrong)))?;
        let reservation = self.reserve(body.len(), trace.began_ms)?;
        let request = self.request(&body, trace, spare)?;
        drop(body);
        trace.upstream(pool);
        let sent = client::send(pool, request, question.timer, Some(question.by)).await;
        let response = match sent {
            Ok(response) => response,
            Err(error) => {
                let again = error.sent == Sent::Unsent && matches!(error.cause, Cause::Connect(_));
                pass.tell(Health::of_error(&error), clock::now());
                return Err(Failed {
                    reject: Reject::Upstream(error),
                    again: again.then_some(Duration::ZERO),
                    next: true,
                });
            }
        };
        let judged = if response.status() == StatusCode::OK {
            self.hear(response, reservation, trace).await
        } else {
            Err(self.refused(response, trace).await)
        };
        let health = match &judged {
            Ok(_) => Health::Well,
            Err(failed) => health(&failed.reject),
        };
        pass.tell(health, clock::now());
        judged
    }

    /// Reads a 200, whole or up to its first words.
    async fn hear(
        &self,
        response: Response<Received>,
        reservation: Option<Reservation>,
        trace: &mut Trace,
    ) -> Result<Spoken, Failed> {
        let (head, body) = response.into_parts();
        if head.headers.contains_key(header::CONTENT_ENCODING) {
            let fault = Fault::Senseless("it is compressed, which was not asked for");
            return Err(Failed::next(Reject::Answer(fault)));
        }
        let streams = head
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        if let Some(stream) = self.question.talk.stream.filter(|_| streams) {
            let speech = Speech::open(body, self.ai.codec, stream, self.ai.price, reservation);
            return speech.await.map(Spoken::Pieces).map_err(judge);
        }
        let mut text = self.question.worker.room();
        client::whole(body, ANSWER_MAX, &mut text)
            .await
            .map_err(|error| Failed::next(Reject::Upstream(error)))?;
        trace.said(&text);
        let decoded = self.ai.codec.decode(&mut text);
        // What is no answer may have cost as much as one.
        let usage = match &decoded {
            Ok(answer) => answer.usage,
            Err(none) => none.usage,
        };
        let cost = self.ai.price.map_or(0, |price| price.of(usage));
        if let Some(reservation) = reservation {
            reservation.settle(cost);
        }
        trace.spent(usage, cost);
        match decoded {
            Ok(answer) => Ok(Spoken::Whole(answer.into_owned(), cost)),
            Err(none) => Err(judge(Reject::Answer(none.fault))),
        }
    }

    /// Reads any other response.
    async fn refused(&self, response: Response<Received>, trace: &Trace) -> Failed {
        let (head, body) = response.into_parts();
        let mut text = self.question.worker.room();
        // An error's body only says more of what the status says.
        if client::whole(body, ERROR_MAX, &mut text).await.is_err() {
            text.clear();
        }
        trace.said(&text);
        let (status, now_ms) = (head.status.as_u16(), trace.began_ms);
        let codec = self.ai.codec;
        let refusal = codec.refusal(status, &head.headers, &mut text, now_ms);
        let again = refusal.retry_after.filter(|_| refusal.again);
        Failed {
            reject: Reject::Refused(refusal),
            again,
            next: true,
        }
    }

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), Unsupported> {
        let question = self.question;
        let own = [question.talk.system.as_deref(), self.ai.system.as_deref()];
        let system: SmallVec<[&str; 2]> = own.into_iter().flatten().collect();
        let ask = Ask {
            bot: question.bot,
            bot_name: question.talk.name.as_deref(),
            conversation: question
                .conversation
                .or(question.event.conversation.as_deref()),
            model: self.ai.model.as_deref(),
            max_tokens: self.ai.max_tokens,
            version: self.ai.version.as_deref(),
            system: &system,
            history: question.history,
            event: question.event,
            stream: question.talk.stream.is_some(),
        };
        self.ai.codec.encode(&ask, out)
    }

    /// Sets aside what the call can cost at most: no text has more tokens than bytes.
    fn reserve(&self, bytes: usize, now_ms: u64) -> Result<Option<Reservation>, Failed> {
        let (Some(cap), Some(price)) = (self.question.talk.budget, self.ai.price) else {
            return Ok(None);
        };
        let turns = self
            .question
            .history
            .iter()
            .chain(&self.question.event.turns);
        let attachments = turns
            .flat_map(|turn| &turn.parts)
            .filter(|part| !matches!(part, Part::Text(_)))
            .count();
        let most = price.of(Usage {
            input: bytes as u64 + attachments as u64 * ATTACHMENT_TOKENS,
            output: u64::from(self.ai.max_tokens),
        });
        let kept = self.question.worker.shared.kept.get();
        let kept = kept.ok_or_else(|| Failed::for_good(Reject::State))?;
        kept.budgets
            .reserve(self.question.bot, cap.most, cap.per, most, now_ms)
            .map(Some)
            .map_err(|refused| {
                Failed::for_good(match refused {
                    Refused::Exceeded(_) => Reject::Budget,
                    Refused::Unknown(_) => Reject::State,
                })
            })
    }

    /// The request, head and body in one piece.
    fn request(&self, body: &[u8], trace: &Trace, spare: HeaderMap) -> Result<Outgoing, Failed> {
        let question = self.question;
        let names = Names {
            bot: question.bot,
            user: question.event.user.id.as_deref(),
            conversation: question
                .conversation
                .or(question.event.conversation.as_deref()),
            channel: question.event.channel.as_deref(),
        };
        let mut fit = Ok(());
        let request = Outgoing::new(false, Frames::default(), spare, |_, out| {
            out.extend_from_slice(self.ai.head.expose());
            for field in &self.ai.fields {
                out.extend_from_slice(b"\r\n");
                out.extend_from_slice(field.name.as_str().as_bytes());
                out.extend_from_slice(b": ");
                if field.value.write(&names, out).is_err() {
                    fit = Err(field.name.as_str());
                }
            }
            out.extend_from_slice(b"\r\nx-request-id: ");
            out.extend_from_slice(trace.id.as_bytes());
            out.extend_from_slice(b"\r\ncontent-length: ");
            out.extend_from_slice(itoa::Buffer::new().format(body.len()).as_bytes());
            out.extend_from_slice(b"\r\n\r\n");
            out.extend_from_slice(body);
        });
        match fit {
            Ok(()) => Ok(request),
            Err(name) => Err(Failed::for_good(Reject::Unsupported(Unsupported(format!(
                "An id of this message cannot stand in the header field {name}"
            ))))),
        }
    }
}

/// What a failed answer means for those who could still be asked.
fn judge(reject: Reject) -> Failed {
    match reject {
        // What one model will not say, another is not asked to.
        Reject::Answer(Fault::Cut | Fault::Refused | Fault::Filtered) => Failed::for_good(reject),
        reject => Failed::next(reject),
    }
}

/// What a response tells of the upstream that gave it.
fn health(reject: &Reject) -> Health {
    let ill = match reject {
        Reject::Upstream(error) => return Health::of_error(error),
        Reject::Answer(fault) => matches!(fault, Fault::Senseless(_) | Fault::BrokeOff),
        Reject::Refused(refusal) => matches!(
            refusal.outcome,
            Outcome::Overloaded | Outcome::TooSlow | Outcome::Failed
        ),
        _ => return Health::Unknown,
    };
    if ill { Health::Ill } else { Health::Well }
}
