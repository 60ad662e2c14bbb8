//! The trace of a request: gathered on its way, counted and logged in one place whatever became of it.

mod analytics;

use crate::clock;
use crate::codec::dialect::{Chat, default_error};
use crate::codec::message::Usage;
use crate::codec::price::MicroCents;
use crate::net::client::{Pool, UpstreamError};
use crate::net::request_framing::Fault;
use crate::proxy::bot::{BotMatch, RouteMatch};
use crate::proxy::cors;
use crate::proxy::forward::X_REQUEST_ID;
use crate::proxy::reject::{ErrorInfo, Reject};
use crate::proxy::response::ResponseBody;
use crate::proxy::worker::{ConfigSnapshot, Worker};
use crate::signature::Proof;
use crate::state::analytics::Happened;
use crate::state::limit::{RuleSet, Standing, Verdict, retry_after};
use crate::telemetry::access_log::{Record, Text};
use crate::telemetry::observer::Step;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// How much of the request the upstream saw, on every 502 and 504.
const BOTGATE_UPSTREAM: HeaderName = HeaderName::from_static("botgate-upstream");

/// One request's trace: gathered on its way, counted and logged when it ends, however it ends.
#[derive(Debug)]
pub struct RequestContext {
    /// Its id, the caller's own where that is sane.
    pub id: HeaderValue,
    /// When it began, in nanoseconds of [`clock::now`].
    pub start: u64,
    /// The same by the wall clock, in milliseconds since 1970.
    pub began_ms: u64,
    worker: Rc<Worker>,
    bot: Option<(Rc<ConfigSnapshot>, usize)>,
    pool: Option<Rc<Pool>>,
    standing: Option<Standing>,
    chat: Option<&'static dyn Chat>,
    origin: Option<HeaderValue>,
    record: Record,
    /// Its request is counted and logged elsewhere.
    quiet: bool,
    /// What it was refused with.
    code: Option<&'static str>,
    proven: bool,
    later: bool,
    /// An AI was asked in vain.
    pub asked: bool,
}

impl RequestContext {
    /// The trace of a request whose head has been read.
    pub fn begin(worker: &Rc<Worker>, peer: IpAddr, head: &Parts) -> Box<Self> {
        let own = head.headers.get(X_REQUEST_ID).filter(|id| is_sane(id.as_bytes())).cloned();
        let id = own.unwrap_or_else(|| worker.request_id());
        let mut trace = Self::open(worker, peer, id);
        trace.record.method = Text::new(head.method.as_str().as_bytes());
        trace.record.path = Text::new(head.uri.path().as_bytes());
        trace
    }

    /// The trace of a head that was refused before it was read.
    pub fn headless(worker: &Rc<Worker>, peer: IpAddr) -> Box<Self> {
        Self::open(worker, peer, worker.request_id())
    }

    /// The trace of an exchange whose request is over, or has a trace of its own: what it costs is counted, the exchange itself is not.
    pub fn for_job(
        worker: &Rc<Worker>,
        view: &Rc<ConfigSnapshot>,
        bot: usize,
        id: &Arc<str>,
    ) -> Box<Self> {
        let mut trace = Self::new(worker, worker.request_id(), Record::default());
        trace.record.bot = Some(id.clone());
        trace.proven = true;
        trace.bot = Some((view.clone(), bot));
        trace.quiet = true;
        Box::new(trace)
    }

    fn open(worker: &Rc<Worker>, peer: IpAddr, id: HeaderValue) -> Box<Self> {
        worker.cells.in_flight.up();
        let record = Record { id: Text::new(id.as_bytes()), peer: Some(peer), ..Record::default() };
        Box::new(Self::new(worker, id, record))
    }

    fn new(worker: &Rc<Worker>, id: HeaderValue, record: Record) -> Self {
        Self {
            id,
            start: clock::now(),
            began_ms: clock::unix_ms(),
            worker: worker.clone(),
            bot: None,
            pool: None,
            standing: None,
            chat: None,
            origin: None,
            record,
            quiet: false,
            code: None,
            proven: false,
            later: false,
            asked: false,
        }
    }

