//! What is known of a request while it is served; counted and logged in one place when it ends, however it ends.

mod analytics;

use crate::clock;
use crate::codec::dialect::Chat;
use crate::codec::message::Usage;
use crate::codec::price::MicroCents;
use crate::net::client::{Pool, UpstreamError};
use crate::net::request_framing::FramingError;
use crate::proxy::bot::{BotMatch, RouteMatch};
use crate::proxy::reject::{ErrorInfo, Reject};
use crate::proxy::worker::{ConfigSnapshot, Worker};
use crate::signature::Proof;
use crate::state::analytics::Happened;
use crate::state::limit::{RuleSet, Standing, Verdict};
use crate::telemetry::access_log::{Record, TruncatedText};
use crate::telemetry::observer::{self, Observer, Step};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

/// The id that one request has on both sides and in the log.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// One request. Dropped, it is counted and logged.
#[derive(Debug)]
pub struct RequestContext {
    /// `X-Request-Id`: the caller's own where `is_sane`, otherwise a fresh one.
    pub id: HeaderValue,
    /// When it began, in nanoseconds of [`clock::now`].
    pub start_ns: u64,
    /// The same by the wall clock, in milliseconds since 1970.
    pub start_ms: u64,
    worker: Rc<Worker>,
    bot: Option<(Rc<ConfigSnapshot>, usize)>,
    pool: Option<Rc<Pool>>,
    observer: Option<Observer>,
    standing: Option<Standing>,
    chat: Option<&'static dyn Chat>,
    origin: Option<HeaderValue>,
    record: Record,
    /// It has no response of its own: neither counted as a request nor logged.
    counted_elsewhere: bool,
    /// The code word of the error that it was refused with.
    code: Option<&'static str>,
    authenticated: bool,
    /// The answer leaves as a callback.
    answered_later: bool,
    /// An AI was asked without success.
    pub ai_asked: bool,
}

impl RequestContext {
    /// A request whose head has been read.
    pub fn begin(worker: &Rc<Worker>, peer: IpAddr, head: &Parts) -> Box<Self> {
        let own = head.headers.get(X_REQUEST_ID).filter(|id| is_sane(id.as_bytes())).cloned();
        let id = own.unwrap_or_else(|| worker.request_id());
        let mut ctx = Self::open(worker, peer, id);
        ctx.record.method = TruncatedText::new(head.method.as_str().as_bytes());
        ctx.record.path = TruncatedText::new(head.uri.path().as_bytes());
        ctx
    }

    /// A request whose head was refused before it was parsed.
    pub fn headless(worker: &Rc<Worker>, peer: IpAddr) -> Box<Self> {
        Self::open(worker, peer, worker.request_id())
    }

    /// An answer apart from its request, whose response has ended or has a context of its own. What the AI costs is counted, a request is not.
    pub fn for_job(
        worker: &Rc<Worker>,
        snapshot: &Rc<ConfigSnapshot>,
        bot: usize,
        id: &Arc<str>,
    ) -> Box<Self> {
        let mut ctx = Self::new(worker, worker.request_id(), Record::default());
        ctx.record.bot = Some(id.clone());
        ctx.authenticated = true;
        ctx.bot = Some((snapshot.clone(), bot));
        ctx.counted_elsewhere = true;
        Box::new(ctx)
    }

    fn open(worker: &Rc<Worker>, peer: IpAddr, id: HeaderValue) -> Box<Self> {
        worker.cells.in_flight.increment();
        let record =
            Record { id: TruncatedText::new(id.as_bytes()), peer: Some(peer), ..Record::default() };
        Box::new(Self::new(worker, id, record))
    }

    fn new(worker: &Rc<Worker>, id: HeaderValue, record: Record) -> Self {
        Self {
            id,
            start_ns: clock::now(),
            start_ms: clock::unix_ms(),
            worker: worker.clone(),
            bot: None,
            pool: None,
            observer: worker.shared.observer.clone(),
            standing: None,
            chat: None,
            origin: None,
            record,
            counted_elsewhere: false,
            code: None,
            authenticated: false,
            answered_later: false,
            ai_asked: false,
        }
    }

