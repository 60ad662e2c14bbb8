//! `botgate demo`: every dialect and every kind of upstream, with an embedded backend; no file, no server, no key needed.

pub(super) mod backend;
mod exchange;

use super::request::Answer;
use super::{LogFormat, log, output, run};
use crate::config;
use crate::server::App;
use exchange::Exchange;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use tokio::net::TcpListener;

const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(30);
/// The width of the answer's column, in characters.
const ANSWER_WIDTH: usize = 52;

/// Runs the exchanges and prints them; then keeps serving, unless it is for `once`.
pub(crate) fn demo(once: bool, format: Option<LogFormat>) -> ExitCode {
    let format = LogFormat::of_server(format);
    log::start(format);
    let shown = run::background()
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(show(once, format)));
    match shown {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => output::failed(&error),
    }
}

async fn show(once: bool, format: LogFormat) -> Result<bool, String> {
    let backend =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(|error| error.to_string())?;
    let text = exchange::configuration(backend.local_addr().map_err(|error| error.to_string())?);
    let secret = uuid::Uuid::new_v4().simple().to_string();
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (mut settings, _) = config::parse(&text, Path::new("demo.toml"), &|_| Some(secret.clone()))
        .map_err(|report| report.human(false))?;
    settings.state.path = folder.path().join("data");
    tokio::spawn(backend::serve(backend));
    let bots = settings.bots.clone();
    let app = App::start(settings, format.of_log()).await.map_err(|error| error.to_string())?;
    let at = app.http().ok_or("nothing listens")?;
    let all_expected = run_exchanges(&exchange::all(&bots, at)?, at).await?;
    if !once {
        let mut out = anstream::stdout();
        let _ = writeln!(
            out,
            "\nServing on http://{at} until Ctrl-C. Your own configuration: botgate init"
        );
        let _ = tokio::signal::ctrl_c().await;
    }
    app.stop(async {
        let _ = tokio::signal::ctrl_c().await;
    })
    .await;
    Ok(all_expected)
}

/// Sends each in turn and prints a row for it; true where all answers are as expected.
async fn run_exchanges(exchanges: &[Exchange], at: SocketAddr) -> Result<bool, String> {
    let mut out = anstream::stdout();
    let _ = writeln!(
        out,
        "botgate {} on http://{at}, an embedded backend behind it\n",
        env!("CARGO_PKG_VERSION")
    );
    let _ = writeln!(
        out,
        "{:<16} {:<11} {:<16} {:>6} {:>10}  ANSWER",
        "DIALECT", "UPSTREAM", "REQUEST", "STATUS", "TIME"
    );
    let mut all_expected = true;
    let mut lines = String::new();
    for exchange in exchanges {
        let answer = exchange.request.send(at, EXCHANGE_TIMEOUT, None).await?;
        let expected =
            answer.status == exchange.status && answer.body.contains(exchange.expected_text);
        all_expected &= expected;
        let _ = writeln!(out, "{}", row(exchange, &answer, expected));
        if exchange.shown {
            let (dialect, title, status) = (exchange.dialect, exchange.title, exchange.status);
            let line = exchange.request.curl();
            let _ = writeln!(lines, "# {dialect}, {title}: {status}\n{line}\n");
        }
    }
    let _ = writeln!(out, "\nTo repeat them:\n\n{lines}");
    let verdict = if all_expected {
        "Every exchange was right."
    } else {
        "Something was not right: see the marks."
    };
    let _ = writeln!(out, "{verdict}");
    Ok(all_expected)
}

fn row(exchange: &Exchange, answer: &Answer, expected: bool) -> String {
    let colour = match answer.status {
        200..300 => anstyle::AnsiColor::Green,
        400..500 => anstyle::AnsiColor::Yellow,
        _ => anstyle::AnsiColor::Red,
    };
    let style = anstyle::Style::new().fg_color(Some(colour.into()));
    let mark = if expected { "" } else { "  <- expected otherwise" };
    let text = excerpt(&answer.body, exchange.expected_text);
    format!(
        "{:<16} {:<11} {:<16} {style}{:>6}{style:#} {:>7.2} ms  {text}{mark}",
        exchange.dialect,
        exchange.kind,
        exchange.title,
        answer.status,
        answer.took.as_secs_f64() * 1e3,
    )
}

/// The start of an answer, or the part from `words` on where they do not fit.
fn excerpt(body: &str, words: &str) -> String {
    let line = body.replace(char::is_control, " ");
    let (before, from) = match line.find(words) {
        Some(at) if at + words.len() > ANSWER_WIDTH => ("…", at),
        _ => ("", 0),
    };
    let shown = line.get(from..).unwrap_or_default().chars();
    before.chars().chain(shown).take(ANSWER_WIDTH).collect()
}
