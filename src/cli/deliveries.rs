//! `botgate deliveries`: what leaves later, asked of a running Botgate.

mod table;

use super::admin_query::{OutputFormat, ask, path};
use super::table::plain;
use super::{LogFormat, output};
use clap::{Subcommand, ValueEnum};
use form_urlencoded::Serializer;
use http::Method;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: Action,
}

#[derive(Subcommand)]
enum Action {
    /// List them, the newest first.
    List {
        /// Only those that stand here.
        #[arg(long)]
        status: Option<Status>,
        /// Only this bot's.
        #[arg(long)]
        bot: Option<String>,
        /// Only those before this one: the last that was listed.
        #[arg(long, value_name = "ID")]
        cursor: Option<String>,
        /// How many.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=100))]
        limit: u16,
        #[command(flatten)]
        how: OutputFormat,
    },
    /// Show one, with its attempts and how long each phase took.
    Show {
        /// Which.
        id: String,
        /// And what is delivered, as the receiver gets it.
        #[arg(long)]
        body: bool,
        #[command(flatten)]
        how: OutputFormat,
    },
    /// Take up again what was given up.
    Retry {
        /// Which.
        #[arg(required_unless_present = "dead")]
        id: Option<String>,
        /// All that are dead.
        #[arg(long, conflicts_with = "id")]
        dead: bool,
        /// Of those only this bot's.
        #[arg(long, requires = "dead")]
        bot: Option<String>,
        #[command(flatten)]
        how: OutputFormat,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Status {
    Accepted,
    Answered,
    Delivered,
    Dead,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Answered => "answered",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}

/// Asks, and prints the answer: 0, or 1 where it was no.
pub(crate) fn deliveries(arguments: Arguments, format: Option<LogFormat>) -> ExitCode {
    match arguments.what {
        Action::List { status, bot, cursor, limit, how } => {
            let target = target(
                "/api/deliveries",
                &[
                    ("status", status.map(Status::word)),
                    ("bot", bot.as_deref()),
                    ("cursor", cursor.as_deref()),
                    ("limit", Some(&limit.to_string())),
                ],
            );
            how.print(format, Method::GET, &target, table::list)
        }
        Action::Show { id, body, how } => {
            let path = path("deliveries", &id, "");
            let target = target(&path, &[("body", body.then_some("1"))]);
            how.print(format, Method::GET, &target, table::show)
        }
        Action::Retry { id: Some(id), how, .. } => {
            how.print(format, Method::POST, &path("deliveries", &id, "/retry"), |_| {
                format!("{} is taken up again\n", plain(&id))
            })
        }
        Action::Retry { bot, how, .. } => retry_all(how, format, bot.as_deref()),
    }
}

/// Takes up all that are dead, piece by piece.
fn retry_all(how: OutputFormat, format: Option<LogFormat>, bot: Option<&str>) -> ExitCode {
    let operator = match how.whom.operator(format) {
        Ok(operator) => operator,
        Err(code) => return code,
    };
    let (mut retried, mut cursor) = (0, None::<String>);
    loop {
        let target = target(
            "/api/deliveries/retry",
            &[("status", Some("dead")), ("bot", bot), ("cursor", cursor.as_deref())],
        );
        let value = match ask(&operator, Method::POST, &target) {
            Ok(value) => value,
            Err(error) => {
                return output::failed(&format!("{error} ({retried} are taken up again)"));
            }
        };
        retried += value["retried"].as_u64().unwrap_or_default();
        let next = value["next"].as_str().map(str::to_owned);
        if next.is_none() || next == cursor {
            break;
        }
        cursor = next;
    }
    output::out(&if how.json {
        format!("{{\"retried\":{retried}}}\n")
    } else {
        format!("{retried} taken up again\n")
    })
}

/// A path and its query; what has no value is left out.
fn target(path: &str, query: &[(&str, Option<&str>)]) -> String {
    let mut written = Serializer::new(String::new());
    for (name, value) in query {
        if let Some(value) = value {
            written.append_pair(name, value);
        }
    }
    match written.finish() {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}
