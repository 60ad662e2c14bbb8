//! What a durable step costs: accepts by many at once, and picking up what a run has left.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench has nobody to tell but the terminal"
)]

use botgate::state::jobs::{BOUNDS, Id, Job, Jobs, Stage, Subject};
use botgate::state::store::Store;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

const NOW: u64 = 1_800_000_000_000;
/// Jobs that an earlier run has left.
const LEFT: usize = 100_000;

fn job(body: &Arc<[u8]>) -> Job<'static> {
    Job {
        id: Id::new(NOW),
        bot: "bt_support",
        subject: Subject::default(),
        dialect: "aerostack",
        receiver: "crm",
        stage: Stage::Answer,
        body: Arc::clone(body),
        claimed: false,
        event: false,
    }
}

/// So many accepts by so many that each wait for theirs.
fn accept(runtime: &Runtime, journal: &Arc<Jobs>, waiters: u64, count: u64) -> Duration {
    let body: Arc<[u8]> = vec![b'x'; 400].into();
    let left = Arc::new(AtomicU64::new(count));
    let start = Instant::now();
    runtime.block_on(async {
        let tasks: Vec<_> = (0..waiters)
            .map(|_| {
                let (journal, left, body) = (journal.clone(), left.clone(), body.clone());
                tokio::spawn(async move {
                    while left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok() {
                        let job = job(&body);
                        let step = journal.accept(std::slice::from_ref(&job), NOW);
                        step.unwrap().await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    start.elapsed()
}

/// Resident memory of this process in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let figure = line.unwrap().split_whitespace().nth(1);
    figure.unwrap().parse().unwrap()
}

fn bench(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut group = criterion.benchmark_group("jobs");
    group.throughput(Throughput::Elements(1));
    for waiters in [1, 64, 1_024] {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let journal = Arc::new(Jobs::open(store, BOUNDS, NOW).unwrap());
        group.bench_function(format!("durable accepts, {waiters} wait"), |bencher| {
            bencher.iter_custom(|count| accept(&runtime, &journal, waiters, count));
        });
    }
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let journal = Arc::new(Jobs::open(store, BOUNDS, NOW).unwrap());
    accept(&runtime, &journal, 1_024, LEFT as u64);
    drop(journal);
    group.finish();
    let store = Store::open(folder.path()).unwrap();
    let (before, start) = (resident(), Instant::now());
    let journal = Jobs::open(store, BOUNDS, NOW).unwrap();
    println!(
        "journal/pick up: {:?} in {:?}, {} KiB more memory",
        journal.counts().map(|(_, tally)| tally.jobs),
        start.elapsed(),
        resident() - before
    );
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2)).sample_size(10);
    targets = bench
}
criterion_main!(benches);