    /// What its path leads to: from here on errors are told in the dialect's own shape, and to a page that may read them.
    pub fn door(&mut self, door: &RouteMatch<'_, '_>, headers: &HeaderMap) {
        self.chat = door.dialect().chat;
        if let Some(cors) = door.cors() {
            let origin = headers.get(header::ORIGIN);
            self.origin = origin.filter(|origin| cors.lists(origin.as_bytes())).cloned();
        }
    }

    /// Which bot it is for.
    pub fn bot(&mut self, view: &Rc<ConfigSnapshot>, found: &BotMatch<'_, '_>) {
        self.record.bot = Some(found.named.map_or_else(|| found.bot.id.clone(), Arc::from));
        self.bot = Some((view.clone(), found.index));
    }

    /// Who really sent it.
    pub fn peer(&mut self, peer: IpAddr) {
        self.record.peer = Some(peer);
    }

    /// It is verified, by one of the bot's secrets.
    pub fn verified(&mut self, proof: &Proof, unix: i64) {
        self.proven();
        if let Some((view, index)) = &self.bot {
            view.bots[*index].secret_used(proof.secret(), unix.unsigned_abs());
        }
    }

    /// The body has come in whole.
    pub fn received(&mut self, frames: &[Bytes]) {
        self.record.bytes_in = frames.iter().map(|frame| frame.len() as u64).sum();
    }

    /// It goes up through this pool.
    pub fn upstream(&mut self, pool: &Rc<Pool>) {
        self.pool = Some(pool.clone());
    }

    /// Notes where the caller stands with its limits, or that it is over one.
    pub fn limit(&mut self, verdict: Verdict) -> Result<(), Reject> {
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

    /// What an answer cost.
    pub fn spent(&mut self, usage: Usage, cost: MicroCents) {
        if let Some((view, index)) = &self.bot {
            view.bots[*index].spent(usage.input, usage.output, cost);
        }
        self.happened(Happened::Spent(usage, cost), clock::unix_ms());
    }

    /// The same AI is asked once more.
    pub fn retried(&mut self) {
        if let Some(pool) = &self.pool {
            pool.cells().retried.up();
        }
    }

    /// An AI could not answer.
    pub fn attempt_failed(&mut self, reject: &Reject) {
        self.asked |= reject.was_asked();
        self.tell(|| reject.observation());
    }

    /// No AI could answer: the last failure of an exchange that has no caller to be told.
    pub fn given_up(&mut self, reject: &Reject) {
        self.tell(|| reject.observation());
        if let Reject::Upstream(error) = reject {
            self.failed(error);
        }
    }

    /// After an AI that could not answer another one is asked, or the same again.
    pub fn passed_over(&mut self, reject: &Reject) {
        if let Reject::Upstream(error) = reject {
            self.failed(error);
        }
        if let Some(pool) = &self.pool {
            pool.cells().passed_over.up();
        }
    }

    /// The response as it leaves, with the trace in its body's keeping.
    pub fn answer(
        mut self: Box<Self>,
        mut response: Response<ResponseBody>,
    ) -> Response<ResponseBody> {
        response.headers_mut().insert(X_REQUEST_ID, self.id.clone());
        if let Some(origin) = &self.origin {
            cors::allow(origin, response.headers_mut());
        }
        if let (Some(standing), Some(rules)) = (&self.standing, self.rules()) {
            let fields = [
                (RATELIMIT_POLICY, rules.policy().cloned()),
                (RATELIMIT, rules.rate_limit(standing)),
            ];
            for (name, value) in fields {
                if let Some(value) = value {
                    // The backend may announce limits of its own: a list member is added, none is rewritten.
                    response.headers_mut().append(name, value);
                }
            }
        }
        self.record.status = response.status().as_u16();
        response.body_mut().follow(self);
        response
    }

    /// The refusal as it leaves.
    pub fn refuse(mut self: Box<Self>, reject: &Reject) -> Response<ResponseBody> {
        let face = reject.describe();
        self.note(reject, face);
        let mut response = error_response(self.chat, reject);
        let headers = response.headers_mut();
        match (face.retry_after, reject, &self.standing) {
            (Some(seconds), _, _) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(u16::from(seconds)));
            }
            (None, Reject::Limited, Some(standing)) => {
                headers.insert(header::RETRY_AFTER, retry_after(standing.wait_us));
            }
            _ => {}
        }
        if let Reject::Method = reject {
            headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
        }
        let wait = match reject {
            Reject::Refused(refusal) => refusal.retry_after,
            Reject::Unavailable(wait) => Some((*wait).max(Duration::from_secs(1))),
            _ => None,
        };
        if let Some(wait) = wait {
            let seconds = wait.as_millis().div_ceil(1000) as u64;
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Reject::Upstream(error) = reject {
            headers.insert(BOTGATE_UPSTREAM, HeaderValue::from_static(error.sent.word()));
        }
        self.answer(response)
    }