    /// Its path has a bot: from here on errors have the dialect's own shape and the CORS headers of an allowed page.
    pub fn routed(&mut self, route: &RouteMatch<'_, '_>, headers: &HeaderMap) {
        self.chat = route.dialect().chat;
        if let Some(cors) = route.cors() {
            let origin = headers.get(header::ORIGIN);
            self.origin = origin.filter(|origin| cors.lists(origin.as_bytes())).cloned();
        }
    }

    /// Its bot is known.
    pub fn matched(&mut self, snapshot: &Rc<ConfigSnapshot>, found: &BotMatch<'_, '_>) {
        self.record.bot = Some(found.named.map_or_else(|| found.bot.id.clone(), Arc::from));
        self.bot = Some((snapshot.clone(), found.index));
    }

    /// The address behind trusted proxies.
    pub fn set_client_address(&mut self, address: IpAddr) {
        self.record.peer = Some(address);
    }

    /// Its signature is right, `unix` seconds after 1970.
    pub fn verified(&mut self, proof: &Proof, unix: i64) {
        self.authenticated = true;
        if let Some((snapshot, index)) = &self.bot {
            snapshot.bots[*index].secret_used(proof.secret(), unix.unsigned_abs());
        }
    }

    pub fn body_received(&mut self, frames: &[Bytes]) {
        self.record.bytes_in = frames.iter().map(|frame| frame.len() as u64).sum();
    }

    /// The upstream that is asked now, by name: what is observed from here on concerns it.
    pub fn set_upstream(&mut self, pool: &Rc<Pool>, upstream: &str) {
        self.pool = Some(pool.clone());
        if let Some(observer) = &mut self.observer {
            *observer = observer.for_upstream(upstream);
        }
    }

    /// Who observes this request, for the exchange with its upstream.
    pub fn observer(&self) -> Option<Observer> {
        self.observer.clone()
    }

    /// Keeps the tightest standing for the response's `RateLimit`.
    ///
    /// # Errors
    /// [`Reject::Limited`] where a limit is exceeded.
    pub fn apply_limit(&mut self, verdict: Verdict) -> Result<(), Reject> {
        let (standing, refused) = match verdict {
            Verdict::Unlimited => return Ok(()),
            Verdict::Admitted(standing) => (standing, false),
            Verdict::Refused(standing) => (standing, true),
        };
        let tightest = match self.standing {
            Some(before) if !refused => before.tighter(standing),
            _ => standing,
        };
        self.standing = Some(tightest);
        if refused { Err(Reject::Limited) } else { Ok(()) }
    }

    /// What an answer cost, whether or not it is usable.
    pub fn record_cost(&mut self, usage: Usage, cost: MicroCents) {
        if let Some((snapshot, index)) = &self.bot {
            snapshot.bots[*index].spent(usage.input, usage.output, cost);
        }
        self.record_analytics(Happened::Spent(usage, cost), clock::unix_ms());
    }

    /// The same AI is asked once more.
    pub fn retried(&mut self) {
        if let Some(pool) = &self.pool {
            pool.cells().retried.increment();
        }
    }

    pub fn attempt_failed(&mut self, reject: &Reject) {
        self.ai_asked |= reject.was_asked();
        self.observe(|| reject.observation());
    }

    /// No AI answered: the last failure, where there is no caller to be refused.
    pub fn unanswered(&mut self, reject: &Reject) {
        self.observe(|| reject.observation());
        if let Reject::Upstream(error) = reject {
            self.upstream_failed(error);
        }
    }

    /// After this failure another AI is asked, or the same again.
    pub fn passed_over(&mut self, reject: &Reject) {
        if let Reject::Upstream(error) = reject {
            self.upstream_failed(error);
        }
        if let Some(pool) = &self.pool {
            pool.cells().passed_over.increment();
        }
    }

