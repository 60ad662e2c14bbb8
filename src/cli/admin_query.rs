//! A command that sends a running Botgate one request and prints the response, for people or for programs.

use super::admin_client::{AdminClient, Answer, Target};
use super::table::plain;
use super::{LogFormat, output};
use http::Method;
use serde_json::Value;
use std::process::ExitCode;

/// The Botgate that is asked, and how its response is printed.
#[derive(clap::Args)]
pub(super) struct AdminQuery {
    /// Print the response's JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) target: Target,
}

impl AdminQuery {
    /// Sends the request and prints the response, formatted by `table` unless as JSON. 0 for a 200, 1 for anything else.
    pub(super) fn print(
        self,
        format: Option<LogFormat>,
        method: Method,
        path: &str,
        table: impl FnOnce(&Value) -> String,
    ) -> Result<ExitCode, ExitCode> {
        let client = self.target.client(format)?;
        let value = send(&client, method, path).map_err(|error| output::failed(&error))?;
        Ok(output::out(&if self.json { format!("{value}\n") } else { table(&value) }))
    }
}

/// The API's path of one resource. The id is percent-encoded.
pub(super) fn path(collection: &str, id: &str, action: &str) -> String {
    let id: String = form_urlencoded::byte_serialize(id.as_bytes()).collect();
    format!("/api/{collection}/{id}{action}")
}

/// The JSON of a 200; the error is the admin side's own sentence.
pub(super) fn send(client: &AdminClient, method: Method, path: &str) -> Result<Value, String> {
    let Answer { status, body } = client.send(method, path)?;
    let value = serde_json::from_slice::<Value>(&body).ok();
    match (status, value) {
        (200, Some(value)) => Ok(value),
        (_, Some(value)) if value["error"].is_string() => {
            Err(plain(value["error"].as_str().unwrap_or_default()))
        }
        _ => Err(format!(
            "unexpected response with status {status}: this is no admin side of Botgate"
        )),
    }
}
