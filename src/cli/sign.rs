//! `botgate sign`: a curl command with a signed request for a bot.

use super::request::Request;
use super::{Configuration, LogFormat, output};
use crate::clock;
use crate::config::Settings;
use crate::proxy::bot::Bot;
use crate::signature::{UnixTime, Verifier};
use std::path::Path;
use std::process::ExitCode;

/// The largest body that is read from a file, in bytes.
const MAX_BODY: u64 = 64 * 1024 * 1024;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    message: Message,
    /// The URL to send to [default: the first listener and the bot's path]
    #[arg(long)]
    url: Option<String>,
}

/// The message that a command sends, and the bot it is for.
#[derive(clap::Args)]
pub(super) struct Message {
    /// The bot's id, or any id that a template stands for.
    pub(super) bot: String,
    #[command(flatten)]
    pub(super) configuration: Configuration,
    /// The dialect, if the id fits bots of several.
    #[arg(long, value_name = "NAME")]
    dialect: Option<String>,
    /// The body, or @FILE [default: the dialect's test message]
    #[arg(short, long = "data", value_name = "BODY|@FILE")]
    data: Option<String>,
}

/// Prints a curl command that sends the body, signed with the bot's first secret; a derived secret is shown.
pub(crate) fn sign(arguments: Arguments, format: Option<LogFormat>) -> Result<ExitCode, ExitCode> {
    let Arguments { message, url } = arguments;
    let (settings, _) = message.configuration.load(format)?;
    let line = line(&settings, &message, url).map_err(|error| output::failed(&error))?;
    Ok(output::out(&format!("{line}\n")))
}

fn line(settings: &Settings, message: &Message, url: Option<String>) -> Result<String, String> {
    let (bot, id) = (message.bot(settings)?, &*message.bot);
    let url = match url {
        Some(url) => url,
        None => {
            let listener = settings.server.http.first().ok_or("there is no listener")?;
            format!("http://{listener}{}", bot.path.sample(id))
        }
    };
    let line = message.signed(bot, &url)?.curl();
    Ok(match derived_secret(&bot.verifier, id) {
        Some(secret) => format!("# the secret of {id}: {secret}\n{line}"),
        None => line,
    })
}

impl Message {
    /// The bot with this id, or the template that stands for it.
    pub(super) fn bot<'s>(&self, settings: &'s Settings) -> Result<&'s Bot, String> {
        let id = &self.bot;
        settings.bot(id, self.dialect.as_deref()).ok_or_else(|| {
            let known: Vec<_> = settings.bots.iter().map(Bot::label).collect();
            format!("there is no bot \"{id}\"; there is: {}", known.join(", "))
        })
    }

    /// The signed request that sends it to `url`.
    pub(super) fn signed(&self, bot: &Bot, url: &str) -> Result<Request, String> {
        let sample = &bot.dialect.test_message;
        let file = self.data.as_deref().and_then(|text| text.strip_prefix('@'));
        let body = match (&self.data, file) {
            (None, _) => sample.body_for(&self.bot, bot.name.as_deref()).into_bytes(),
            (Some(text), None) => text.as_bytes().to_vec(),
            (Some(_), Some(path)) => {
                read(Path::new(path)).map_err(|error| format!("cannot read {path}: {error}"))?
            }
        };
        let request = Request::new(sample.method, url, sample.content_type, body)?.with_file(file);
        let now = UnixTime::from_millis(clock::unix_ms().cast_signed());
        let signed = request.signed(&bot.verifier, now, &self.bot);
        signed.map_err(|error| error.to_string())
    }
}

/// The secret that callers of this id are given, where it is derived from the id and so stands in no file.
fn derived_secret(verifier: &Verifier, id: &str) -> Option<String> {
    let secret = verifier.schemes().iter().find_map(|scheme| scheme.derived_secret(id))?;
    Some(String::from_utf8_lossy(secret.expose()).into_owned())
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut body = Vec::new();
    std::fs::File::open(path)?.take(MAX_BODY).read_to_end(&mut body)?;
    Ok(body)
}