    /// Ends a request whose head was refused: its response has no [`crate::proxy::response::ResponseBody`].
    pub fn head_refused(mut self: Box<Self>, info: ErrorInfo, fault: FramingError) {
        self.record.status = info.status;
        self.record.reason = fault.word();
        self.worker.cells.refused(info.reason);
    }

    /// The status of the response that now leaves.
    pub(super) fn answered(&mut self, status: StatusCode) {
        self.record.status = status.as_u16();
    }

    /// A piece of the body went out.
    pub fn body_sent(&mut self, bytes: usize) {
        self.record.bytes_out += bytes as u64;
    }

    /// The response began and did not reach its end.
    pub fn interrupted(&mut self, reason: &'static str) {
        self.record.reason = reason;
        self.observe(|| Step::Failed {
            word: reason,
            why: "the answer broke off after it had begun".to_owned(),
        });
    }

    /// Shows an observer what an AI responded.
    pub fn observe_response(&self, body: &[u8]) {
        self.observe(|| Step::ai_response(body));
    }

    fn observe(&self, step: impl FnOnce() -> Step) {
        observer::record(self.observer.as_ref(), step);
    }

    /// Counts why it is refused.
    pub(super) fn rejected(&mut self, reject: &Reject) {
        let info = reject.describe();
        self.record.reason = info.reason;
        self.code = Some(info.code);
        self.worker.cells.refused(info.reason);
        self.observe(|| reject.observation());
        match reject {
            Reject::Unverified(failure) => self.record.signature_error = failure.word(),
            Reject::Framing(fault) => self.record.reason = fault.word(),
            Reject::Upstream(error) => self.upstream_failed(error),
            _ => {}
        }
    }

    /// The exchange with the upstream failed.
    pub fn upstream_failed(&mut self, error: &UpstreamError) {
        self.record.upstream_error = error.cause.word();
        self.record.sent = error.sent.word();
        if let Some(pool) = &self.pool {
            pool.cells().failed(error.cause.word());
        }
    }

    /// The dialect that its errors are written in.
    pub(super) fn chat(&self) -> Option<&'static dyn Chat> {
        self.chat
    }

    /// The page's origin, where its scripts may read the response.
    pub(super) fn allowed_origin(&self) -> Option<&HeaderValue> {
        self.origin.as_ref()
    }

    /// Where the caller stands with the tightest of its limits.
    pub(super) fn standing(&self) -> Option<Standing> {
        self.standing
    }

    /// The limits of its bot.
    pub(super) fn rules(&self) -> Option<&RuleSet> {
        let (snapshot, index) = self.bot.as_ref()?;
        snapshot.registry.bots().get(*index).map(|bot| &bot.rules)
    }
}

impl Drop for RequestContext {
    fn drop(&mut self) {
        if self.counted_elsewhere {
            return;
        }
        let now = clock::now();
        let left = self.record.status == 0;
        if left {
            // nginx's status for a caller that closed before its response.
            self.record.status = 499;
            self.record.reason = "caller_gone";
        }
        self.record.duration_ns = now.saturating_sub(self.start_ns);
        let cells = &self.worker.cells;
        cells.in_flight.decrement();
        cells.request.observe(self.record.duration_ns);
        match &self.bot {
            Some((snapshot, index)) => snapshot.bots[*index].answered(self.record.status),
            None => cells.unrouted.answered(self.record.status),
        }
        self.record_end(left);
        if let Some(log) = &self.worker.log {
            self.record.at_ms = self.start_ms + self.record.duration_ns / 1_000_000;
            log.push(std::mem::take(&mut self.record));
        }
    }
}

/// A request id that may be echoed and logged: 1 to 64 characters that mean nothing to anyone.
fn is_sane(id: &[u8]) -> bool {
    (1..=64).contains(&id.len())
        && id.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':'))
}
