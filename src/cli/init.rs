//! `botgate init`: a configuration to start from.

use super::output;
use ring::rand::{SecureRandom as _, SystemRandom};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::ExitCode;
use uuid::Uuid;

const FILE: &str = "botgate.toml";
const TEMPLATE: &str = include_str!("init.toml");

/// Writes `botgate.toml`, readable by its owner alone because it holds a secret; never over another one.
pub(crate) fn init() -> ExitCode {
    let mut secret = [0; 32];
    if SystemRandom::new().fill(&mut secret).is_err() {
        return output::failed("the system gives no random numbers");
    }
    let bot = format!("bt_{}", Uuid::new_v4());
    let text = configuration(&bot, &hex::encode(secret));
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(FILE);
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
            "{FILE} is there already; move it away, or edit it and run `botgate check`"
        )),
        Err(error) => output::failed(&format!("cannot write {FILE}: {error}")),
    }
}

fn configuration(bot: &str, secret: &str) -> String {
    TEMPLATE
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
        let text = configuration("bt_d9c4b4f2-3c5e-4a0e-9a57-0f6f4f9a2c11", &"ab".repeat(32));
        let (settings, warnings) = config::parse(&text, Path::new(FILE), &|_| None).unwrap();
        assert!(warnings.is_empty(), "{}", warnings.human(false));
        assert_eq!(
            settings.bots[0].id,
            "bt_d9c4b4f2-3c5e-4a0e-9a57-0f6f4f9a2c11"
        );
        assert!(settings.bots[0].duplicates.is_some() && !settings.bots[0].limits.is_empty());
    }

    /// The lines that are comments for the user to take in must be right as well.
    #[test]
    fn what_it_suggests_is_accepted() {
        let text = configuration("bt_x", &"ab".repeat(32));
        let suggested: String = text
            .lines()
            .map(|line| line.strip_prefix("#: ").unwrap_or(line))
            .map(|line| format!("{line}\n"))
            .collect();
        assert!(suggested.len() < text.len());
        let env = |name: &str| (name == "BOTGATE_ADMIN_TOKEN").then(|| "token".to_owned());
        let (settings, _) = config::parse(&suggested, Path::new(FILE), &env)
            .unwrap_or_else(|report| panic!("{}", report.human(false)));
        assert!(settings.admin.is_some_and(|admin| admin.token.is_some()));
    }
}
