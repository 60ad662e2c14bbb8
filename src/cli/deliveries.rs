//! `botgate deliveries`: lists, shows and retries the deliveries of a running Botgate.

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
    /// List deliveries, the newest first.
    List {
        /// Only those with this status.
        #[arg(long)]
        status: Option<Status>,
        /// Only those of this bot.
        #[arg(long)]
        bot: Option<String>,
        /// Continue after this delivery: the last one of the previous page.
        #[arg(long, value_name = "ID")]
        cursor: Option<String>,
        /// The most deliveries to list.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=100))]
        limit: u16,
        #[command(flatten)]
        query: AdminQuery,
    },
    /// Show a delivery, with its attempts and the times of their phases.
    Show {
        /// The delivery's id.
        id: String,
        /// Also show the body that the receiver gets.
        #[arg(long)]
        body: bool,
        #[command(flatten)]
        query: AdminQuery,
    },
    /// Retry a dead delivery, or all of them.
    Retry {
        /// The delivery's id.
        #[arg(required_unless_present = "dead")]
        id: Option<String>,
        /// Retry all dead deliveries.
        #[arg(long, conflicts_with = "id")]
        dead: bool,
        /// Only those of this bot.
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

/// 0 for success, 1 for an error.
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
                format!("{} is retried\n", plain(&id))
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
            .map_err(|error| output::failed(&format!("{error} ({retried} were retried)")))?;
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
        format!("{retried} retried\n")
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
