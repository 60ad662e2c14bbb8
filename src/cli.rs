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

/// It could not be done.
const FAILED: u8 = 1;
/// The arguments make no sense.
const USAGE: u8 = 2;
/// The configuration is wrong (`EX_CONFIG` of BSD's sysexits.h).
const BAD_CONFIGURATION: u8 = 78;

/// One binary in front of chatbot backends: verifies webhook signatures, holds each bot to its limit, forwards under deadlines.
#[derive(Parser)]
#[command(name = "botgate", version)]
struct Arguments {
    /// How logs and errors are written; by default for people on a terminal, as JSON lines otherwise.
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    #[command(subcommand)]
    command: Command,
}

/// How logs and errors are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// Show it all working: a server, a backend and signed requests, on loopback, without any file.
    Demo {
        /// End after the requests: 0 when every answer was right.
        #[arg(long)]
        once: bool,
    },
    /// Serve.
    Run(Configuration),
    /// Say everything that is wrong with a configuration, and how to put it right.
    Check(Configuration),
    /// Write a configuration to start from, with a fresh bot and a fresh secret.
    Init(init::Arguments),
    /// Print a curl line that a bot accepts.
    Sign(sign::Arguments),
    /// Send a bot's test message through its real upstream, and show each step with its time.
    Test(sign::Message),
    /// What leaves later: list it, show one, take up again what was given up. Asks a running Botgate.
    #[command(subcommand)]
    Deliveries(deliveries::Action),
    /// List bots, switch them off and on, test their callbacks. Asks a running Botgate.
    #[command(subcommand)]
    Bots(bots::Action),
    /// Say whether a running Botgate is ready.
    Health(health::Arguments),
    /// Kill a Botgate under load again and again, and prove that nothing it accepted is lost.
    Chaos(chaos::Arguments),
    /// Print the JSON Schema of the configuration, for editors.
    Schema,
    /// Print a shell's completions.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Which configuration a command reads.
#[derive(clap::Args)]
pub(crate) struct Configuration {
    /// The configuration; by default $BOTGATE_CONFIG, or botgate.toml here.
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

/// Does what the arguments ask for; the first one is the program's name. The exit code is 0 when it went well, 1 when it
/// failed, 2 for arguments that make no sense, 78 for a wrong configuration.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version end here, too; a closed pipe is nobody's loss.
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
