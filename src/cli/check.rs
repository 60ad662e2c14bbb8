//! `botgate check`: reads a configuration as `run` would and opens no port.

use super::{LogFormat, output};
use crate::config;
use std::path::Path;
use std::process::ExitCode;

/// Prints every error and warning; 0, or 78 when there is any error.
pub(crate) fn check(path: &Path, format: Option<LogFormat>) -> ExitCode {
    let format = LogFormat::of_command(format);
    match config::load(path) {
        Err(report) => output::refused(&report, format),
        Ok((settings, warnings)) => {
            output::report(&warnings, format);
            if format == LogFormat::Json {
                return ExitCode::SUCCESS;
            }
            let mut line = format!(
                "{} is fine: {}, {}",
                path.display(),
                count(settings.bots.len(), "bot"),
                count(settings.upstreams.len(), "upstream")
            );
            if !warnings.is_empty() {
                line += &format!("; {}", warnings.summary());
            }
            output::out(&format!("{line}\n"))
        }
    }
}

fn count(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}
