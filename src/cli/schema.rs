//! `botgate schema`: the JSON Schema of a configuration, for editors.

use super::output;
use crate::config;
use std::process::ExitCode;

/// Prints it.
pub(crate) fn schema() -> ExitCode {
    output::out(&format!("{:#}\n", config::schema()))
}
