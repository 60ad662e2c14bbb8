//! `botgate sign`: a ready curl line for a bot.

use super::curl::Request;
use super::{Configuration, LogFormat, output};
use crate::config::{self, Settings};
use crate::signature::Unix;
use crate::{clock, dialect};
use std::path::Path;
use std::process::ExitCode;

/// The largest body that is read from a file, in bytes.
const BODY_MAX: u64 = 64 * 1024 * 1024;

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

/// Prints the curl line that sends the body to the bot, signed with its first secret.
pub(crate) fn sign(arguments: Arguments, format: Option<LogFormat>) -> ExitCode {
    let settings = match config::load(&arguments.configuration.path()) {
        Ok((settings, _)) => settings,
        Err(report) => return output::refused(&report, LogFormat::of_command(format)),
    };
    match line(
        &settings,
        &arguments.bot,
        arguments.data.as_deref(),
        arguments.url.as_deref(),
    ) {
        Ok(line) => output::out(&format!("{line}\n")),
        Err(error) => output::failed(&error),
    }
}

fn line(
    settings: &Settings,
    id: &str,
    body: Option<&str>,
    url: Option<&str>,
) -> Result<String, String> {
    let bot = settings
        .bots
        .iter()
        .find(|bot| bot.id == id)
        .ok_or_else(|| {
            let known: Vec<_> = settings.bots.iter().map(|bot| bot.id.as_str()).collect();
            format!("there is no bot \"{id}\"; there is: {}", known.join(", "))
        })?;
    let dialect = dialect::find(bot.dialect).ok_or("the bot's dialect is unknown")?;
    let url = match url {
        Some(url) => url.to_owned(),
        None => {
            let listener = settings.server.http.first().ok_or("there is no listener")?;
            format!("http://{listener}{}", bot.path.sample())
        }
    };
    let body_text = body;
    let body = match body {
        None => dialect.sample.body.as_bytes().to_vec(),
        Some(text) => match text.strip_prefix('@') {
            None => text.as_bytes().to_vec(),
            Some(path) => {
                read(Path::new(path)).map_err(|error| format!("cannot read {path}: {error}"))?
            }
        },
    };
    let request = Request::new(
        dialect.sample.method,
        &url,
        dialect.sample.content_type,
        body,
    )?;
    let request = request.with_file(body_text.and_then(|text| text.strip_prefix('@')));
    Ok(request
        .signed(
            &bot.verifier,
            Unix::from_millis(clock::unix_ms().cast_signed()),
            id,
        )
        .map_err(|error| error.to_string())?
        .curl())
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut body = Vec::new();
    std::fs::File::open(path)?
        .take(BODY_MAX)
        .read_to_end(&mut body)?;
    Ok(body)
}
