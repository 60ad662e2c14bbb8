//! `botgate test`: a bot's own test message through its real upstream and to its real callback, each step with its time.

mod advice;
mod steps;

use super::sign::Message;
use super::{LogFormat, output, run};
use crate::config::{AccessLog, Settings};
use crate::proxy::bot::receiver::Schedule;
use crate::proxy::bot::{Bot, DeferredReply, Handler};
use crate::server::App;
use crate::telemetry::observer::{Observation, Observer};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use steps::Steps;
use tokio::sync::mpsc::Receiver;

/// How much longer than its upstream's own deadline an answer may take.
const GRACE: Duration = Duration::from_secs(5);
/// The longest excerpt of the answer, in bytes.
const MAX_SHOWN: usize = 1024;

/// Sends the message and shows each step: 0 when the answer is a 2xx and was delivered, 1 when not.
pub(crate) fn test(message: Message, format: Option<LogFormat>) -> Result<ExitCode, ExitCode> {
    let mut steps = Steps::new(Instant::now());
    let (settings, warnings) = message.configuration.load(format)?;
    let tested = run::background().map_err(|error| error.to_string()).and_then(|runtime| {
        let bot = message.bot(&settings)?.clone();
        steps.title(&bot, &message.bot, &settings);
        let mut read = format!("{} is read", message.configuration.path().display());
        if !warnings.is_empty() {
            read += &format!(", {}: see `botgate check`", warnings.summary());
        }
        steps.own(&read);
        runtime.block_on(run_test(&message, &bot, settings, &mut steps))
    });
    tested.map(|()| ExitCode::SUCCESS).map_err(|error| output::failed(&error))
}

async fn run_test(
    message: &Message,
    bot: &Bot,
    mut settings: Settings,
    steps: &mut Steps,
) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    isolate(&mut settings, folder.path());
    let limit = answer_timeout(bot, &settings);
    let upstreams = settings.upstreams.clone();
    let (observer, mut observations) = Observer::new();
    let caller = observer.clone();
    let log = LogFormat::Human.of_log();
    let app = App::start_observed(Some(observer), settings, log).await;
    let app = app.map_err(|error| error.to_string())?;
    let address = app.http().ok_or("nothing listens")?;
    let url = format!("http://{address}{}", bot.path.sample(&message.bot));
    let request = message.signed(bot, &url)?;
    steps.own(&format!("has started for this test alone, on {address}"));
    steps.own(&format!("is sent {}", request.outline()));
    let sending = request.send(address, limit, Some(&caller));
    let answer = show_until(sending, &mut observations, steps).await;
    if let Ok(answer) = &answer {
        steps.answered(answer, MAX_SHOWN);
    }
    let deferred = matches!(&answer, Ok(answer) if answer.status == 202);
    let delivered = match &bot.callback {
        Some(callback) if deferred => {
            steps.own("has it on disk; the answer goes to the callback");
            let settled =
                tokio::time::timeout(limit + callback.target.timeouts.total, app.settled());
            show_until(async { Ok(settled.await) }, &mut observations, steps).await
        }
        _ => Ok(Ok(None)),
    };
    app.stop(std::future::pending()).await;
    let verdict = answer.and_then(|answer| {
        match delivered? {
            Ok(None) => {}
            Ok(Some(reason)) => return Err(format!("the message was dead-lettered: {reason}")),
            Err(_) => return Err("the answer was not delivered in time".to_owned()),
        }
        match answer.status {
            200..300
                if !(streams(bot) && answer.body.lines().any(|line| line == "event: error")) =>
            {
                Ok(())
            }
            200..300 => Err("the stream ended with an error".to_owned()),
            status => Err(format!("the answer's status is {status}")),
        }
    });
    verdict.inspect_err(|_| steps.explain(&upstreams))
}

/// The longest that the bot's upstreams may take, and [`GRACE`].
fn answer_timeout(bot: &Bot, settings: &Settings) -> Duration {
    let indexes: &[usize] = match &bot.way {
        Handler::Forward(forward) => &[forward.upstream],
        Handler::Chat(chat) => &chat.upstreams,
    };
    let upstreams = indexes.iter().filter_map(|index| settings.upstreams.get(*index));
    let longest = upstreams.map(|upstream| upstream.target.timeouts.total).max();
    longest.unwrap_or_default() + GRACE
}

/// Settings for a Botgate that only this test reaches and that touches no data of another one.
fn isolate(settings: &mut Settings, folder: &Path) {
    let server = &mut settings.server;
    server.http = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
    server.workers = Some(1);
    server.access_log = AccessLog::Off;
    server.drain = Duration::ZERO;
    settings.admin = None;
    settings.subscribers.clear();
    settings.state.path = folder.join("data");
    for bot in &mut settings.bots {
        bot.allow_from.clear();
        // What fails is shown, not tried again.
        if let Some(callback) = &mut bot.callback {
            callback.schedule = Schedule::new(Vec::new());
        }
        if let Handler::Chat(chat) = &mut bot.way {
            // Nobody is left who could be told of an answer that leaves as an event.
            let later = chat.later.take().filter(|_| !chat.chat.acknowledges());
            let once = |later| DeferredReply {
                answer_within: Duration::ZERO,
                failure_text: None,
                ..later
            };
            chat.later = later.map(once);
        }
    }
}

fn streams(bot: &Bot) -> bool {
    matches!(&bot.way, Handler::Chat(chat) if chat.stream.is_some())
}

/// Awaits `work` and shows the steps that are observed meanwhile.
async fn show_until<T>(
    work: impl Future<Output = Result<T, String>>,
    observations: &mut Receiver<Observation>,
    steps: &mut Steps,
) -> Result<T, String> {
    tokio::pin!(work);
    let done = loop {
        tokio::select! {
            biased;
            Some(step) = observations.recv() => steps.observed(step),
            done = &mut work => break done,
            _ = tokio::signal::ctrl_c() => break Err("interrupted".to_owned()),
        }
    };
    while let Ok(step) = observations.try_recv() {
        steps.observed(step);
    }
    done
}
