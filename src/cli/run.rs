//! `botgate run`: serves until a signal says otherwise.

use super::{LogFormat, log, output};
use crate::config::{self, Settings};
use crate::server::App;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Threads of the background plane: accepting, signals, admin, reload. No request runs on them.
const BACKGROUND: usize = 2;

/// The background plane's runtime.
pub(super) fn background() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(BACKGROUND)
        .thread_name("background")
        .enable_all()
        .build()
}

/// Serves what `file` says.
pub(crate) fn run(file: &Path, format: Option<LogFormat>) -> ExitCode {
    let format = LogFormat::of_server(format);
    log::start(format);
    let settings = match config::load(file) {
        Ok((settings, warnings)) => {
            output::report(&warnings, format);
            settings
        }
        Err(report) => return output::refused(&report, format),
    };
    let served = background().and_then(|runtime| runtime.block_on(serve(settings, file, format)));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(settings: Settings, file: &Path, format: LogFormat) -> io::Result<()> {
    let mut signals = Signals::new()?;
    let mut app = App::start(settings, format.of_log()).await?;
    announce(&app.listening, file, format);
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => break,
            _ = signals.interrupt.recv() => break,
            _ = signals.reload.recv() => reload(&mut app, file, format).await,
        }
    }
    tracing::info!("draining");
    app.stop(signals.stop()).await;
    tracing::info!("stopped");
    Ok(())
}

/// Puts the file's new content in force, or says why the old one stays.
async fn reload(app: &mut App, file: &Path, format: LogFormat) {
    app.reopen_log();
    let outcome = match config::load(file) {
        Ok((settings, warnings)) => {
            output::report(&warnings, format);
            app.reload(settings).await
        }
        Err(report) => {
            output::report(&report, format);
            Err("the configuration has errors".to_owned())
        }
    };
    app.metrics().record_reload(outcome.is_ok());
    match outcome {
        Ok(()) => tracing::info!("reloaded"),
        Err(error) => tracing::warn!("not reloaded, the old configuration stays in force: {error}"),
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    reload: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reload: signal(SignalKind::hangup())?,
        })
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Says which addresses were bound: a banner for people, a line each for programs.
fn announce(listening: &[(&'static str, SocketAddr)], file: &Path, format: LogFormat) {
    let mut out = anstream::stderr().lock();
    if format == LogFormat::Human {
        let _ = writeln!(out, "\n  botgate {} — {}\n", env!("CARGO_PKG_VERSION"), file.display());
    }
    for (listener, addr) in listening {
        let _ = match format {
            LogFormat::Human => writeln!(out, "  {listener:<7} http://{addr}"),
            LogFormat::Json => {
                // Written out, so that the keys stand in the order that is documented.
                writeln!(out, r#"{{"event":"listening","listener":"{listener}","addr":"{addr}"}}"#)
            }
        };
    }
    if format == LogFormat::Human {
        let _ = writeln!(out);
    }
}
