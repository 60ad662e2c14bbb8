//! `botgate run`: serves.

use super::{LogFormat, output};
use crate::config;
use std::path::Path;
use std::process::ExitCode;

/// Reads the configuration and serves until it is told to stop.
pub(crate) fn run(path: &Path, format: Option<LogFormat>) -> ExitCode {
    let format = LogFormat::of_server(format);
    match config::load(path) {
        Err(report) => output::refused(&report, format),
        Ok((_settings, warnings)) => {
            output::report(&warnings, format);
            output::failed("this build cannot serve yet")
        }
    }
}
