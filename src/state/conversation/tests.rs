//! Order, bounds, life and death of conversations.

mod forget;
mod life;
mod order;
mod room;

use super::*;
use crate::codec::message::{Part, Role, Turn};
use std::pin::Pin;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll, Wake, Waker};

const POLICY: Policy = Policy { ttl: Duration::from_secs(60), window: 20 };
const TTL: u64 = 60_000;

struct Fixture {
    conversations: Arc<Conversations>,
    folder: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let conversations = Conversations::new(Store::open(folder.path()).unwrap());
        Self { conversations, folder }
    }

    /// All that was in memory is gone, and what was not written yet is.
    fn restart(self) -> Self {
        drop(self.conversations);
        let conversations = Conversations::new(Store::open(self.folder.path()).unwrap());
        Self { conversations, ..self }
    }

    fn held(&self, policy: Policy, now_ms: u64) -> TurnGuard {
        match self.conversations.enter(user(0), policy, now_ms) {
            Begin::Ready(held) => held,
            other => panic!("{other:?}"),
        }
    }

    fn wait(&self) -> TurnWait {
        match self.conversations.enter(user(0), POLICY, 1) {
            Begin::Waiting(wait) => wait,
            other => panic!("{other:?}"),
        }
    }

    /// A message and its answer.
    fn say(&self, text: &str, policy: Policy, now_ms: u64) {
        say(self.held(policy, now_ms), text, now_ms);
    }

    fn history(&self, policy: Policy, now_ms: u64) -> Vec<String> {
        said(&self.held(policy, now_ms))
    }
}

fn user(number: u64) -> Key {
    Key::of_user("bot", &number.to_string(), Some("channel"))
}

fn say(held: TurnGuard, text: &str, now_ms: u64) {
    let answer = format!("re {text}");
    let (user, assistant) = (Turn::text(Role::User, text), Turn::text(Role::Assistant, answer));
    held.append(&user, &assistant, None, now_ms);
}

fn said(held: &TurnGuard) -> Vec<String> {
    let text = |turn: Turn<'_>| match &*turn.parts {
        [Part::Text(text)] => text.to_string(),
        other => panic!("{other:?}"),
    };
    held.history().map(text).collect()
}

/// Counts how often it was woken.
#[derive(Default)]
struct Bell(AtomicU64);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

fn poll(wait: &mut TurnWait, bell: &Arc<Bell>) -> Option<TurnGuard> {
    let waker = Waker::from(Arc::clone(bell));
    match Pin::new(wait).poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(held) => Some(held),
        Poll::Pending => None,
    }
}
