//! `botgate test`: a bot's own test message through its real upstream and to its real callback, each step with its time.

mod advice;
mod steps;

use super::sign::{find, signed};
use super::{Configuration, LogFormat, output, run};
use crate::config::{self, AccessLog, Bot, Settings};
use crate::server::App;
use crate::telemetry::observer::{Observation, Observer};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use steps::Steps;
use tokio::sync::mpsc::Receiver;

/// How long after its upstream's own deadline an answer is waited for.
const SPARE: Duration = Duration::from_secs(5);
/// How much of the answer is printed, in bytes.
const MAX_SHOWN: usize = 1024;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The bot's id; of a template any id that it stands for.
    bot: String,
    #[command(flatten)]
    configuration: Configuration,
    /// The dialect, where bots of several stand for this id.
    #[arg(long, value_name = "NAME")]
    dialect: Option<String>,
    /// The body, or @FILE; by default the dialect's test message.
    #[arg(short, long = "data", value_name = "BODY|@FILE")]
    data: Option<String>,
}

/// Sends the message and shows what becomes of it: 0 when the answer was a 2xx, 1 when it was not.
pub(crate) fn test(arguments: Arguments, format: Option<LogFormat>) -> ExitCode {
    let mut steps = Steps::new(Instant::now());
    let path = arguments.configuration.path();
    let (settings, warnings) = match config::load(&path) {
        Ok(loaded) => loaded,
        Err(report) => return output::refused(&report, LogFormat::of_command(format)),
    };
    let tested = run::background().map_err(|error| error.to_string()).and_then(|runtime| {
        let id = arguments.bot.as_str();
        let bot = find(&settings, id, arguments.dialect.as_deref())?.clone();
        steps.title(&bot, id, &settings);
        let mut read = format!("{} is read", path.display());
        if !warnings.is_empty() {
            read += &format!(", {}: see `botgate check`", warnings.summary());
        }
        steps.own(&read);
        let trial = Trial { id, bot, body: arguments.data.as_deref() };
        runtime.block_on(trial.run(settings, &mut steps))
    });
    match tested {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output::failed(&error),
    }
}

/// A message to be sent.
struct Trial<'a> {
    id: &'a str,
    bot: Bot,
    body: Option<&'a str>,
}

impl Trial<'_> {
    async fn run(&self, mut settings: Settings, steps: &mut Steps) -> Result<(), String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        alone(&mut settings, folder.path());
        let patience = self.patience(&settings);
        let upstreams = settings.upstreams.clone();
        let (witness, mut seen) = Observer::new();
        let caller = witness.clone();
        let log = LogFormat::Human.of_log();
        let app = App::start_before(Some(witness), settings, log).await;
        let app = app.map_err(|error| error.to_string())?;
        let at = app.http().ok_or("nothing listens")?;
        let url = format!("http://{at}{}", self.bot.path.sample(self.id));
        let request = signed(&self.bot, self.id, self.body, &url)?;
        steps.own(&format!("has started for this test alone, on {at}"));
        steps.own(&format!("is sent {}", request.outline()));
        let sending = request.send(at, patience, Some(&caller));
        let answer = watched(sending, &mut seen, steps).await;
        if let Ok(answer) = &answer {
            steps.answered(answer, MAX_SHOWN);
        }
        let later = matches!(&answer, Ok(answer) if answer.status == 202);
        let ended = match &self.bot.callback {
            Some(callback) if later => {
                steps.own("has it on disk; the answer goes to the callback");
                let settled = tokio::time::timeout(patience + callback.timeout, app.settled());
                watched(async { Ok(settled.await) }, &mut seen, steps).await
            }
            _ => Ok(Ok(None)),
        };
        app.stop(std::future::pending()).await;
        let answer = answer.inspect_err(|_| steps.explain(&upstreams))?;
        match ended? {
            Ok(None) => {}
            Ok(Some(reason)) => {
                steps.explain(&upstreams);
                return Err(format!("the message was given up: {reason}"));
            }
            Err(_) => {
                steps.explain(&upstreams);
                return Err("the answer was not delivered in time".to_owned());
            }
        }
        let broken = self.bot.stream && answer.body.lines().any(|line| line == "event: error");
        let verdict = match (answer.status, broken) {
            (200..300, false) => return Ok(()),
            (200..300, true) => "the stream ended with an error".to_owned(),
            (status, _) => format!("the answer's status is {status}"),
        };
        steps.explain(&upstreams);
        Err(verdict)
    }

    /// All that the bot's upstreams may take in the worst case, and a little more.
    fn patience(&self, settings: &Settings) -> Duration {
        let arms = self.bot.upstreams.iter().map(|(index, _)| index);
        let upstreams = arms.filter_map(|index| settings.upstreams.get(*index));
        let longest = upstreams.map(|upstream| upstream.timeouts.total).max();
        longest.unwrap_or_default() + SPARE
    }
}

/// Makes of the settings a Botgate that nobody else reaches, and that gets in no other one's way.
fn alone(settings: &mut Settings, folder: &Path) {
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
        bot.reply.answer_within = Duration::ZERO;
        bot.reply.failure_text = None;
        if let Some(callback) = &mut bot.callback {
            callback.retries.clear();
        }
    }
}

/// Waits for something and shows what is seen of it, as it happens.
async fn watched<T>(
    sending: impl Future<Output = Result<T, String>>,
    seen: &mut Receiver<Observation>,
    steps: &mut Steps,
) -> Result<T, String> {
    tokio::pin!(sending);
    let answer = loop {
        tokio::select! {
            biased;
            Some(step) = seen.recv() => steps.seen(step),
            answer = &mut sending => break answer,
            _ = tokio::signal::ctrl_c() => break Err("interrupted".to_owned()),
        }
    };
    while let Ok(step) = seen.try_recv() {
        steps.seen(step);
    }
    answer
}
