//! `botgate chaos`: a Botgate under load is killed again and again, and then it is proven that nothing it accepted is lost.

mod load;
mod observations;
mod peers;
mod process;
mod proof;
mod report;

use super::{output, run};
use observations::Seen;
use process::Life;
use proof::{Proof, millis, prove};
use report::Progress;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::sleep;

/// Messages a second while it lives.
const RATE: u32 = 300;
/// No more messages in all: each of them must still be in the journal in the end.
const MAX_MESSAGES: u32 = 80_000;
/// A life ends so many milliseconds after it is ready, at a random moment.
const LIFE_MS: std::ops::Range<u64> = 50..600;
/// One kill of so many comes before it is ready, within so many milliseconds of its start.
const EARLY: (u64, u64) = (6, 60);
/// How long what was accepted may take to be delivered once nothing more comes.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long between two looks at what is left.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How often it is killed.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    kills: u32,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

/// Kills and proves: 0 when nothing was lost, 1 when something was, with the ids.
pub(crate) fn chaos(arguments: &Arguments) -> ExitCode {
    let ran = run::background().map_err(|error| error.to_string());
    let ran = ran.and_then(|runtime| {
        runtime.block_on(async {
            tokio::select! {
                ran = ordeal(arguments.kills) => ran,
                _ = tokio::signal::ctrl_c() => Err("interrupted".to_owned()),
            }
        })
    });
    let proof = match ran {
        Ok(proof) => proof,
        Err(error) => return output::failed(&error),
    };
    let text = match arguments.json {
        true => report::json(&proof),
        false => report::human(&proof),
    };
    match output::out(&text) {
        ExitCode::SUCCESS if !proof.holds() => ExitCode::FAILURE,
        code => code,
    }
}

async fn ordeal(kills: u32) -> Result<Proof, String> {
    let began = Instant::now();
    // Gone when this function ends.
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let file = folder.path().join("botgate.toml");
    let seen = Arc::new(Seen::default());
    let (ai, ai_at) = listen().await?;
    let (receiver, receiver_at) = listen().await?;
    tokio::spawn(peers::think(ai));
    tokio::spawn(peers::receive(receiver, Arc::clone(&seen)));
    std::fs::write(&file, configuration(ai_at, receiver_at)).map_err(|error| error.to_string())?;

    let progress = Progress::new();
    let (tell, address) = watch::channel(None);
    let longest = u64::from(kills) * LIFE_MS.end;
    let rate = u64::from(MAX_MESSAGES) * 1000 / longest;
    let rate = u32::try_from(rate).unwrap_or(RATE).min(RATE);
    let mut senders = load::start(rate, &address, &seen);
    let mut recoveries = Vec::new();
    let mut early = 0;
    for kill in 0..kills {
        progress.tell(&format!("kill {} of {kills}", kill + 1), &seen);
        let mut life = start(&file, kill)?;
        // The first life is whole, so that there is something to be lost.
        if kill > 0 && random(EARLY.0) == 0 {
            early += 1;
            sleep(Duration::from_millis(random(EARLY.1))).await;
        } else {
            recoveries.push(life.ready().await?);
            tell.send_replace(life.http);
            let long = LIFE_MS.start + random(LIFE_MS.end - LIFE_MS.start);
            life.live(Duration::from_millis(long)).await?;
        }
        seen.killed();
        life.kill().await?;
        tell.send_replace(None);
    }
    let mut life = start(&file, kills)?;
    recoveries.push(life.ready().await?);
    tell.send_replace(life.http);
    life.live(Duration::from_millis(LIFE_MS.start)).await?;
    drop(tell);
    while senders.join_next().await.is_some() {}
    settle(&life, &seen, &progress).await?;
    life.stop().await?;
    let mut proof = prove(&seen, &folder.path().join("data"))?;
    proof.early = early;
    proof.took_ms = millis(&began.elapsed());
    proof.recoveries(recoveries);
    Ok(proof)
}

async fn listen() -> Result<(TcpListener, SocketAddr), String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let listener = listener.map_err(|error| error.to_string())?;
    let at = listener.local_addr().map_err(|error| error.to_string())?;
    Ok((listener, at))
}

fn start(file: &Path, number: u32) -> Result<Life, String> {
    Life::start(file, number as usize)
        .map_err(|error| format!("cannot start the Botgate to be killed: {error}"))
}

/// Waits until nothing is left to be delivered, or as long as it may take.
async fn settle(life: &Life, seen: &Seen, progress: &Progress) -> Result<(), String> {
    let admin = life.admin.ok_or("it has no admin listener")?;
    let began = Instant::now();
    loop {
        let page = process::get(admin, "/metrics").await?;
        let left = unfinished(&page);
        if left == 0 || began.elapsed() > SETTLE_TIMEOUT {
            return Ok(());
        }
        progress.tell(&format!("{left} are left"), seen);
        sleep(POLL_INTERVAL).await;
    }
}

/// How many jobs have not ended, by a page of metrics.
fn unfinished(page: &str) -> u64 {
    ["accepted", "answered"]
        .into_iter()
        .filter_map(|state| {
            let name = format!("botgate_jobs{{state=\"{state}\"}} ");
            let line = page.lines().find_map(|line| line.strip_prefix(&name))?;
            line.parse::<u64>().ok()
        })
        .sum()
}

/// A bot whose answers come later, by way of an AI and a receiver on this machine. Its receiver is tried often: what is given up
/// after too many failures would prove little.
fn configuration(ai: SocketAddr, receiver: SocketAddr) -> String {
    let (bot, key) = (load::BOT, load::KEY);
    let (life, number) = (peers::LIFE, process::NUMBER);
    format!(
        r#"
[server]
http = ["127.0.0.1:0"]
access_log = "off"
drain = "5s"

[admin]
listen = "127.0.0.1:0"

[state]
path = "data"

[upstreams.ai]
kind = "custom"
url = "http://{ai}/chat"

[bots.{bot}]
dialect = "fourthchat"
upstream = "ai"
verify = {{ secrets = ["{key}"] }}
limit = {{ rate = "1000000/s", burst = 1000000 }}

[bots.{bot}.callback]
url = "http://{receiver}/"
sign = {{ secret = "{key}" }}
headers = {{ {life} = "${{env:{number}}}" }}
allow = ["127.0.0.0/8"]
retries = ["200ms", "400ms", "800ms", "1s", "2s", "2s", "2s", "2s"]
"#
    )
}

/// A random number below another.
fn random(below: u64) -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().1 % below.max(1)
}

#[cfg(test)]
mod tests {
    use super::unfinished;

    #[test]
    fn what_is_left_is_read_off_the_metrics() {
        let page = "# TYPE botgate_jobs gauge\nbotgate_jobs{state=\"accepted\"} 3\n\
                    botgate_jobs{state=\"answered\"} 4\nbotgate_jobs{state=\"delivered\"} 50\n";
        assert_eq!(unfinished(page), 7);
    }
}
