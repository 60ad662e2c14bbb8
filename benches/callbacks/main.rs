//! What answers that come later cost, by the real binary, as one table: durable accepts and deliveries a second, the time from a
//! 202 to its delivery at 1,000 a second, memory with a million jobs that wait, and how soon another process goes on with them
//! after a kill. AI, receivers and callers are here, on the same cores.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench has nobody to tell but the terminal"
)]

mod botgate;
mod launch;
mod others;
mod wire;

use botgate::Botgate;
use others::{Caller, Others};
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// Bots, each with a receiver of its own.
const BOTS: usize = 8;
/// Callers that send as fast as they are answered.
const CALLERS: usize = 512;
/// Callers that together send `RATE` messages a second.
const STEADY: usize = 50;
const RATE: usize = 1_000;
/// Messages between two looks at how full the database's log is.
const STEP: usize = 2_000;

/// A line of the table.
fn row(what: &str, here: String, aim: &str) {
    println!("{what:<44}{here:>22}   {aim}");
}

/// Has messages accepted, as fast as that goes; how long it takes.
async fn flood(at: SocketAddr, messages: Range<usize>) -> Duration {
    let next = Arc::new(AtomicUsize::new(messages.start));
    let mut callers = JoinSet::new();
    let start = Instant::now();
    for _ in 0..CALLERS {
        let next = next.clone();
        callers.spawn(async move {
            let mut caller = Caller::connect(at).await;
            loop {
                match next.fetch_add(1, Relaxed) {
                    number if number < messages.end => caller.send(number).await,
                    _ => return,
                }
            }
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended.unwrap();
    }
    start.elapsed()
}

fn rate(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// Kills it and has another accept a message: how long that takes from its start.
async fn recover(botgate: &mut Botgate, number: usize) -> String {
    botgate.end();
    let start = Instant::now();
    botgate.again();
    Caller::connect(botgate.at).await.send(number).await;
    format!("{:.2} s", start.elapsed().as_secs_f64())
}

/// Accepts while nothing is answered, what so many jobs take in memory, and how soon a killed process is replaced by one that accepts.
async fn accepts(jobs: usize) {
    let others = Others::start(jobs + 1, false).await;
    let mut botgate = Botgate::start(others.at);
    let [idle, _] = botgate.memory();
    let rate = rate(jobs, flood(botgate.at, 0..jobs).await);
    row("durable accepts", format!("{rate:.0} /s"), ">= 20000 /s");
    let [now, most] = botgate.memory();
    let what = format!("memory with {jobs} jobs; idle; at most");
    row(&what, format!("{now}; {idle}; {most} MiB"), "< 300 MiB");
    let took = recover(&mut botgate, jobs).await;
    let what = format!("to the first 202 after a kill, {jobs} jobs");
    row(&what, took, "< 1 s");
    others.open.send_replace(true);
    others.until(jobs / 20).await;
    let [_, most] = botgate.memory();
    let what = "memory of that one while it delivers, at most";
    row(what, format!("{most} MiB"), "< 300 MiB");
}

/// The same where the database's log is as full as it gets.
async fn full_log(step: usize, logs: u64) {
    let others = Others::start(0, false).await;
    let mut botgate = Botgate::start(others.at);
    let (mut sent, mut begun) = (0, vec![0]);
    while (begun.len() as u64) < logs + 1 {
        let log = botgate.log();
        flood(botgate.at, sent..sent + step).await;
        sent += step;
        if botgate.log() > log || logs == 0 {
            begun.push(sent);
        }
    }
    // The next would begin after as many as lie between the last two.
    let length = begun.windows(2).last().map_or(0, |pair| pair[1] - pair[0]);
    flood(botgate.at, sent..sent + length.saturating_sub(2 * step)).await;
    let took = recover(&mut botgate, sent + length).await;
    row("to the first 202 after a kill, log full", took, "< 1 s");
}

/// Works off what waits once the AI answers: answers and deliveries, each step on disk.
async fn deliveries(jobs: usize) {
    let others = Others::start(jobs, false).await;
    let botgate = Botgate::start(others.at);
    flood(botgate.at, 0..jobs).await;
    let start = Instant::now();
    others.open.send_replace(true);
    others.until(jobs).await;
    let rate = rate(jobs, start.elapsed());
    row("deliveries, answers included", format!("{rate:.0} /s"), ">= 8000 /s");
}

/// The time from a 202 to its delivery, at a steady rate.
async fn steady(messages: usize) {
    let others = Others::start(messages, true).await;
    let botgate = Botgate::start(others.at);
    let mut callers = JoinSet::new();
    for nth in 0..STEADY {
        let at = botgate.at;
        callers.spawn(async move {
            let mut caller = Caller::connect(at).await;
            // Not all of them at once.
            sleep(Duration::from_secs(1) * nth as u32 / RATE as u32).await;
            let mut ticks = interval(Duration::from_secs(1) * STEADY as u32 / RATE as u32);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            let mut accepted = Vec::new();
            for number in (nth..messages).step_by(STEADY) {
                ticks.tick().await;
                caller.send(number).await;
                accepted.push((number, Instant::now()));
            }
            accepted
        });
    }
    let accepted = callers.join_all().await.concat();
    others.until(messages).await;
    let came = others.came.lock().unwrap();
    let took = |(number, at): &(usize, Instant)| {
        let came = came[*number].unwrap();
        came.saturating_duration_since(*at)
    };
    let mut all: Vec<_> = accepted.iter().map(took).collect();
    all.sort_unstable();
    let at = |percent: usize| all[(all.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    let here = format!("{:.2}; {:.2} ms", at(50), at(99));
    row(&format!("accept to delivered at {RATE} /s, p50; p99"), here, "p99 < 20 ms");
}

fn main() {
    // `cargo test` runs a bench without this word, to see that it still does.
    let whole = std::env::args().any(|argument| argument == "--bench");
    let sized = |messages: usize| if whole { messages } else { messages / 1_000 };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.unwrap().block_on(async {
        row("", "here".to_owned(), "aim");
        steady(sized(20_000).max(100)).await;
        deliveries(sized(100_000)).await;
        accepts(sized(1_000_000)).await;
        full_log(sized(STEP).max(100), if whole { 3 } else { 0 }).await;
    });
}
