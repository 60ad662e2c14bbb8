//! `botgate bots`: which bots there are, switching them off and on, and testing their callbacks; asked of a running Botgate.

use super::LogFormat;
use super::admin_query::{OutputFormat, path};
use super::table::{columns, plain, text};
use clap::Subcommand;
use http::Method;
use serde_json::Value;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: Action,
}

#[derive(Subcommand)]
enum Action {
    /// List them, in the order of the configuration.
    List {
        #[command(flatten)]
        how: OutputFormat,
    },
    /// Switch one on.
    Activate(Selector),
    /// Switch one off: from then on it is as one that is not there.
    Deactivate(Selector),
    /// Send the receiver of its callback a test.
    Test(Selector),
}

#[derive(clap::Args)]
struct Selector {
    /// Its id, or one that a template stands for; a template goes by its own, with the * at its end.
    id: String,
    #[command(flatten)]
    how: OutputFormat,
}

/// Asks, and prints the answer: 0, or 1 where it was no.
pub(crate) fn bots(arguments: Arguments, format: Option<LogFormat>) -> ExitCode {
    let (Selector { id, how }, end) = match arguments.what {
        Action::List { how } => return how.print(format, Method::GET, "/api/bots", list),
        Action::Activate(which) => (which, "/activate"),
        Action::Deactivate(which) => (which, "/deactivate"),
        Action::Test(which) => (which, "/test"),
    };
    how.print(format, Method::POST, &path("bots", &id, end), |said| {
        if end == "/test" {
            return format!("on its way: botgate deliveries show {}\n", text(&said["delivery"]));
        }
        switched(&id, said)
    })
}

fn list(page: &Value) -> String {
    let keys = ["id", "status", "dialect", "path", "name"];
    let mut rows = vec![["ID", "STATUS", "DIALECT", "PATH", "NAME"].map(str::to_owned)];
    let items = page["items"].as_array().into_iter().flatten();
    rows.extend(items.map(|item| keys.map(|key| text(&item[key]))));
    columns(&rows)
}

fn switched(id: &str, said: &Value) -> String {
    let (status, url) = (text(&said["status"]), text(&said["webhook_url"]));
    let mut out = format!("{} is {status}: {url}\n", plain(id));
    for warning in said["warnings"].as_array().into_iter().flatten() {
        out += &format!("warning: {}\n", text(warning));
    }
    out
}
