//! One bot's account: this period's figures and those of the one before.

use crate::codec::price::{MicroCents, Period};
use crate::state::store::{Group, STAMP, Slotted, Space, Store};
use ring::digest::{Context, SHA256};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A call that the budget does not cover, in micro-cents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the budget is used up: {spent} micro-cents spent and {reserved} reserved of {cap}, {amount} asked for"
)]
pub struct Exceeded {
    /// What was spent in this period.
    pub spent: MicroCents,
    /// What the calls in flight have reserved.
    pub reserved: MicroCents,
    /// What may be spent.
    pub cap: MicroCents,
    /// What the call could have cost.
    pub amount: MicroCents,
}

/// What the store finds an account by.
pub(super) fn group(bot: &str, per: Period) -> Group {
    let mut hash = Context::new(&SHA256);
    for part in ["budget", per.word(), bot] {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    let mut group = [0; 32];
    group.copy_from_slice(hash.finish().as_ref());
    group
}

#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    number: u64,
    spent: MicroCents,
    reserved: MicroCents,
}

#[derive(Debug)]
struct State {
    now: Figures,
    before: Figures,
    saved: bool,
}

#[derive(Debug)]
pub(super) struct Account {
    group: Group,
    per: Period,
    state: Mutex<State>,
}

impl Account {
    /// The account as it was stored last.
    pub(super) fn read(group: Group, per: Period, records: &[Slotted]) -> Self {
        let mut words = [0; 4];
        if let [(0, record), ..] = records {
            for (word, bytes) in words.iter_mut().zip(record[STAMP..].chunks_exact(8)) {
                *word = bytes.try_into().map_or(0, u64::from_le_bytes);
            }
        }
        let figures = |number, spent| Figures { number, spent, reserved: 0 };
        let state = State {
            now: figures(words[0], words[1]),
            before: figures(words[2], words[3]),
            saved: true,
        };
        Self { group, per, state: Mutex::new(state) }
    }

    /// Reserves, and says in which period.
    pub(super) fn reserve(
        &self,
        cap: MicroCents,
        amount: MicroCents,
        now_ms: u64,
    ) -> Result<u64, Exceeded> {
        let mut state = self.state();
        state.turn(self.per.number(now_ms));
        let Figures { number, spent, reserved } = state.now;
        let all = spent.checked_add(reserved).and_then(|sum| sum.checked_add(amount));
        match all {
            Some(all) if all <= cap => {
                state.now.reserved += amount;
                Ok(number)
            }
            _ => Err(Exceeded { spent, reserved, cap, amount }),
        }
    }

    /// Adds to what was spent in a period, here and in the store. Of one that is long over nobody asks any more.
    pub(super) fn spend(&self, period: u64, actual: MicroCents, store: &Store) {
        let mut state = self.state();
        let Some(figures) = state.of(period) else {
            return;
        };
        figures.spent = figures.spent.saturating_add(actual);
        let mut record = [0; STAMP + 32];
        let (now, before) = (state.now, state.before);
        record[..STAMP].copy_from_slice(&self.per.over_ms(now.number).to_be_bytes());
        let words = [now.number, now.spent, before.number, before.spent];
        for (bytes, word) in record[STAMP..].chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        // Under the lock, so that a later sum is never followed by an earlier one.
        let put = store.put(Space::Budgets, &self.group, 0, Arc::from(record));
        state.saved = put.is_ok();
    }

    pub(super) fn give_back(&self, period: u64, amount: MicroCents) {
        if let Some(figures) = self.state().of(period) {
            figures.reserved = figures.reserved.saturating_sub(amount);
        }
    }

    pub(super) fn spent(&self, now_ms: u64) -> MicroCents {
        let mut state = self.state();
        state.turn(self.per.number(now_ms));
        state.now.spent
    }

    /// The store has, or will have, all that is known here.
    pub(super) fn saved(&self) -> bool {
        self.state().saved
    }

    /// Never left half changed.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Begins a new period, where it is one. A clock that goes back opens none again.
    fn turn(&mut self, number: u64) {
        if number > self.now.number {
            let now = Figures { number, ..Figures::default() };
            self.before = std::mem::replace(&mut self.now, now);
        }
    }

    fn of(&mut self, number: u64) -> Option<&mut Figures> {
        let both = [&mut self.now, &mut self.before];
        both.into_iter().find(|figures| figures.number == number)
    }
}
