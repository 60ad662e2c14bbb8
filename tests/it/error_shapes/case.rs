//! The refusals that one message provokes, as `tests/fixtures/refusals.json` has them: what the bot and its AI are like, what is
//! sent, what is told.

use super::dialect::Dialect;
use crate::harness::{After, Backend, TIMEOUT, ai, backend::Connection};
use serde::Deserialize;
use serde_json::Value;

/// One refusal.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub name: String,
    /// Lines of the bot's table.
    #[serde(default)]
    bot: String,
    /// Lines of its upstream's table.
    #[serde(default)]
    upstream: String,
    /// Nobody listens where the upstream is said to be.
    #[serde(default)]
    away: bool,
    /// What the AI answers.
    #[serde(default)]
    ai: Ai,
    /// How often the bot is asked before.
    #[serde(default)]
    pub before: usize,
    /// Further header lines of the message.
    #[serde(default)]
    headers: String,
    /// Who sends it.
    user: Option<String>,
    /// It lacks all but the bot's name.
    #[serde(default)]
    bare: bool,
    /// Its body, instead of the dialect's own.
    body: Option<Value>,
    /// Status, code and the reason in the log.
    pub told: (u16, String, String),
    /// A header field that the answer must have.
    pub head: Option<(String, String)>,
}

/// What an AI does; without a word it answers well.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ai {
    status: Option<String>,
    #[serde(default)]
    headers: String,
    body: Option<Value>,
    #[serde(default)]
    hangs_up: bool,
    #[serde(default)]
    silent: bool,
}

/// All of them.
pub(super) fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("../../fixtures/refusals.json")).unwrap()
}

impl Case {
    /// The tables of a bot of this dialect that is called `case-N`, and of its upstream.
    pub(super) fn tables(&self, nth: usize, dialect: &Dialect, ai: &Backend) -> String {
        let addr = match self.away {
            // Nothing listens on the port of discarded datagrams.
            true => "127.0.0.1:9".to_owned(),
            false => ai.addr().to_string(),
        };
        let upstream = ai::upstream(
            &format!("to-{nth}"),
            "openai",
            &format!("http://{addr}/{nth}/v1"),
            &format!(
                "retries = 0\nmax_tokens = 1000\nprice = {{ input = 100000, output = 100000 }}\n{}",
                self.upstream
            ),
        );
        let limit = match self.bot.contains("limit") {
            true => "",
            false => "limit = { rate = \"1000/s\", burst = 1000 }\n",
        };
        let lines = format!("upstream = \"to-{nth}\"\n{limit}{}", self.bot);
        upstream + &dialect.bot(&format!("case-{nth}"), &lines)
    }

    /// The message that it is told to.
    pub(super) fn request(&self, nth: usize, dialect: &Dialect) -> Vec<u8> {
        let bot = format!("case-{nth}");
        let body = match &self.body {
            Some(Value::String(text)) => text.clone(),
            Some(body) => body.to_string(),
            None if self.bare => dialect.bare(&bot),
            None => dialect.body(&bot, self.user.as_deref().unwrap_or("one")),
        };
        dialect.request(&bot, &self.headers, &body)
    }

    /// What its AI does.
    pub(super) fn play(&self, connection: &mut Connection<'_>) -> After {
        if self.ai.silent {
            connection.closed_within(TIMEOUT);
        }
        if self.ai.silent || self.ai.hangs_up {
            return After::Close;
        }
        if self.ai.status.is_none() && self.ai.body.is_none() {
            return ai::reply(connection, &ai::answer("openai", "fine", 1, 1));
        }
        let body = match &self.ai.body {
            Some(Value::String(text)) => text.clone(),
            Some(body) => body.to_string(),
            None => String::new(),
        };
        connection.answer(
            self.ai.status.as_deref().unwrap_or("200 OK"),
            &format!("Content-Type: application/json\r\n{}", self.ai.headers),
            body.as_bytes(),
        )
    }
}
