//! A place in the queue of a conversation, and the hold on it.

use super::history::{Id, Memory};
use super::{Conversations, Key, Policy};
use crate::codec::message::Turn;
use crate::state::store::Space;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// How somebody who comes with a message stands.
#[derive(Debug)]
pub enum Begin {
    /// It is its turn.
    Ready(TurnGuard),
    /// Others came first.
    Waiting(TurnWait),
    /// Others came first, and as many wait as may.
    Full,
}

/// Waits for a conversation. Dropped, it leaves the queue.
#[derive(Debug)]
pub struct TurnWait {
    all: Arc<Conversations>,
    key: Key,
    place: usize,
    ticket: u64,
    policy: Policy,
    now_ms: u64,
    waiting: bool,
}

impl TurnWait {
    pub(super) fn new(
        all: &Arc<Conversations>,
        key: Key,
        place: usize,
        ticket: u64,
        policy: Policy,
        now_ms: u64,
    ) -> Self {
        Self { all: Arc::clone(all), key, place, ticket, policy, now_ms, waiting: true }
    }
}

/// Not to be polled again once it was ready.
impl Future for TurnWait {
    type Output = TurnGuard;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<TurnGuard> {
        let this = self.get_mut();
        if !this.waiting {
            return Poll::Pending;
        }
        let polled = this.all.shard(&this.key).poll(this.place, this.ticket, cx);
        match polled {
            Poll::Ready(Some(memory)) => {
                this.waiting = false;
                Poll::Ready(TurnGuard::new(
                    &this.all,
                    this.key,
                    this.place,
                    memory,
                    this.policy,
                    this.now_ms,
                ))
            }
            // A place in the queue is only given up here and in `drop`.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for TurnWait {
    fn drop(&mut self) {
        if self.waiting {
            let woken = self.all.shard(&self.key).leave(self.place, self.ticket);
            if let Some(waker) = woken {
                waker.wake();
            }
        }
    }
}

/// A conversation whose message is being answered. Dropped without [`TurnGuard::append`], it stays as it was.
#[derive(Debug)]
pub struct TurnGuard {
    pub(super) all: Arc<Conversations>,
    pub(super) key: Key,
    place: usize,
    policy: Policy,
    /// `None` only within `drop`.
    pub(super) memory: Option<Box<Memory>>,
}

impl TurnGuard {
    pub(super) fn new(
        all: &Arc<Conversations>,
        key: Key,
        place: usize,
        mut memory: Box<Memory>,
        policy: Policy,
        now_ms: u64,
    ) -> Self {
        if memory.renew(now_ms) {
            all.shard(&key).named(place, memory.raw_id());
        }
        memory.used_ms = now_ms;
        Self { all: Arc::clone(all), key, place, policy, memory: Some(memory) }
    }

    /// The conversation's id: 32 hexadecimal digits, the same until it expires.
    pub fn id(&self) -> &str {
        self.memory.as_ref().map_or("", |memory| memory.id())
    }

    /// Keeps the id, and says it.
    pub(super) fn name(&mut self, now_ms: u64) -> Id {
        let policy = self.policy;
        let memory = self.memory.as_mut();
        memory.map_or([b'0'; 32], |memory| memory.name(policy, now_ms))
    }

    /// Goes on under the id that was told when the message came, unless the conversation has gone on under its own.
    pub fn adopt(&mut self, id: Id) {
        if let Some(memory) = &mut self.memory {
            memory.adopt(id);
            let id = memory.raw_id();
            self.all.shard(&self.key).named(self.place, id);
        }
    }

    /// What was said before, oldest first: questions and their answers in turn, as many as the window takes.
    pub fn history(&self) -> impl Iterator<Item = Turn<'_>> {
        let memory = self.memory.iter();
        memory.flat_map(|memory| memory.history(self.policy))
    }

    /// Adds what was said and what was answered, with the caller's metadata (JSON), and lets the next message have its turn. The
    /// time to live counts from `now_ms`, milliseconds since 1970.
    ///
    /// Text and what lies under an address is remembered; `data:` URLs and sound are not.
    pub fn append(
        mut self,
        user: &Turn<'_>,
        assistant: &Turn<'_>,
        metadata: Option<&str>,
        now_ms: u64,
    ) {
        let Some(memory) = &mut self.memory else {
            return;
        };
        let appended = memory.append(user, assistant, metadata, self.policy, now_ms);
        memory.used_ms = now_ms;
        let (store, group) = (&self.all.store, self.key.group());
        // What the store does not take it counts; memory has it.
        if appended.wipe {
            let _ = store.wipe(Space::Conversations, group);
        }
        let _ = store.put(Space::Conversations, group, appended.slot, appended.record);
    }
}

impl Drop for TurnGuard {
    fn drop(&mut self) {
        if let Some(memory) = self.memory.take() {
            let woken = self.all.shard(&self.key).release(self.place, memory);
            if let Some(waker) = woken {
                waker.wake();
            }
        }
    }
}
