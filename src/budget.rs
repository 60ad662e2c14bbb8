//! What each bot has spent in its period, and what its calls under way may still spend.
//!
//! A call sets aside the most that it can cost before it is made; what it did cost takes that place afterwards. So spent and set
//! aside together never pass the cap, whatever happens at once.

use crate::money::{MicroCents, Period};
use dashmap::DashMap;
use foldhash::fast::RandomState;
use std::sync::{Arc, Mutex, PoisonError};

/// How many bots' accounts are kept at most; a newcomer past it is refused.
pub const MOST: usize = 1_000_000;

/// All accounts.
#[derive(Debug, Default)]
pub struct Budgets(DashMap<Box<str>, Arc<Account>, RandomState>);

#[derive(Debug, Default)]
struct Account(Mutex<State>);

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// When the period began: days or months since 1970.
    period: u64,
    spent: MicroCents,
    reserved: MicroCents,
}

/// The cap would be passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the budget is spent")]
pub struct Exceeded;

/// An amount set aside for one call. Dropped, it is given back.
#[derive(Debug)]
pub struct Reservation {
    account: Arc<Account>,
    period: u64,
    amount: MicroCents,
}

impl Budgets {
    /// Nothing is spent yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Sets `amount` aside where the bot's cap allows, `now_ms` milliseconds after 1970.
    ///
    /// # Errors
    /// What is spent and set aside would be more than `cap`.
    pub fn reserve(
        &self,
        bot: &str,
        cap: MicroCents,
        per: Period,
        amount: MicroCents,
        now_ms: u64,
    ) -> Result<Reservation, Exceeded> {
        let account = match self.0.get(bot) {
            Some(account) => account.clone(),
            None if self.0.len() >= MOST => return Err(Exceeded),
            None => self.0.entry(bot.into()).or_default().clone(),
        };
        let period = number(per, now_ms);
        account.change(|state| {
            if period > state.period {
                *state = State {
                    period,
                    ..State::default()
                };
            }
            let taken = state.spent.saturating_add(state.reserved);
            if amount > cap.saturating_sub(taken) {
                return Err(Exceeded);
            }
            state.reserved += amount;
            Ok(())
        })?;
        Ok(Reservation {
            account,
            period,
            amount,
        })
    }

    /// What the bot has spent in its last period.
    pub fn spent(&self, bot: &str) -> MicroCents {
        let account = self.0.get(bot);
        account.map_or(0, |account| account.change(|state| state.spent))
    }
}

impl Account {
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Reservation {
    /// The call has cost `actual`: more than was set aside only where the AI went past what it was told.
    pub fn settle(mut self, actual: MicroCents) {
        self.close(actual);
    }

    /// A period that is over takes nothing with it.
    fn close(&mut self, actual: MicroCents) {
        let (period, amount) = (self.period, std::mem::take(&mut self.amount));
        self.account.change(|state| {
            if state.period == period {
                state.reserved -= amount;
                state.spent = state.spent.saturating_add(actual);
            }
        });
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.amount > 0 {
            self.close(0);
        }
    }
}

/// The number of the period that a moment falls into, UTC. 1 is the least, so that it is never the empty account's.
fn number(per: Period, now_ms: u64) -> u64 {
    let moment = jiff::Timestamp::from_millisecond(now_ms.cast_signed()).unwrap_or_default();
    let date = moment.to_zoned(jiff::tz::TimeZone::UTC).date();
    match per {
        Period::Day => 1 + now_ms / 86_400_000,
        Period::Month => {
            1 + date.year().unsigned_abs() as u64 * 12 + date.month().unsigned_abs() as u64
        }
        Period::Total => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400_000;

    #[test]
    fn spent_and_set_aside_never_pass_the_cap() {
        let all = Budgets::new();
        let mut held = Vec::new();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let reserve = |_| all.reserve("b", 100, Period::Total, 1, 0).ok();
                        (0..100).filter_map(reserve).collect::<Vec<_>>()
                    })
                })
                .collect();
            held.extend(
                threads
                    .into_iter()
                    .flat_map(|thread| thread.join().unwrap()),
            );
        });
        assert_eq!(held.len(), 100);
        held.drain(..50).for_each(|one| one.settle(1));
        assert_eq!(all.spent("b"), 50);
        drop(held);
        assert_eq!(all.spent("b"), 50, "what failed is given back");
        assert!(all.reserve("b", 100, Period::Total, 51, 0).is_err());
        assert!(all.reserve("b", 100, Period::Total, 50, 0).is_ok());
        assert!(all.reserve("other", 100, Period::Total, 100, 0).is_ok());
    }

    #[test]
    fn a_period_begins_anew_and_a_late_call_settles_in_its_own() {
        let all = Budgets::new();
        let late = all.reserve("b", 10, Period::Day, 10, DAY - 1).unwrap();
        assert!(all.reserve("b", 10, Period::Day, 1, DAY - 1).is_err());
        let fresh = all.reserve("b", 10, Period::Day, 10, DAY).unwrap();
        late.settle(10);
        assert_eq!(all.spent("b"), 0);
        fresh.settle(7);
        assert_eq!(all.spent("b"), 7);
        // 31 January and 1 February 1970.
        let month = |now_ms| {
            all.reserve("m", 1, Period::Month, 1, now_ms)
                .map(|one| one.settle(1))
        };
        assert_eq!(month(30 * DAY), Ok(()));
        assert_eq!(month(31 * DAY - 1), Err(Exceeded));
        assert_eq!(month(31 * DAY), Ok(()));
    }
}