    /// The refusal of a head, which is written without a reply.
    pub fn close(mut self: Box<Self>, face: ErrorInfo, fault: Fault) {
        self.record.status = face.status;
        self.record.reason = fault.word();
        self.worker.cells.refused(face.reason);
    }

    /// A piece of the body went out.
    pub fn sent(&mut self, bytes: usize) {
        self.record.bytes_out += bytes as u64;
    }

    /// The response began but did not come to its end.
    pub fn broke_off(&mut self, reason: &'static str) {
        self.record.reason = reason;
        self.tell(|| Step::Failed {
            word: reason,
            why: "the answer broke off after it had begun".to_owned(),
        });
    }

    /// What an AI responded.
    pub fn said(&self, body: &[u8]) {
        self.tell(|| Step::said(body));
    }

    /// Tells the witness of a step, where there is one.
    fn tell(&self, step: impl FnOnce() -> Step) {
        match (&self.pool, &self.worker.shared.observer) {
            (Some(pool), _) => pool.seen(step),
            (None, Some(witness)) => witness.tell(step()),
            (None, None) => {}
        }
    }

    fn note(&mut self, reject: &Reject, face: ErrorInfo) {
        self.record.reason = face.reason;
        self.code = Some(face.code);
        self.worker.cells.refused(face.reason);
        self.tell(|| reject.observation());
        match reject {
            Reject::Unverified(failure) => self.record.signature = failure.word(),
            Reject::Framing(fault) => self.record.reason = fault.word(),
            Reject::Upstream(error) => self.failed(error),
            _ => {}
        }
    }

    /// The exchange with the upstream failed.
    pub fn failed(&mut self, error: &UpstreamError) {
        self.record.upstream = error.cause.word();
        self.record.sent = error.sent.word();
        if let Some(pool) = &self.pool {
            pool.cells().failed(error.cause.word());
        }
    }

    fn rules(&self) -> Option<&RuleSet> {
        let (view, index) = self.bot.as_ref()?;
        view.registry.bots().get(*index).map(|bot| &bot.rules)
    }
}

impl Drop for RequestContext {
    fn drop(&mut self) {
        if self.quiet {
            return;
        }
        let now = clock::now();
        let left = self.record.status == 0;
        if left {
            // Nobody waited for the answer: nginx's word for it.
            self.record.status = 499;
            self.record.reason = "caller_gone";
        }
        self.record.duration_ns = now.saturating_sub(self.start);
        let cells = &self.worker.cells;
        cells.in_flight.down();
        cells.request.observe(self.record.duration_ns);
        match &self.bot {
            Some((view, index)) => view.bots[*index].answered(self.record.status),
            None => cells.unrouted.answered(self.record.status),
        }
        self.ended(left);
        if let Some(log) = &self.worker.log {
            self.record.at_ms = self.began_ms + self.record.duration_ns / 1_000_000;
            log.push(std::mem::take(&mut self.record));
        }
    }
}

/// The answer that says a refusal, in the shape of the dialect where one is known.
pub fn error_response(chat: Option<&dyn Chat>, reject: &Reject) -> Response<ResponseBody> {
    let face = reject.describe();
    let mut body = Vec::new();
    match chat {
        Some(chat) => chat.encode_error(face.status, &reject.sentence(), face.code, &mut body),
        None => default_error(&reject.sentence(), face.code, &mut body),
    }
    let mut response = Response::new(ResponseBody::full(body.into()));
    *response.status_mut() =
        StatusCode::from_u16(face.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A request id that may be echoed and logged: 1 to 64 characters that mean nothing to anyone.
fn is_sane(id: &[u8]) -> bool {
    (1..=64).contains(&id.len())
        && id.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':'))
}
