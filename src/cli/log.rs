//! The log: human on a terminal, JSON lines elsewhere; always on standard error.

use super::LogFormat;
use std::io::{IsTerminal, stderr};
use tracing_subscriber::filter::{EnvFilter, LevelFilter};

/// The default of `RUST_LOG`: of the database only what an operator may have to act on.
const DEFAULT_FILTER: &str = "info,fjall=warn,lsm_tree=warn";

/// Starts logging, filtered by `RUST_LOG`.
pub(super) fn start(format: LogFormat) {
    let filter_text = std::env::var(EnvFilter::DEFAULT_ENV).ok();
    let filter_text = filter_text.filter(|text| !text.trim().is_empty());
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .parse_lossy(filter_text.as_deref().unwrap_or(DEFAULT_FILTER));
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
