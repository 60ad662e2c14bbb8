//! `botgate demo`: everything at work, without any file.

use super::{LogFormat, output};
use std::process::ExitCode;

/// Sends signed requests through a server of its own; ends after them with `once`.
pub(crate) fn demo(_once: bool, _format: Option<LogFormat>) -> ExitCode {
    output::failed("this build has no demo yet")
}
