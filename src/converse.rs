//! A message's way once it is proven: decoded, charged to its user, given its turn in the conversation, answered by an AI,
//! remembered and encoded. The second half of [`crate::line`], for the dialects that read their messages.

use crate::bot::{Found, Talk};
use crate::buffer::Hold;
use crate::charge::charge_body;
use crate::clock;
use crate::conversation::{Conversations, Enter, Held, Key, Policy};
use crate::dialect::{Format, Receipt, Stream};
use crate::duplicates::{Guard, Stored};
use crate::head::{format, prefers_xml};
use crate::message::{Answer, Event, Kind, Role, Turn};
use crate::money::MicroCents;
use crate::reject::Reject;
use crate::reply::Reply;
use crate::speech;
use crate::talk::{Question, Spoken, ask, candidates};
use crate::timers::Timer;
use crate::trace::{Trace, error_response};
use crate::worker::{View, Worker};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde_json::value::RawValue;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

/// A proven message, not yet read.
#[derive(Debug)]
pub struct Message<'a> {
    /// Who serves it.
    pub worker: &'a Rc<Worker>,
    /// The configuration it is served under.
    pub view: &'a Rc<View>,
    /// What it waits on.
    pub timer: &'a Rc<Timer>,
    /// How its bot talks.
    pub talk: &'a Talk,
    /// Its bot.
    pub found: &'a Found<'a, 'a>,
    /// Its bot's id.
    pub id: &'a str,
    /// Who sent it.
    pub peer: IpAddr,
}

/// Answers one message.
pub async fn answer(
    message: Message<'_>,
    trace: &mut Trace,
    headers: &mut HeaderMap,
    frames: Vec<Bytes>,
    hold: Option<Hold>,
    guard: Option<Guard>,
) -> Result<Response<Reply>, Reject> {
    let Message {
        worker,
        view,
        talk,
        id,
        ..
    } = message;
    let format = format(headers).unwrap_or(Format::Json);
    let mut room = worker.room();
    frames
        .iter()
        .for_each(|frame| room.extend_from_slice(frame));
    let event = match talk.chat.decode(format, &mut room) {
        Ok(event) => event,
        Err(malformed) => {
            let reject = Reject::Malformed(malformed);
            if let Some(guard) = guard {
                keep(guard, &error_response(Some(talk.chat), &reject));
            }
            return Err(reject);
        }
    };
    let user = event.user.id.as_deref();
    charge_body(
        worker,
        message.found,
        trace,
        message.peer,
        headers,
        &frames,
        user,
    )?;
    drop(frames);

    let key = key(id, &event);
    let sticky = match (&key, event.conversation.as_deref()) {
        (_, Some(own)) => Key::of_conversation(id, own).hash(),
        (Some(key), None) => key.hash(),
        (None, None) => trace.start,
    };
    let candidates = candidates(talk, sticky);
    let by = message.by(trace, &candidates);
    let kept = worker.shared.kept.get();
    // What is only acknowledged waits for nobody's answer.
    let silent = talk.upstreams.is_empty() || event.kind != Kind::Message;
    let mut held = match (talk.conversation, kept, key) {
        (Some(policy), Some(kept), Some(key)) if !silent => {
            let turn = message.turn(&kept.conversations, key, policy, by, trace.began_ms);
            Some(turn.await?)
        }
        _ => None,
    };
    // Who stands alone has an id too: a backend that was told none would take all of them for one conversation.
    let fresh;
    let conversation = match (&held, event.conversation.as_deref()) {
        (Some(held), _) => held.id(),
        (None, Some(own)) => own,
        (None, None) => {
            fresh = worker.long_id();
            &fresh
        }
    };
    let xml = format == Format::Form && (talk.twiml || prefers_xml(headers));
    let spoken = if silent {
        Spoken::Whole(Answer::default(), 0)
    } else {
        let history: Vec<Turn<'_>> = held.iter().flat_map(Held::history).collect();
        let question = Question {
            worker,
            view,
            talk,
            timer: message.timer,
            bot: id,
            event: &event,
            conversation: talk.chat.keeps_history().then_some(conversation),
            history: &history,
            by,
        };
        ask(&question, &candidates, trace, headers).await?
    };
    drop(hold);
    let (answer, micro_cents) = match spoken {
        Spoken::Whole(answer, micro_cents) => (answer, micro_cents),
        Spoken::Pieces(speech) => return Ok(streamed(Reply::speech(speech, guard))),
    };
    if let Some(stream) = talk.stream {
        return Ok(at_once(&answer, stream, guard));
    }
    let response = encode(
        &message,
        trace,
        &event,
        &answer,
        conversation,
        micro_cents,
        xml,
    );
    if let Some(held) = held.take()
        && let Some(asked) = event.turns.last()
    {
        let said = Turn::text(Role::Assistant, &*answer.text);
        let metadata = event.metadata.as_deref().map(RawValue::get);
        held.append(asked, &said, metadata, clock::unix_ms());
    }
    if let Some(guard) = guard {
        keep(guard, &response);
    }
    Ok(response)
}

