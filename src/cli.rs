//! The commands: what each takes, and which file does it.

mod admin_client;
mod admin_query;
mod bots;
mod chaos;
mod check;
mod deliveries;
mod demo;
mod health;
mod init;
mod log;
mod output;
mod request;
mod run;
mod schema;
mod sign;
mod table;
mod test;

use crate::config::{self, Report, Settings};
use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// The command failed.
const FAILED: u8 = 1;
/// The arguments are wrong.
const USAGE: u8 = 2;
/// The configuration is wrong (`EX_CONFIG` of BSD's sysexits.h).
const BAD_CONFIGURATION: u8 = 78;

/// A proxy in front of chatbot backends: verifies webhook signatures, enforces each bot's limits, forwards under deadlines or asks an AI.
#[derive(Parser)]
#[command(name = "botgate", version)]
struct Arguments {
    /// The format of logs and errors [default: human on a terminal, json otherwise]
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    #[command(subcommand)]
    command: Command,
}

/// How logs and errors are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Text for people.
    Human,
    /// One JSON object per line.
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// Run a server, a backend and signed requests on loopback, without any file.
    Demo {
        /// Exit after the requests, with 0 when every answer is as expected.
        #[arg(long)]
        once: bool,
    },
    /// Run the server.
    Run(Configuration),
    /// Report all errors of a configuration, each with its fix.
    Check(Configuration),
    /// Write a configuration to start from, with a new bot and a new secret.
    Init(init::Arguments),
    /// Print a curl command with a signed request for a bot.
    Sign(sign::Arguments),
    /// Send a bot's test message to its real upstream and show each step with its time.
    Test(sign::Message),
    /// List, show and retry the deliveries of a running Botgate.
    #[command(subcommand)]
    Deliveries(deliveries::Action),
    /// List the bots of a running Botgate, switch them off and on, test their callbacks.
    #[command(subcommand)]
    Bots(bots::Action),
    /// Check whether a running Botgate is ready.
    Health(health::Arguments),
    /// Kill a Botgate under load again and again and prove that no accepted message is lost.
    Chaos(chaos::Arguments),
    /// Print the JSON Schema of the configuration, for editors.
    Schema,
    /// Print the completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Which configuration a command reads.
#[derive(clap::Args)]
pub(crate) struct Configuration {
    /// The configuration [default: $BOTGATE_CONFIG, or botgate.toml in the current folder]
    #[arg(short, long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Configuration {
    /// Reads it; an error is printed.
    fn load(&self, format: Option<LogFormat>) -> Result<(Settings, Report), ExitCode> {
        config::load(&self.path())
            .map_err(|report| output::refused(&report, LogFormat::of_command(format)))
    }

    fn path(&self) -> PathBuf {
        let from_environment = || {
            std::env::var_os("BOTGATE_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from)
        };
        self.config
            .clone()
            .or_else(from_environment)
            .unwrap_or_else(|| PathBuf::from("botgate.toml"))
    }
}

/// Runs the command; the first argument is the program's name. The exit code is 0 for success, 1 for a failure, 2 for wrong
/// arguments, 78 for a wrong configuration.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version end here, too; a closed pipe is no error.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let format = arguments.log_format;
    let code = match arguments.command {
        Command::Demo { once } => Ok(demo::demo(once, format)),
        Command::Run(configuration) => Ok(run::run(&configuration.path(), format)),
        Command::Check(configuration) => Ok(check::check(&configuration.path(), format)),
        Command::Init(arguments) => Ok(init::init(&arguments)),
        Command::Sign(arguments) => sign::sign(arguments, format),
        Command::Test(message) => test::test(message, format),
        Command::Deliveries(action) => deliveries::deliveries(action, format),
        Command::Bots(action) => bots::bots(action, format),
        Command::Health(arguments) => health::health(arguments, format),
        Command::Chaos(arguments) => Ok(chaos::chaos(&arguments)),
        Command::Schema => Ok(schema::schema()),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "botgate", &mut script);
            Ok(output::out(&String::from_utf8_lossy(&script)))
        }
    };
    code.unwrap_or_else(|code| code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_log_format_is_good_before_and_after_the_command() {
        for arguments in
            [["botgate", "--log-format", "json", "run"], ["botgate", "run", "--log-format", "json"]]
        {
            assert_eq!(
                Arguments::try_parse_from(arguments).ok().unwrap().log_format,
                Some(LogFormat::Json)
            );
        }
    }
}
