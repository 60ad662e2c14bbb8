//! `botgate deliveries`: what leaves later, asked of a running Botgate.

mod table;

use super::admin_query::{AdminQuery, path, send};
use super::table::plain;
use super::{LogFormat, output};
use clap::{Subcommand, ValueEnum};
use form_urlencoded::Serializer;
use http::Method;
use std::process::ExitCode;

#[derive(Subcommand)]
pub(crate) enum Action {
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
        query: AdminQuery,
    },
    /// Show one, with its attempts and how long each phase took.
    Show {
        /// Which.
        id: String,
        /// And what is delivered, as the receiver gets it.
        #[arg(long)]
        body: bool,
        #[command(flatten)]
        query: AdminQuery,
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
        query: AdminQuery,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Status {
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
pub(crate) fn deliveries(action: Action, format: Option<LogFormat>) -> Result<ExitCode, ExitCode> {
    match action {
        Action::List { status, bot, cursor, limit, query } => {
            let target = target(
                "/api/deliveries",
                &[
                    ("status", status.map(Status::word)),
                    ("bot", bot.as_deref()),
                    ("cursor", cursor.as_deref()),
                    ("limit", Some(&limit.to_string())),
                ],
            );
            query.print(format, Method::GET, &target, table::list)
        }
        Action::Show { id, body, query } => {
            let target = target(&path("deliveries", &id, ""), &[("body", body.then_some("1"))]);
            query.print(format, Method::GET, &target, table::show)
        }
        Action::Retry { id: Some(id), query, .. } => {
            query.print(format, Method::POST, &path("deliveries", &id, "/retry"), |_| {
                format!("{} is taken up again\n", plain(&id))
            })
        }
        Action::Retry { bot, query, .. } => retry_all(query, format, bot.as_deref()),
    }
}

/// Retries all that are dead, batch by batch.
fn retry_all(
    query: AdminQuery,
    format: Option<LogFormat>,
    bot: Option<&str>,
) -> Result<ExitCode, ExitCode> {
    let client = query.target.client(format)?;
    let (mut retried, mut cursor) = (0, None::<String>);
    loop {
        let target = target(
            "/api/deliveries/retry",
            &[("status", Some("dead")), ("bot", bot), ("cursor", cursor.as_deref())],
        );
        let value = send(&client, Method::POST, &target)
            .map_err(|error| output::failed(&format!("{error} ({retried} are taken up again)")))?;
        retried += value["retried"].as_u64().unwrap_or_default();
        let next = value["next"].as_str().map(str::to_owned);
        if next.is_none() || next == cursor {
            break;
        }
        cursor = next;
    }
    Ok(output::out(&if query.json {
        format!("{{\"retried\":{retried}}}\n")
    } else {
        format!("{retried} taken up again\n")
    }))
}

/// A path and its query; what has no value is left out.
fn target(path: &str, parameters: &[(&str, Option<&str>)]) -> String {
    let mut encoded = Serializer::new(String::new());
    for (name, value) in parameters {
        if let Some(value) = value {
            encoded.append_pair(name, value);
        }
    }
    match encoded.finish() {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}
