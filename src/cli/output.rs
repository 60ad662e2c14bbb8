//! What commands print. A closed pipe is no error; a full disk is.

use super::{BAD_CONFIGURATION, FAILED, LogFormat};
use crate::config::Report;
use crate::telemetry::access_log;
use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::process::ExitCode;

/// Prints to stdout. Colours show on a terminal only, and not with NO_COLOR.
pub(crate) fn out(text: &str) -> ExitCode {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            failed(&format!("cannot print it: {error}"))
        }
        Ok(()) | Err(_) => ExitCode::SUCCESS,
    }
}

/// Prints to stderr.
pub(crate) fn remark(text: &str) {
    let mut out = anstream::stderr().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints an error, which says what to do about it.
pub(crate) fn failed(message: &str) -> ExitCode {
    remark(&format!("error: {message}\n"));
    ExitCode::from(FAILED)
}

/// Prints the errors and warnings of a configuration.
pub(crate) fn report(report: &Report, format: LogFormat) {
    match format {
        LogFormat::Human => remark(&report.human(true)),
        LogFormat::Json => remark(&report.json()),
    }
}

/// Prints the errors of a configuration and their number.
pub(crate) fn refused(errors: &Report, format: LogFormat) -> ExitCode {
    report(errors, format);
    if format == LogFormat::Human {
        remark(&format!("{}\n", errors.summary()));
    }
    ExitCode::from(BAD_CONFIGURATION)
}

impl LogFormat {
    /// The access log's format beside it.
    pub(crate) fn of_log(self) -> access_log::Format {
        match self {
            Self::Human => access_log::Format::Human,
            Self::Json => access_log::Format::Json,
        }
    }

    /// The format of a server's log: for people on a terminal, JSON otherwise.
    pub(crate) fn of_server(asked: Option<Self>) -> Self {
        let usual = || {
            if std::io::stderr().is_terminal() { Self::Human } else { Self::Json }
        };
        asked.unwrap_or_else(usual)
    }

    /// The format of a command's output: for people by default.
    pub(crate) fn of_command(asked: Option<Self>) -> Self {
        asked.unwrap_or(Self::Human)
    }
}
