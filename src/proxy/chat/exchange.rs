//! One way to answer a message, whoever waits for the answer: its turn in the conversation, the AI, the hand-over, what is remembered.
//!
//! At once, beside the caller and later differ in the hand-over alone: to the HTTP response, to a task's channel, to the disk.

use super::turn::{answer_deadline, conversation_key, routing_key, wait_for_turn};
use crate::clock;
use crate::codec::dialect::StreamEncoder;
use crate::codec::message::{Answer, Event, Role, Turn};
use crate::codec::price::MicroCents;
use crate::net::timers::Timer;
use crate::proxy::ai::stream::StreamingAnswer;
use crate::proxy::ai::{AiResponse, ChatRequest, ask, candidates};
use crate::proxy::bot::ChatSettings;
use crate::proxy::context::RequestContext;
use crate::proxy::reject::Reject;
use crate::proxy::worker::{ConfigSnapshot, Worker};
use crate::state::conversation::{Id, TurnGuard};
use http::HeaderMap;
use serde_json::value::RawValue;
use std::rc::Rc;

/// A decoded message that is to be answered.
pub(super) struct Exchange<'a> {
    pub(super) worker: &'a Rc<Worker>,
    pub(super) snapshot: &'a Rc<ConfigSnapshot>,
    pub(super) settings: &'a ChatSettings,
    pub(super) timer: &'a Rc<Timer>,
    /// The bot's id.
    pub(super) bot: &'a str,
    pub(super) event: &'a Event<'a>,
    /// How the answer is streamed; `None`: it is handed over whole.
    pub(super) stream: Option<&'static dyn StreamEncoder>,
    /// The conversation's id that the caller was told when the message was accepted.
    pub(super) promised_id: Option<Id>,
    /// From when the first AI's total counts, the wait for the turn included, in nanoseconds of [`clock::now`]; `None`: from the
    /// turn on, which is waited for without a limit.
    pub(super) since_ns: Option<u64>,
}

/// A whole answer, and what is known of it.
pub(super) struct Answered<'a> {
    pub(super) answer: &'a Answer<'a>,
    pub(super) conversation: &'a str,
    pub(super) model: Option<&'a str>,
    pub(super) micro_cents: MicroCents,
}

/// What became of an answer.
pub(super) enum Outcome<T> {
    HandedOver(T),
    /// It has begun; it is remembered when it ends.
    Streaming(Box<StreamingAnswer>),
}

impl Exchange<'_> {
    /// Has the message answered. The conversation remembers a whole answer once `hand_over` says that it is safe.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(super) async fn answer<T, E>(
        &self,
        ctx: &mut RequestContext,
        reused_headers: &mut HeaderMap,
        hand_over: impl AsyncFnOnce(Answered<'_>) -> Result<T, E>,
    ) -> Result<Outcome<Result<T, E>>, Reject> {
        let Self { worker, snapshot, settings, timer, bot, event, stream, .. } = *self;
        let key = conversation_key(bot, event);
        let candidates = candidates(settings, routing_key(bot, event, &key, ctx.start_ns));
        let deadline = |since_ns| answer_deadline(snapshot, &candidates, since_ns);
        let mut turn = match (settings.conversation, key) {
            (Some(policy), Some(key)) => {
                let conversations = &worker.shared.state.conversations;
                let limit = self.since_ns.map_or(u64::MAX, deadline);
                let turn = wait_for_turn(timer, conversations, key, policy, limit, ctx.start_ms);
                let mut turn = turn.await?;
                if let Some(id) = self.promised_id {
                    turn.adopt(id);
                }
                Some(turn)
            }
            _ => None,
        };
        // A message without a conversation has an id too: a backend that got none would take all of them for one conversation.
        let fresh;
        let conversation = match (&turn, event.conversation.as_deref(), &self.promised_id) {
            (Some(turn), _, _) => turn.id(),
            (None, Some(own), _) => own,
            (None, None, Some(id)) => std::str::from_utf8(id).unwrap_or_default(),
            (None, None, None) => {
                fresh = worker.long_id();
                &fresh
            }
        };
        let response = {
            let history: Vec<Turn<'_>> = turn.iter().flat_map(TurnGuard::history).collect();
            let request = ChatRequest {
                worker,
                snapshot,
                settings,
                timer,
                bot,
                event,
                stream,
                conversation: settings.chat.keeps_history().then_some(conversation),
                history: &history,
                deadline_ns: deadline(self.since_ns.unwrap_or_else(clock::now)),
            };
            ask(&request, &candidates, ctx, reused_headers).await?
        };
        match response {
            AiResponse::Whole { answer, micro_cents, upstream } => {
                let upstream = snapshot.registry.upstreams.get(upstream);
                let model =
                    upstream.and_then(|upstream| upstream.ai.as_ref()?.settings.model.as_deref());
                let answered = Answered { answer: &answer, conversation, model, micro_cents };
                let handed_over = hand_over(answered).await;
                if let (Ok(_), Some(turn), Some(asked)) =
                    (&handed_over, turn.take(), event.turns.last())
                {
                    remember(turn, asked, event.metadata.as_deref(), &answer.text);
                }
                Ok(Outcome::HandedOver(handed_over))
            }
            AiResponse::Streaming(mut answer) => {
                if let Some(turn) = turn.take() {
                    remember_at_end(&mut answer, turn, event);
                }
                Ok(Outcome::Streaming(answer))
            }
        }
    }
}

