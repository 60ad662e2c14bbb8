//! A command that asks a running Botgate one thing, and prints the answer for people or for programs.

use super::admin_client::{Answer, Operator, Target};
use super::table::plain;
use super::{LogFormat, output};
use http::Method;
use serde_json::Value;
use std::process::ExitCode;

/// Whom it asks, and for whom it prints.
#[derive(clap::Args)]
pub(super) struct OutputFormat {
    /// Print what the admin side answered, for programs.
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) whom: Target,
}

impl OutputFormat {
    /// Asks, and prints the answer, for people as `table` has it: 0, or 1 where it was no.
    pub(super) fn print(
        self,
        format: Option<LogFormat>,
        method: Method,
        target: &str,
        table: impl FnOnce(&Value) -> String,
    ) -> ExitCode {
        let operator = match self.whom.operator(format) {
            Ok(operator) => operator,
            Err(code) => return code,
        };
        match ask(&operator, method, target) {
            Err(error) => output::failed(&error),
            Ok(value) if self.json => output::out(&format!("{value}\n")),
            Ok(value) => output::out(&table(&value)),
        }
    }
}

/// The path of one of these, whatever its id was said to be.
pub(super) fn path(these: &str, id: &str, end: &str) -> String {
    let id: String = form_urlencoded::byte_serialize(id.as_bytes()).collect();
    format!("/api/{these}/{id}{end}")
}

/// What the admin side answers with; the error is its own sentence.
pub(super) fn ask(operator: &Operator, method: Method, target: &str) -> Result<Value, String> {
    let Answer { status, body } = operator.ask(method, target)?;
    let value = serde_json::from_slice::<Value>(&body).ok();
    match (status, value) {
        (200, Some(value)) => Ok(value),
        (_, Some(value)) if value["error"].is_string() => {
            Err(plain(value["error"].as_str().unwrap_or_default()))
        }
        _ => Err(format!("it answered {status}, and not as Botgate's admin side does")),
    }
}