impl Message<'_> {
    /// When the answer must be there.
    fn by(&self, trace: &Trace, candidates: &[usize]) -> u64 {
        let upstreams = &self.view.registry.upstreams;
        let first = candidates.first().and_then(|index| upstreams.get(*index));
        first.map_or(u64::MAX, |upstream| {
            trace
                .start
                .saturating_add(clock::nanos(upstream.target.timeouts.total))
        })
    }

    /// Waits for this message's turn in its conversation.
    async fn turn(
        &self,
        conversations: &Arc<Conversations>,
        key: Key,
        policy: Policy,
        by: u64,
        now_ms: u64,
    ) -> Result<Held, Reject> {
        let mut wait = match conversations.enter(key, policy, now_ms) {
            Enter::Ready(held) => return Ok(held),
            Enter::Full => return Err(Reject::Crowded),
            Enter::Waiting(wait) => wait,
        };
        self.timer.set(by);
        let held = poll_fn(|cx| match Pin::new(&mut wait).poll(cx) {
            Poll::Ready(held) => Poll::Ready(Ok(held)),
            Poll::Pending => self.timer.poll(cx).map(|()| Err(Reject::TurnTimeout)),
        })
        .await;
        self.timer.clear();
        held
    }
}

/// Which conversation a message belongs to, where it says who wrote it.
fn key(id: &str, event: &Event<'_>) -> Option<Key> {
    let user = event.user.id.as_deref()?;
    Some(Key::of_user(id, user, event.channel.as_deref()))
}

fn encode(
    message: &Message<'_>,
    trace: &Trace,
    event: &Event<'_>,
    answer: &Answer<'_>,
    conversation: &str,
    micro_cents: MicroCents,
    xml: bool,
) -> Response<Reply> {
    let id = message.worker.request_id();
    let receipt = Receipt {
        bot: message.id,
        event,
        conversation,
        message_id: id.to_str().unwrap_or_default(),
        now_ms: clock::unix_ms(),
        latency_ms: clock::now().saturating_sub(trace.start) / 1_000_000,
        micro_cents,
        xml,
    };
    let chat = message.talk.chat;
    let mut body = Vec::with_capacity(answer.text.len() + 256);
    chat.encode(answer, &receipt, &mut body);
    let mut response = Response::new(Reply::full(body.into()));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(chat.content_type(&receipt)),
    );
    response
}

/// The stream of an AI that did not stream.
fn at_once(answer: &Answer<'_>, stream: &dyn Stream, guard: Option<Guard>) -> Response<Reply> {
    if let Some(guard) = guard {
        guard.done(Stored::fact(StatusCode::OK), clock::now());
    }
    streamed(Reply::full(speech::at_once(answer, stream)))
}

fn streamed(reply: Reply) -> Response<Reply> {
    let mut response = Response::new(reply);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Keeps an answer for the next time that the same delivery comes.
fn keep(guard: Guard, response: &Response<Reply>) {
    let body = response.body().whole();
    let stored = Stored::new(response.status(), response.headers(), body);
    guard.done(stored, clock::now());
}
