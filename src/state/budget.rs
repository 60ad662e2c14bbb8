//! Budgets: what each bot has spent in its period, and what the calls in flight may still spend.
//!
//! A call reserves the most it can cost before it is made, settles with what it did cost, and gives all of it back where it
//! failed. Where nobody knows, all that was reserved counts as spent: the caller left, a deadline passed while the AI was at
//! work, or a stream broke off after its first words. Neither leaving early nor asking for long answers is a way past the cap.
//! What is spent and reserved together never exceeds the cap when a reservation is made; spending goes past it only by what an AI
//! charges beyond the limit that it was given. A call that began in one period settles in that one.
//!
//! What was spent is in the store and survives a restart, up to what the last commit had not yet written; reservations do not. No
//! clock is read here.

mod account;
mod period;

pub use account::Exceeded;

use crate::codec::price::{MicroCents, Period};
use crate::state::store::{Space, Store, StoreError};
use account::Account;
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most accounts of each period in memory, save those with calls in flight.
pub const MAX_ACCOUNTS: usize = 200_000;
/// How many accounts are looked at to find one that may go.
const LOOK: usize = 16;
const SHARDS: usize = 16;

/// Why a call may not be made.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The budget does not cover it.
    #[error(transparent)]
    Exceeded(#[from] Exceeded),
    /// What was spent before is not known.
    #[error("what the bot has spent cannot be read: {0}")]
    Unknown(#[from] StoreError),
}

/// The accounts of some bots, by period.
type Shard = [HashMap<Box<str>, Arc<Account>, RandomState>; Period::ALL.len()];

/// All accounts, shared by the workers.
#[derive(Debug)]
pub struct Budgets {
    shards: Box<[Mutex<Shard>]>,
    /// The most accounts of a period in one shard.
    most: usize,
    store: Arc<Store>,
    hasher: RandomState,
}

impl Budgets {
    /// Those of a store.
    pub fn new(store: Arc<Store>) -> Arc<Self> {
        Self::bounded(store, MAX_ACCOUNTS / SHARDS)
    }

    fn bounded(store: Arc<Store>, most: usize) -> Arc<Self> {
        Arc::new(Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            most,
            store,
            hasher: RandomState::default(),
        })
    }

    /// Reserves the most that a call may cost. `now_ms`: milliseconds since 1970.
    ///
    /// # Errors
    ///
    /// With it, what is spent and reserved would exceed the cap; or the store cannot say what was spent.
    pub async fn reserve(
        &self,
        bot: &str,
        cap: MicroCents,
        per: Period,
        amount: MicroCents,
        now_ms: u64,
    ) -> Result<Reservation, Refused> {
        let account = self.account(bot, per)?;
        let period = account.reserve(cap, amount, now_ms)?;
        Ok(Reservation {
            account,
            store: Arc::clone(&self.store),
            period,
            amount,
            on_its_way: false,
        })
    }

    /// What a bot has spent in the period that it is now.
    ///
    /// # Errors
    ///
    /// The store cannot say.
    pub fn spent(&self, bot: &str, per: Period, now_ms: u64) -> Result<MicroCents, StoreError> {
        Ok(self.account(bot, per)?.spent(now_ms))
    }

    fn account(&self, bot: &str, per: Period) -> Result<Arc<Account>, StoreError> {
        if let Some(account) = self.shard(bot)[per as usize].get(bot) {
            return Ok(Arc::clone(account));
        }
        // Not under the lock, which other bots share.
        let group = account::group(bot, per);
        let records = self.store.read(Space::Budgets, &group)?;
        let mut shard = self.shard(bot);
        let accounts = &mut shard[per as usize];
        if accounts.len() >= self.most {
            let idle = |account: &Arc<Account>| Arc::strong_count(account) == 1 && account.saved();
            let looked = accounts.iter().take(LOOK);
            let one = looked.filter(|(_, account)| idle(account)).map(|(bot, _)| bot.clone());
            if let Some(bot) = one.last() {
                accounts.remove(&bot);
            }
        }
        // Another thread may have read it too; all use what the first put here.
        let account = accounts
            .entry(bot.into())
            .or_insert_with(|| Arc::new(Account::read(group, per, &records)));
        Ok(Arc::clone(account))
    }

    /// No shard is ever left half changed.
    fn shard(&self, bot: &str) -> MutexGuard<'_, Shard> {
        let hash = usize::try_from(self.hasher.hash_one(bot) >> 48).unwrap_or_default();
        let shard = &self.shards[hash % self.shards.len()];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Room in a budget, held for a call. Dropped before the call is on its way, it is given back; dropped while nobody knows yet what
/// the call costs, all of it is spent.
#[derive(Debug)]
#[must_use]
pub struct Reservation {
    account: Arc<Account>,
    store: Arc<Store>,
    period: u64,
    amount: MicroCents,
    on_its_way: bool,
}

impl Reservation {
    /// From here on the AI may charge.
    pub fn on_its_way(&mut self) {
        self.on_its_way = true;
    }

    /// The call was made and has cost this: less than was reserved, or what the AI took beyond it too.
    pub fn settle(mut self, actual: MicroCents) {
        self.on_its_way = false;
        self.account.spend(self.period, actual, &self.store);
    }

    /// The call has failed and costs nothing.
    pub fn give_back(mut self) {
        self.on_its_way = false;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.on_its_way {
            self.account.spend(self.period, self.amount, &self.store);
        }
        self.account.give_back(self.period, self.amount);
    }
}

#[cfg(test)]
mod tests;
