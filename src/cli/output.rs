//! What commands print. A reader that has gone away is no failure of ours; a full disk is.

use super::{BAD_CONFIGURATION, FAILED, LogFormat};
use crate::config::Report;
use crate::telemetry::access_log;
use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::process::ExitCode;

/// Prints what was asked for. Colours show on a terminal only, and not with NO_COLOR.
pub(crate) fn out(text: &str) -> ExitCode {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            failed(&format!("cannot print it: {error}"))
        }
        Ok(()) | Err(_) => ExitCode::SUCCESS,
    }
}

/// Prints a remark beside what was asked for.
pub(crate) fn remark(text: &str) {
    let mut out = anstream::stderr().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints why it could not be done, and what to do about it.
pub(crate) fn failed(message: &str) -> ExitCode {
    remark(&format!("error: {message}\n"));
    ExitCode::from(FAILED)
}

/// Prints the notes on a configuration.
pub(crate) fn report(report: &Report, format: LogFormat) {
    match format {
        LogFormat::Human => remark(&report.human(true)),
        LogFormat::Json => remark(&report.json()),
    }
}

/// Prints the notes on a refused configuration and how many there are.
pub(crate) fn refused(refusal: &Report, format: LogFormat) -> ExitCode {
    report(refusal, format);
    if format == LogFormat::Human {
        remark(&format!("{}\n", refusal.summary()));
    }
    ExitCode::from(BAD_CONFIGURATION)
}

impl LogFormat {
    /// How the access log is written beside it.
    pub(crate) fn of_log(self) -> access_log::Format {
        match self {
            Self::Human => access_log::Format::Human,
            Self::Json => access_log::Format::Json,
        }
    }

    /// How a server writes its log: for people on a terminal, for programs otherwise.
    pub(crate) fn of_server(asked: Option<Self>) -> Self {
        let usual = || {
            if std::io::stderr().is_terminal() { Self::Human } else { Self::Json }
        };
        asked.unwrap_or_else(usual)
    }

    /// How a command writes what it was asked for: for people, unless told otherwise.
    pub(crate) fn of_command(asked: Option<Self>) -> Self {
        asked.unwrap_or(Self::Human)
    }
}
