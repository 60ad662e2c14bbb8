//! `botgate bots`: which bots there are, switching them off and on, and testing their callbacks; asked of a running Botgate.

use super::LogFormat;
use super::admin_query::{AdminQuery, path};
use super::table::{columns, plain, text};
use clap::Subcommand;
use http::Method;
use serde_json::Value;
use std::process::ExitCode;

#[derive(Subcommand)]
pub(crate) enum Action {
    /// List the bots, in the order of the configuration.
    List(AdminQuery),
    /// Switch a bot on.
    Activate(Selector),
    /// Switch a bot off: callers get the same answers as for an unknown bot.
    Deactivate(Selector),
    /// Send a test event to a bot's callback.
    Test(Selector),
}

#[derive(clap::Args)]
pub(crate) struct Selector {
    /// The bot's id, an id that a template stands for, or a template's own id with its *.
    id: String,
    #[command(flatten)]
    query: AdminQuery,
}

/// 0 for success, 1 for an error.
pub(crate) fn bots(action: Action, format: Option<LogFormat>) -> Result<ExitCode, ExitCode> {
    let (Selector { id, query }, action) = match action {
        Action::List(query) => return query.print(format, Method::GET, "/api/bots", list),
        Action::Activate(bot) => (bot, "/activate"),
        Action::Deactivate(bot) => (bot, "/deactivate"),
        Action::Test(bot) => (bot, "/test"),
    };
    query.print(format, Method::POST, &path("bots", &id, action), |response| match action {
        "/test" => {
            format!("on its way: botgate deliveries show {}\n", text(&response["delivery"]))
        }
        _ => switched(&id, response),
    })
}

fn list(page: &Value) -> String {
    let keys = ["id", "status", "dialect", "path", "name"];
    let mut rows = vec![["ID", "STATUS", "DIALECT", "PATH", "NAME"].map(str::to_owned)];
    let items = page["items"].as_array().into_iter().flatten();
    rows.extend(items.map(|item| keys.map(|key| text(&item[key]))));
    columns(&rows)
}

fn switched(id: &str, bot: &Value) -> String {
    let (status, url) = (text(&bot["status"]), text(&bot["webhook_url"]));
    let mut out = format!("{} is {status}: {url}\n", plain(id));
    for warning in bot["warnings"].as_array().into_iter().flatten() {
        out += &format!("warning: {}\n", text(warning));
    }
    out
}