/// Appends a question and its answer to the conversation, whose next message then has its turn.
fn remember(turn: TurnGuard, asked: &Turn<'_>, metadata: Option<&RawValue>, answer: &str) {
    let answered = Turn::text(Role::Assistant, answer);
    turn.append(asked, &answered, metadata.map(RawValue::get), clock::unix_ms());
}

/// The same for an answer that has begun, once it is whole.
fn remember_at_end(answer: &mut StreamingAnswer, turn: TurnGuard, event: &Event<'_>) {
    if let Some(asked) = event.turns.last() {
        let (asked, metadata) = (asked.to_static(), event.metadata.clone());
        answer.on_complete(Box::new(move |text| {
            remember(turn, &asked, metadata.as_deref(), text);
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::message::{OneOrMany, Part};
    use crate::codec::{dialect, provider};
    use crate::net::client::UpstreamBody;
    use crate::state::conversation::{Begin, Conversations, Key, Policy};
    use crate::state::store::Store;
    use std::sync::Arc;
    use std::time::Duration;

    const POLICY: Policy = Policy { ttl: Duration::from_secs(60), window: 20 };

    async fn turn(conversations: &Arc<Conversations>) -> TurnGuard {
        match conversations.begin(Key::of_user("bot", "one", None), POLICY, 1).await {
            Begin::Ready(turn) => turn,
            other => panic!("{other:?}"),
        }
    }

    async fn history(conversations: &Arc<Conversations>) -> Vec<String> {
        let turn = turn(conversations).await;
        let parts = turn.history().flat_map(|turn| turn.parts.to_vec());
        let texts = parts.map(|part| match part {
            Part::Text(text) => text.into_owned(),
            other => panic!("{other:?}"),
        });
        texts.collect()
    }

    /// An answer that has begun: what the AI sends up to the end of its stream.
    async fn begun(events: &'static str) -> Box<StreamingAnswer> {
        let encoder = dialect::find("chatbot-platform").unwrap().chat.unwrap().stream_encoder();
        let codec = provider::find("openai").unwrap();
        let body = UpstreamBody::Whole(events.into());
        let receipt = dialect::StreamReceipt::default();
        StreamingAnswer::open(body, codec, encoder.unwrap(), receipt, None, None).await.unwrap()
    }

    #[tokio::test]
    async fn a_streamed_answer_is_remembered_once_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let conversations = Conversations::new(Store::open(folder.path()).unwrap());
        let event =
            Event { turns: OneOrMany::One(Turn::text(Role::User, "Hi")), ..Event::default() };
        let whole = "data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\n\
            data: {\"choices\":[{\"delta\":{\"content\":\" you\"},\"finish_reason\":\"stop\"}]}\n\n\
            data: [DONE]\n\n";
        let cut = "data: {\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}\n\n";
        for (events, remembered) in [(cut, 0), (whole, 2), (cut, 2), (whole, 4)] {
            let mut answer = begun(events).await;
            remember_at_end(&mut answer, turn(&conversations).await, &event);
            while std::future::poll_fn(|cx| answer.poll_piece(cx)).await.is_some() {}
            drop(answer);
            let texts = history(&conversations).await;
            assert_eq!(texts.len(), remembered);
            assert!(texts.chunks(2).all(|pair| pair == ["Hi", "Hello you"]), "{texts:?}");
        }
    }
}
