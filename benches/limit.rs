//! What an admission costs: a hit, a refusal, a miss that makes a bucket, two threads on one bucket and on many.

#![expect(clippy::unwrap_used, reason = "a bench has nobody to tell")]

use botgate::state::limit::{Key, Limiter, Rate, Rule, RuleSet, Sweeper, Verdict};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::{Duration, Instant};

fn rules(burst: u64, key: Key) -> RuleSet {
    let rate = Rate { count: 60, period: Duration::from_secs(60) };
    RuleSet::new(&[Rule { rate, burst, key }], "bt_0123456789abcdef", "raw").unwrap()
}

/// Each of these values has a bucket of its own.
fn ask(limiter: &Limiter, rules: &RuleSet, sweeper: &mut Sweeper, value: u64) -> Verdict {
    limiter.admit(rules.all(), black_box(0), sweeper, |_, out| {
        out.extend_from_slice(&value.to_le_bytes())
    })
}

/// Two threads, each `rounds` times; the time until both are through.
fn two(
    rounds: u64,
    limiter: &Limiter,
    rules: &RuleSet,
    value: impl Fn(u64, u64) -> u64 + Sync,
) -> Duration {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let value = &value;
            scope.spawn(move || {
                let mut sweeper = Sweeper::default();
                for round in 0..rounds {
                    black_box(ask(limiter, rules, &mut sweeper, value(thread, round)));
                }
            });
        }
    });
    start.elapsed()
}

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("limit");
    let json = || Key::Json("/team".to_owned());
    let endless = rules(50_000_000, json());
    let single = rules(1, json());

    let (limiter, mut sweeper) = (Limiter::default(), Sweeper::default());
    for value in 0..10_000 {
        ask(&limiter, &endless, &mut sweeper, value);
    }
    let mut value = 0;
    group.bench_function("hit", |bencher| {
        bencher.iter(|| {
            value = (value + 7) % 10_000;
            ask(&limiter, &endless, &mut sweeper, value)
        });
    });
    ask(&limiter, &single, &mut sweeper, 0);
    group.bench_function("refused", |bencher| {
        bencher.iter(|| ask(&limiter, &single, &mut sweeper, 0))
    });
    let three = {
        let rate = Rate { count: 60, period: Duration::from_secs(60) };
        let rule = |key| Rule { rate, burst: 50_000_000, key };
        RuleSet::new(&[rule(Key::Bot), rule(Key::Peer), rule(json())], "bot", "raw").unwrap()
    };
    group.bench_function("hit, three rules", |bencher| {
        bencher.iter(|| ask(&limiter, &three, &mut sweeper, 0))
    });
    let Verdict::Admitted(standing) = ask(&limiter, &three, &mut sweeper, 0) else {
        panic!("there are enough")
    };
    group.bench_function("RateLimit field", |bencher| {
        bencher.iter(|| three.rate_limit(black_box(&standing)))
    });
    group.bench_function("miss", |bencher| {
        let fresh = || (Limiter::default(), Sweeper::default());
        bencher.iter_batched_ref(
            fresh,
            |(limiter, sweeper)| {
                for value in 0..100 {
                    black_box(ask(limiter, &endless, sweeper, value));
                }
            },
            BatchSize::SmallInput,
        );
    });
    group.bench_function("two threads, one bucket", |bencher| {
        bencher.iter_custom(|rounds| two(rounds, &limiter, &endless, |_, _| 0));
    });
    group.bench_function("two threads, many buckets", |bencher| {
        bencher.iter_custom(|rounds| {
            two(rounds, &limiter, &endless, |thread, round| (round * 2 + thread) % 10_000)
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1)).sample_size(30);
    targets = bench
}
criterion_main!(benches);
