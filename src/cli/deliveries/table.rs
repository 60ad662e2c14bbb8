//! Deliveries for people.

use crate::cli::table::{columns, plain, text};
use serde_json::Value;
use std::fmt::Write;

/// How much of a receiver's response is shown, in characters.
const RESPONSE: usize = 200;

/// A page of them: a line each.
pub(super) fn list(page: &Value) -> String {
    let mut rows =
        vec![["ID", "STATUS", "TRIES", "BOT", "RECEIVER", "ACCEPTED", "REASON"].map(str::to_owned)];
    for item in page["items"].as_array().into_iter().flatten() {
        rows.push([
            text(&item["id"]),
            text(&item["status"]),
            text(&item["attempts"]),
            text(&item["bot"]),
            text(&item["receiver"]),
            text(&item["accepted_at"]),
            text(&item["reason"]),
        ]);
    }
    let mut out = columns(&rows);
    if rows.len() == 1 {
        out = "no deliveries\n".to_owned();
    }
    if let Some(next) = page["next"].as_str() {
        let _ = writeln!(out, "more: --cursor {}", plain(next));
    }
    out
}

/// One, with its attempts.
pub(super) fn show(item: &Value) -> String {
    let mut out = String::new();
    for key in [
        "id",
        "status",
        "reason",
        "bot",
        "dialect",
        "receiver",
        "bytes",
        "accepted_at",
        "answered_at",
        "ended_at",
        "next_attempt_at",
    ] {
        if !item[key].is_null() {
            let _ = writeln!(out, "{:<16} {}", key.replace('_', " "), text(&item[key]));
        }
    }
    let mut rows = vec![
        ["AT", "TO", "STATUS", "RESOLVE", "CONNECT", "TLS", "FIRST BYTE", "BODY", "TOTAL", "ERROR"]
            .map(str::to_owned),
    ];
    let tries = item["tries"].as_array().map_or(&[][..], Vec::as_slice);
    for tried in tries {
        let took = |phase: &str| milliseconds(&tried["took_us"][phase]);
        rows.push([
            text(&tried["at"]),
            text(&tried["to"]),
            text(&tried["status"]),
            took("resolve"),
            took("connect"),
            took("tls"),
            took("first_byte"),
            took("body"),
            took("total"),
            text(&tried["error"]),
        ]);
    }
    if rows.len() > 1 {
        let _ = write!(out, "\n{}", columns(&rows));
    }
    let last = tries.last().and_then(|tried| tried["response"].as_str());
    if let Some(said) = last.filter(|said| !said.is_empty()) {
        let cut: String = said.chars().take(RESPONSE).collect();
        let dots = if cut.len() < said.len() { " …" } else { "" };
        let _ = writeln!(out, "\nlast response: {}{dots}", plain(&cut));
    }
    match item.get("body") {
        None => {}
        Some(Value::String(body)) => {
            let _ = writeln!(out, "\nbody: {}", plain(body));
        }
        Some(_) => out += "\nbody: none yet\n",
    }
    out
}

/// Microseconds, as milliseconds; a dash where it was not come to.
fn milliseconds(value: &Value) -> String {
    match value.as_u64().unwrap_or_default() {
        0 => "-".to_owned(),
        us => format!("{}.{:03} ms", us / 1000, us % 1000),
    }
}
