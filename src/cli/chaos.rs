//! `botgate chaos`: kills a Botgate under load again and again, then proves that nothing it accepted is lost.

mod load;
mod observations;
mod peers;
mod process;
mod proof;
mod report;

use super::{output, run};
use observations::Observations;
use process::Instance;
use proof::{Proof, millis, verify};
use report::Progress;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::sleep;

/// Messages a second while an instance runs.
const MAX_RATE: u32 = 300;
/// No more messages in all: each of them must still be in the journal in the end.
const MAX_MESSAGES: u32 = 80_000;
/// An instance is killed at a random moment this long after it is ready, in milliseconds.
const LIFETIME_MS: std::ops::Range<u64> = 50..600;
/// One of this many kills comes before the instance is ready, within this many milliseconds of its start.
const EARLY_KILLS: (u64, u64) = (6, 60);
/// How long the last deliveries may take once no more messages are sent.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(100);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The number of kills.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    kills: u32,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

/// 0 when nothing was lost, 1 when something was, with the ids.
pub(crate) fn chaos(arguments: &Arguments) -> ExitCode {
    let ran = run::background().map_err(|error| error.to_string());
    let ran = ran.and_then(|runtime| {
        runtime.block_on(async {
            tokio::select! {
                ran = kill_and_verify(arguments.kills) => ran,
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

async fn kill_and_verify(kills: u32) -> Result<Proof, String> {
    let began = Instant::now();
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let file = folder.path().join("botgate.toml");
    let observations = Arc::new(Observations::default());
    let (ai, ai_at) = listen().await?;
    let (receiver, receiver_at) = listen().await?;
    tokio::spawn(peers::serve_ai(ai));
    tokio::spawn(peers::receive(receiver, Arc::clone(&observations)));
    std::fs::write(&file, configuration(ai_at, receiver_at)).map_err(|error| error.to_string())?;

    let progress = Progress::new();
    let (publish, address) = watch::channel(None);
    let longest = u64::from(kills) * LIFETIME_MS.end;
    let rate = u64::from(MAX_MESSAGES) * 1000 / longest;
    let rate = u32::try_from(rate).unwrap_or(MAX_RATE).min(MAX_RATE);
    let mut senders = load::start(rate, &address, &observations);
    let mut recoveries = Vec::new();
    let mut early_kills = 0;
    for kill in 0..kills {
        progress.show(&format!("kill {} of {kills}", kill + 1), &observations);
        let mut instance = start(&file, kill)?;
        // The first instance gets ready, so that there is something to lose.
        if kill > 0 && random(EARLY_KILLS.0) == 0 {
            early_kills += 1;
            sleep(Duration::from_millis(random(EARLY_KILLS.1))).await;
        } else {
            recoveries.push(instance.ready().await?);
            publish.send_replace(instance.http);
            let long = LIFETIME_MS.start + random(LIFETIME_MS.end - LIFETIME_MS.start);
            instance.stay_up(Duration::from_millis(long)).await?;
        }
        observations.kill();
        instance.kill().await?;
        publish.send_replace(None);
    }
    let mut instance = start(&file, kills)?;
    recoveries.push(instance.ready().await?);
    publish.send_replace(instance.http);
    instance.stay_up(Duration::from_millis(LIFETIME_MS.start)).await?;
    drop(publish);
    while senders.join_next().await.is_some() {}
    settle(&instance, &observations, &progress).await?;
    instance.stop().await?;
    let mut proof = verify(&observations, &folder.path().join("data"))?;
    proof.early = early_kills;
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

fn start(file: &Path, number: u32) -> Result<Instance, String> {
    Instance::start(file, number as usize)
        .map_err(|error| format!("cannot start the Botgate to be killed: {error}"))
}

/// Waits until no delivery is pending, or for [`SETTLE_TIMEOUT`].
async fn settle(
    instance: &Instance,
    observations: &Observations,
    progress: &Progress,
) -> Result<(), String> {
    let admin = instance.admin.ok_or("it has no admin listener")?;
    let began = Instant::now();
    loop {
        let page = process::get(admin, "/metrics").await?;
        let left = unfinished(&page);
        if left == 0 || began.elapsed() > SETTLE_TIMEOUT {
            return Ok(());
        }
        progress.show(&format!("{left} are left"), observations);
        sleep(POLL_INTERVAL).await;
    }
}

/// The number of unfinished jobs on a page of metrics.
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

/// A bot that defers its answers, with an AI and a receiver on this machine. Deliveries are retried often: one that is given up
/// after too many failures would prove little.
fn configuration(ai: SocketAddr, receiver: SocketAddr) -> String {
    let (bot, key) = (load::BOT, load::KEY);
    let (instance, number) = (peers::INSTANCE_HEADER, process::INSTANCE_VARIABLE);
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
headers = {{ {instance} = "${{env:{number}}}" }}
allow = ["127.0.0.0/8"]
retries = ["200ms", "400ms", "800ms", "1s", "2s", "2s", "2s", "2s"]
"#
    )
}

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
