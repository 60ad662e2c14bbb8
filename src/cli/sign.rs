//! `botgate sign`: a ready curl line for a bot.

use super::request::Request;
use super::{Configuration, LogFormat, output};
use crate::clock;
use crate::codec::dialect;
use crate::config::{self, Bot, Settings};
use crate::signature::{UnixTime, Verifier};
use std::path::Path;
use std::process::ExitCode;

/// The largest body that is read from a file, in bytes.
const MAX_BODY: u64 = 64 * 1024 * 1024;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The bot's id; of a template any id that it stands for.
    pub(crate) bot: String,
    #[command(flatten)]
    pub(crate) configuration: Configuration,
    /// The dialect, where bots of several stand for this id.
    #[arg(long, value_name = "NAME")]
    pub(crate) dialect: Option<String>,
    /// The body, or @FILE; by default the dialect's test message.
    #[arg(short, long = "data", value_name = "BODY|@FILE")]
    pub(crate) data: Option<String>,
    /// Where to; by default the first listener and the bot's path.
    #[arg(long)]
    pub(crate) url: Option<String>,
}

/// Prints the curl line that sends the body to the bot, signed with its first secret, which is shown where it is derived.
pub(crate) fn sign(arguments: Arguments, format: Option<LogFormat>) -> ExitCode {
    let settings = match config::load(&arguments.configuration.path()) {
        Ok((settings, _)) => settings,
        Err(report) => return output::refused(&report, LogFormat::of_command(format)),
    };
    match line(
        &settings,
        &arguments.bot,
        arguments.dialect.as_deref(),
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
    dialect: Option<&str>,
    body: Option<&str>,
    url: Option<&str>,
) -> Result<String, String> {
    let bot = find(settings, id, dialect)?;
    let url = match url {
        Some(url) => url.to_owned(),
        None => {
            let listener = settings.server.http.first().ok_or("there is no listener")?;
            format!("http://{listener}{}", bot.path.sample(id))
        }
    };
    let line = signed(bot, id, body, &url)?.curl();
    Ok(match secret(&bot.verifier, id) {
        Some(secret) => format!("# the secret of {id}: {secret}\n{line}"),
        None => line,
    })
}

/// The bot that goes by this id, or the template that stands for it.
pub(super) fn find<'s>(
    settings: &'s Settings,
    id: &str,
    dialect: Option<&str>,
) -> Result<&'s Bot, String> {
    settings.bot(id, dialect).ok_or_else(|| {
        let known = settings.bots.iter();
        let known = known.map(|bot| format!("{}{}", bot.id, if bot.template { "*" } else { "" }));
        let known: Vec<_> = known.collect();
        format!("there is no bot \"{id}\"; there is: {}", known.join(", "))
    })
}

/// A request to this bot under this id, signed: with this body, or @FILE, or its dialect's test message.
pub(super) fn signed(
    bot: &Bot,
    id: &str,
    body: Option<&str>,
    url: &str,
) -> Result<Request, String> {
    let dialect = dialect::find(bot.dialect).ok_or("the bot's dialect is unknown")?;
    let sample = &dialect.test_message;
    let file = body.and_then(|text| text.strip_prefix('@'));
    let body = match (body, file) {
        (None, _) => sample.body_for(id, bot.name.as_deref()).into_bytes(),
        (Some(text), None) => text.as_bytes().to_vec(),
        (Some(_), Some(path)) => {
            read(Path::new(path)).map_err(|error| format!("cannot read {path}: {error}"))?
        }
    };
    let request = Request::new(sample.method, url, sample.content_type, body)?.with_file(file);
    let now = UnixTime::from_millis(clock::unix_ms().cast_signed());
    let signed = request.signed(&bot.verifier, now, id);
    signed.map_err(|error| error.to_string())
}

/// What a caller in the name of this id is given as its secret, where that is derived and so written nowhere.
fn secret(verifier: &Verifier, id: &str) -> Option<String> {
    let secret = verifier.schemes().iter().find_map(|scheme| scheme.derived_secret(id))?;
    Some(String::from_utf8_lossy(secret.expose()).into_owned())
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut body = Vec::new();
    std::fs::File::open(path)?.take(MAX_BODY).read_to_end(&mut body)?;
    Ok(body)
}
