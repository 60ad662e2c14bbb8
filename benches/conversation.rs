//! What a message costs a worker: to enter its conversation, to read what was said, to append; and with it the whole process.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench has nobody to tell but the terminal"
)]

use botgate::codec::message::{Role, Turn};
use botgate::codec::price::Period;
use botgate::state::budget::Budgets;
use botgate::state::conversation::{Begin, Conversations, Key, Policy, TurnGuard};
use botgate::state::store::Store;
use criterion::{Criterion, criterion_group, criterion_main};
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

const USERS: usize = 10_000;

fn policy(window: u32) -> Policy {
    Policy { ttl: Duration::from_secs(86_400), window }
}

/// The local store never waits.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the local store waits for nothing"),
    }
}

fn enter(all: &Arc<Conversations>, key: Key, window: u32) -> TurnGuard {
    match ready(all.begin(key, policy(window), 1)) {
        Begin::Ready(held) => held,
        Begin::Waiting(_) | Begin::Full => panic!("nobody else is here"),
    }
}

fn append(held: TurnGuard) {
    let user =
        Turn::text(Role::User, "Where is my order number 4711? It should have been here by now.");
    let answer = "It left our house this morning and will be with you tomorrow before noon. Is there anything else that I can do?";
    held.append(&user, &Turn::text(Role::Assistant, answer), None, 1);
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec.try_into().unwrap())
}

/// What the process spends on a message in all, its store's threads with it, at so many messages a second.
fn whole(all: &Arc<Conversations>, keys: &[Key], window: u32, rate: u32) {
    let (messages, start, before) = (rate * 5, Instant::now(), cpu());
    let mut idle = Duration::ZERO;
    for (number, key) in (0..messages).zip(keys.iter().cycle()) {
        if number % (rate / 100) == 0 {
            // Asleep, not spinning: only work is to be counted.
            let due = start + Duration::from_secs(1) * number / rate;
            let pause = due.saturating_duration_since(Instant::now());
            idle += pause;
            std::thread::park_timeout(pause);
        }
        let held = enter(all, *key, window);
        held.history().for_each(|turn| drop(black_box(turn)));
        append(held);
    }
    let each = (cpu() - before) / messages;
    println!(
        "conversation/whole process, window {window}, {rate}/s: {each:?} of CPU a message, {idle:?} idle"
    );
}

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("conversation");
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let all = Conversations::new(Arc::clone(&store));
    let users: Vec<String> = (0..USERS).map(|number| format!("user-{number:08}")).collect();
    let keys: Vec<Key> =
        users.iter().map(|user| Key::of_user("bt_bench", user, Some("web"))).collect();
    let mut user = 0;
    let mut next = || {
        user = (user + 7) % USERS;
        user
    };
    group.bench_function("key", |bencher| {
        bencher.iter(|| Key::of_user("bt_bench", &users[next()], Some("web")));
    });
    for window in [2, 20] {
        for key in keys.iter().cycle().take(USERS * window as usize / 2) {
            append(enter(&all, *key, window));
        }
        group.bench_function(format!("enter and leave, window {window}"), |bencher| {
            bencher.iter(|| enter(&all, keys[next()], window));
        });
        group.bench_function(format!("enter and read, window {window}"), |bencher| {
            bencher.iter(|| {
                enter(&all, keys[next()], window).history().for_each(|turn| drop(black_box(turn)))
            });
        });
        for rate in [2_000, 20_000] {
            whole(&all, &keys, window, rate);
        }
    }
    group.bench_function("enter and append, window 20", |bencher| {
        bencher.iter_custom(|rounds| {
            let mut sum = Duration::ZERO;
            for _ in 0..rounds {
                // The store takes what comes while it writes; past its bound it would refuse, which costs less.
                while store.counts().queued > 30_000 {
                    std::thread::yield_now();
                }
                let key = keys[next()];
                let start = Instant::now();
                append(enter(&all, key, 20));
                sum += start.elapsed();
            }
            sum
        });
    });
    let budgets = Budgets::new(Arc::clone(&store));
    group.bench_function("reserve and settle", |bencher| {
        bencher.iter(|| {
            let reserved = budgets.reserve("bt_bench", u64::MAX, Period::Month, 100, 1);
            ready(reserved).unwrap().settle(1)
        });
    });
    assert_eq!(store.counts().lost, 0);
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1)).sample_size(30);
    targets = bench
}
criterion_main!(benches);
