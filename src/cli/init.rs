//! `botgate init`: a configuration to start from.

use super::output;
use crate::codec::dialect::{self, DIALECTS, Dialect};
use clap::builder::PossibleValuesParser;
use ring::rand::{SecureRandom as _, SystemRandom};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::ExitCode;
use uuid::Uuid;

const FILE: &str = "botgate.toml";
/// For a bot whose bytes are handed on.
const RAW: &str = include_str!("init.toml");
/// Upstream and bot of every other dialect; what stands before them is the same.
const CHAT: &str = include_str!("chat.toml");

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The dialect of the bot's callers.
    #[arg(long, value_name = "NAME", default_value = "raw",
        value_parser = PossibleValuesParser::new(DIALECTS.iter().map(|dialect| dialect.name)))]
    dialect: String,
}

/// Writes `botgate.toml`, readable by its owner alone because it holds a secret; never over another one.
pub(crate) fn init(arguments: &Arguments) -> ExitCode {
    let Some(dialect) = dialect::find(&arguments.dialect) else {
        return output::failed("there is no such dialect");
    };
    let mut secret = [0; 32];
    if SystemRandom::new().fill(&mut secret).is_err() {
        return output::failed("the system's random number generator failed");
    }
    let bot = format!("bt_{}", Uuid::new_v4());
    let text = configuration(dialect, &bot, &hex::encode(secret));
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(FILE);
    match file.and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => output::out(&format!(
            "wrote {FILE}, which only you can read: it holds the bot's secret\n\
             \n\
             next:\n  \
             1. set `url` under [upstreams.backend] to your backend's address\n  \
             2. botgate check\n  \
             3. botgate run\n  \
             4. botgate sign {bot}   # prints a signed curl line\n"
        )),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => output::failed(&format!(
            "{FILE} already exists; move it away, or edit it and run `botgate check`"
        )),
        Err(error) => output::failed(&format!("cannot write {FILE}: {error}")),
    }
}

fn configuration(dialect: &Dialect, bot: &str, secret: &str) -> String {
    let mut text = RAW.to_owned();
    if let Some(chat) = dialect.chat {
        text.truncate(RAW.find("[upstreams.backend]").unwrap_or(RAW.len()));
        text.push_str(CHAT);
        if chat.answers_later() {
            text.push_str(
                "reply = { mode = \"sync\" }               # the answer is the response\n",
            );
        }
        if chat.keeps_history() {
            text.push_str("conversation = { ttl = \"24h\", window = 20 }   # how long it is remembered, how much is sent along\n");
        }
    }
    text.replace("DIALECT", dialect.name)
        .replace("PRESET", dialect.preset.unwrap_or("hmac"))
        .replace("BOT_ID", bot)
        .replace("FRESH_SECRET", secret)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use std::path::Path;

    #[test]
    fn what_it_writes_is_accepted_without_a_warning() {
        let id = "bt_d9c4b4f2-3c5e-4a0e-9a57-0f6f4f9a2c11";
        for dialect in DIALECTS {
            let text = configuration(dialect, id, &"ab".repeat(32));
            let (settings, warnings) = config::parse(&text, Path::new(FILE), &|_| None)
                .unwrap_or_else(|report| panic!("{}", report.human(false)));
            assert!(warnings.is_empty(), "{}", warnings.human(false));
            let bot = &settings.bots[0];
            assert_eq!((&*bot.id, bot.dialect.name), (id, dialect.name));
            assert!(!bot.rules.all().is_empty());
            assert_eq!(bot.duplicates.is_some(), dialect.chat.is_none());
        }
    }

    /// The lines that are comments for the user to take in must be right as well.
    #[test]
    fn what_it_suggests_is_accepted() {
        for dialect in DIALECTS {
            let text = configuration(dialect, "bt_x", &"ab".repeat(32));
            let suggested: String = text
                .lines()
                .map(|line| line.strip_prefix("#: ").unwrap_or(line))
                .map(|line| format!("{line}\n"))
                .collect();
            assert!(suggested.len() < text.len());
            let env = |name: &str| {
                let known = ["BOTGATE_ADMIN_TOKEN", "OPENAI_API_KEY"];
                known.contains(&name).then(|| "token".to_owned())
            };
            let (settings, _) = config::parse(&suggested, Path::new(FILE), &env)
                .unwrap_or_else(|report| panic!("{}", report.human(false)));
            assert!(settings.admin.is_some_and(|admin| admin.token.is_some()));
        }
    }
}
