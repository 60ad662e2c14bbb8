//! What is reserved, settled and given back, in which period, and what a restart leaves.

use super::*;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};

const DAY: u64 = 86_400_000;

/// The local store never waits.
fn reserve_now(
    budgets: &Budgets,
    bot: &str,
    cap: MicroCents,
    per: Period,
    amount: MicroCents,
    now_ms: u64,
) -> Result<Reservation, Refused> {
    let reserving = pin!(budgets.reserve(bot, cap, per, amount, now_ms));
    match reserving.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(reserved) => reserved,
        Poll::Pending => panic!("the local store waits for nothing"),
    }
}

fn open(folder: &tempfile::TempDir) -> Arc<Budgets> {
    Budgets::new(Store::open(folder.path()).unwrap())
}

fn spent(budgets: &Budgets, now_ms: u64) -> MicroCents {
    budgets.spent("bot", Period::Day, now_ms).unwrap()
}

fn exceeded(refused: Result<Reservation, Refused>) -> Exceeded {
    match refused {
        Err(Refused::Exceeded(exceeded)) => exceeded,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_call_reserves_settles_or_gives_back() {
    let folder = tempfile::tempdir().unwrap();
    let budgets = open(&folder);
    let reserve = |amount| reserve_now(&budgets, "bot", 100, Period::Day, amount, 0);
    let first = reserve(60).unwrap();
    let expected = Exceeded { spent: 0, reserved: 60, cap: 100, amount: 41 };
    assert_eq!(exceeded(reserve(41)), expected);
    let second = reserve(40).unwrap();
    drop(first);
    second.settle(10);
    assert_eq!(spent(&budgets, 0), 10);
    let all = reserve(90).unwrap();
    assert_eq!(exceeded(reserve(1)).reserved, 90);
    // An AI that takes more than its limit is paid for all the same.
    all.settle(95);
    assert_eq!(spent(&budgets, 0), 105);
    assert_eq!(exceeded(reserve(0)).spent, 105);
    assert_eq!(exceeded(reserve_now(&budgets, "bot", 200, Period::Day, u64::MAX, 0)).spent, 105);
    reserve_now(&budgets, "other", 100, Period::Day, 100, 0).unwrap().settle(100);
    reserve_now(&budgets, "bot", 100, Period::Month, 100, 0).unwrap().settle(1);
    assert_eq!(spent(&budgets, 0), 105);
}

#[test]
fn a_call_whose_caller_leaves_is_spent_and_one_that_fails_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let budgets = open(&folder);
    let reserve = || {
        let mut call = reserve_now(&budgets, "bot", 100, Period::Day, 30, 0).unwrap();
        call.on_its_way();
        call
    };
    reserve().give_back();
    assert_eq!(spent(&budgets, 0), 0);
    drop(reserve());
    assert_eq!(spent(&budgets, 0), 30);
    reserve().settle(5);
    assert_eq!(spent(&budgets, 0), 35);
    let left = reserve_now(&budgets, "bot", 100, Period::Day, 65, 0);
    assert!(left.is_ok(), "nothing stays reserved");
}

#[test]
fn a_call_settles_in_the_period_it_was_reserved_in() {
    let folder = tempfile::tempdir().unwrap();
    let budgets = open(&folder);
    let reserve = |now_ms| reserve_now(&budgets, "bot", 100, Period::Day, 80, now_ms);
    let [late, later] = [reserve(DAY - 1).unwrap(), reserve(DAY).unwrap()];
    late.settle(80);
    assert_eq!(exceeded(reserve(DAY)).reserved, 80, "the day before is another matter");
    assert_eq!(spent(&budgets, DAY), 0);
    // A clock that goes back opens no closed day.
    assert_eq!(exceeded(reserve(DAY - 1)).reserved, 80);
    later.settle(30);
    assert_eq!(spent(&budgets, DAY), 30);
    let forgotten = reserve(2 * DAY).unwrap();
    assert_eq!(spent(&budgets, 4 * DAY), 0);
    forgotten.settle(5);
    assert_eq!(spent(&budgets, 4 * DAY), 0);
}

#[test]
fn what_was_spent_survives_a_restart_and_what_was_reserved_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let budgets = open(&folder);
    let reserve =
        |budgets: &Budgets, amount| reserve_now(budgets, "bot", 100, Period::Day, amount, DAY);
    reserve(&budgets, 50).unwrap().settle(40);
    let lost = reserve(&budgets, 60).unwrap();
    reserve(&budgets, 0).unwrap().settle(2);
    drop(lost);
    drop(budgets);
    let budgets = open(&folder);
    assert_eq!(spent(&budgets, DAY), 42);
    assert_eq!(exceeded(reserve(&budgets, 59)).reserved, 0);
    reserve(&budgets, 58).unwrap().settle(58);
    assert_eq!(spent(&budgets, 2 * DAY), 0);
    drop(budgets);
    assert_eq!(spent(&open(&folder), DAY), 100);
}

#[test]
fn a_thousand_calls_at_once_never_spend_past_the_cap() {
    let folder = tempfile::tempdir().unwrap();
    let budgets = open(&folder);
    let (made, paid) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (budgets, made, paid) = (&budgets, &made, &paid);
            scope.spawn(move || {
                let mut open = Vec::new();
                for number in 0..1_000 {
                    match reserve_now(budgets, "bot", 100 * 7, Period::Total, 7, number) {
                        Ok(call) => open.push(call),
                        Err(refused) => drop(refused),
                    }
                    if number % 3 == thread % 3 {
                        // Every other call fails and costs nothing.
                        let call = open.pop().filter(|_| number % 2 == 0);
                        if let Some(call) = call {
                            made.fetch_add(1, Relaxed);
                            paid.fetch_add(7, Relaxed);
                            call.settle(7);
                        }
                    }
                }
            });
        }
    });
    let sum = budgets.spent("bot", Period::Total, 0).unwrap();
    assert_eq!(sum, paid.load(Relaxed));
    assert!(made.load(Relaxed) <= 100 && sum <= 700);
    // All that was not settled was given back.
    let rest = reserve_now(&budgets, "bot", 700, Period::Total, 700 - sum, 0);
    assert!(rest.is_ok());
}

#[test]
fn accounts_in_memory_are_bounded_and_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let most = 8;
    let budgets = Budgets::bounded(Store::open(folder.path()).unwrap(), most);
    let name = |number: usize| format!("bot{number}");
    let count = |budgets: &Budgets| -> usize {
        let shards = budgets.shards.iter();
        shards.map(|shard| shard.lock().unwrap()[Period::Total as usize].len()).max().unwrap()
    };
    let pay = |number| {
        let reserved = reserve_now(&budgets, &name(number), 10, Period::Total, 10, 0);
        reserved.map(|call| call.settle(1))
    };
    for number in 0..2_000 {
        if number < 100 {
            pay(number).unwrap();
        } else {
            budgets.spent(&name(number), Period::Total, 0).unwrap();
        }
    }
    assert_eq!(count(&budgets), most);
    for number in 0..100 {
        assert_eq!(budgets.spent(&name(number), Period::Total, 0).unwrap(), 1);
    }
}
