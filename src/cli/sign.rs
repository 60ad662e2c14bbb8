//! `botgate sign`: a curl line that a bot accepts.

use super::{Configuration, LogFormat, output};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The bot's id.
    pub(crate) bot: String,
    #[command(flatten)]
    pub(crate) configuration: Configuration,
    /// The body, or @FILE; by default the dialect's test message.
    #[arg(short, long = "data", value_name = "BODY|@FILE")]
    pub(crate) data: Option<String>,
    /// Where to; by default the first listener and the bot's path.
    #[arg(long)]
    pub(crate) url: Option<String>,
}

/// Prints a curl line with the right headers for a bot.
pub(crate) fn sign(_arguments: Arguments, _format: Option<LogFormat>) -> ExitCode {
    output::failed("this build cannot sign yet")
}
