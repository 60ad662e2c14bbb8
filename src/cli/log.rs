//! The log: human on a terminal, JSON lines elsewhere; always on standard error.

use super::LogFormat;
use std::io::{IsTerminal, stderr};
use tracing_subscriber::filter::{EnvFilter, LevelFilter};

/// Starts logging; `RUST_LOG` says what, `info` and above unless it does.
pub(super) fn start(format: LogFormat) {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .from_env_lossy();
    let colour = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_target(false)
        .with_ansi(colour);
    let started = match format {
        LogFormat::Human => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    // A second start in one process (a test) keeps the first.
    drop(started);
}
