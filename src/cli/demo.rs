//! `botgate demo`: Botgate with an embedded backend, shown at work; no file, no server, no key needed.

use super::curl::{Answer, Request};
use super::{LogFormat, log, output, run};
use crate::app::App;
use crate::clock;
use crate::config;
use crate::dialect::{self, Dialect};
use crate::signature::{Unix, Verifier};
use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt, Full, Limited};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use tokio::net::TcpListener;

/// How many requests the demo's bots admit at once.
const BURST: u64 = 4;
/// The embedded backend reads this much of a body, in bytes.
const BODY_MAX: usize = 1024 * 1024;

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
    let backend = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .map_err(|error| error.to_string())?;
    let text = configuration(backend.local_addr().map_err(|error| error.to_string())?);
    let secret = uuid::Uuid::new_v4().simple().to_string();
    let (settings, _) = config::parse(&text, Path::new("demo.toml"), &|_| Some(secret.clone()))
        .map_err(|report| report.human(false))?;
    tokio::spawn(serve_backend(backend));
    let verifiers: Vec<_> = settings
        .bots
        .iter()
        .map(|bot| (bot.path.sample(&bot.id), bot.verifier.clone()))
        .collect();
    let app = App::start(settings, format.of_log())
        .await
        .map_err(|error| error.to_string())?;
    let at = app
        .listening
        .iter()
        .find(|(name, _)| *name == "http")
        .map(|(_, at)| *at)
        .ok_or("nothing listens")?;

    let mut out = anstream::stdout();
    let mut right = true;
    let _ = writeln!(
        out,
        "botgate {} on http://{at}, an embedded backend behind it\n",
        env!("CARGO_PKG_VERSION")
    );
    let _ = writeln!(
        out,
        "{:<10} {:<34} {:>6} {:>10}  ANSWER",
        "DIALECT", "REQUEST", "STATUS", "TIME"
    );
    let mut lines = String::new();
    for (dialect, (path, verifier)) in dialects().zip(&verifiers) {
        for exchange in exchanges(dialect, &format!("http://{at}{path}"), verifier)? {
            let answer = exchange.request.send(at).await?;
            right &= answer.status == exchange.expected;
            let _ = writeln!(out, "{}", row(dialect, &exchange, &answer));
            if exchange.shown {
                let _ = writeln!(
                    lines,
                    "# {}: {}\n{}\n",
                    dialect.name,
                    exchange.title,
                    exchange.request.curl()
                );
            }
        }
    }
    let _ = writeln!(out, "\nTo repeat them:\n\n{lines}");
    let verdict = if right {
        "Every exchange was right."
    } else {
        "Something was not right: see the marks."
    };
    let _ = writeln!(out, "{verdict}");
    if !once {
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
    Ok(right)
}

/// The dialects that are shown: those whose messages the embedded backend can answer as they are.
fn dialects() -> impl Iterator<Item = &'static Dialect> {
    let all = dialect::DIALECTS.iter().copied();
    all.filter(|dialect| dialect.chat.is_none())
}

/// One bot per dialect, in the order of the table.
fn configuration(backend: SocketAddr) -> String {
    let mut text = format!(
        "[server]\nhttp = [\"127.0.0.1:0\"]\naccess_log = \"off\"\ndrain = \"2s\"\n\n\
         [upstreams.backend]\nkind = \"passthrough\"\nurl = \"http://{backend}\"\n"
    );
    for dialect in dialects() {
        let name = dialect.name;
        let _ = write!(
            text,
            "\n[bots.demo_{name}]\ndialect = \"{name}\"\npath = \"/demo/{name}\"\nupstream = \"backend\"\n\
             verify = {{ preset = \"{}\", secrets = [\"${{env:DEMO}}\"] }}\n\
             limit = {{ rate = \"1/min\", burst = {BURST} }}\n",
            dialect.preset.unwrap_or("hmac"),
        );
    }
    text
}

struct Exchange {
    title: String,
    request: Request,
    expected: u16,
    /// Whether its curl line is worth printing: one per kind.
    shown: bool,
}

/// What is sent to one dialect: a broken signature, which costs nothing, then signed requests until the limit says no.
fn exchanges(dialect: &Dialect, url: &str, verifier: &Verifier) -> Result<Vec<Exchange>, String> {
    let sample = &dialect.sample;
    let plain = Request::new(
        sample.method,
        url,
        sample.content_type,
        sample.body.as_bytes().to_vec(),
    )?;
    let signed = plain
        .signed(
            verifier,
            Unix::from_millis(clock::unix_ms().cast_signed()),
            &format!("demo_{}", dialect.name),
        )
        .map_err(|error| error.to_string())?;
    let mut broken = signed.clone();
    if let Some((_, value)) = broken.headers.last_mut() {
        let flipped = if value.ends_with('0') { "1" } else { "0" };
        value.replace_range(value.len() - 1.., flipped);
    }
    let good = |count: u64| Exchange {
        title: format!("signed ({count} of {BURST})"),
        request: signed.clone(),
        expected: 200,
        shown: count == 1,
    };
    let mut all: Vec<_> = (1..=BURST).map(good).collect();
    all.insert(
        1,
        Exchange {
            title: "broken signature".to_owned(),
            request: broken,
            expected: 401,
            shown: true,
        },
    );
    all.push(Exchange {
        title: format!("signed, over the limit of {BURST}"),
        request: signed,
        expected: 429,
        shown: false,
    });
    Ok(all)
}

fn row(dialect: &Dialect, exchange: &Exchange, answer: &Answer) -> String {
    let colour = match answer.status {
        200..300 => anstyle::AnsiColor::Green,
        400..500 => anstyle::AnsiColor::Yellow,
        _ => anstyle::AnsiColor::Red,
    };
    let style = anstyle::Style::new().fg_color(Some(colour.into()));
    let mark = if answer.status == exchange.expected {
        ""
    } else {
        "  <- expected otherwise"
    };
    let body: String = answer
        .body
        .chars()
        .filter(|c| !c.is_control())
        .take(64)
        .collect();
    format!(
        "{:<10} {:<34} {style}{:>6}{style:#} {:>7.2} ms  {body}{mark}",
        dialect.name,
        exchange.title,
        answer.status,
        answer.took.as_secs_f64() * 1e3,
    )
}

/// A backend that answers with what it was told.
async fn serve_backend(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(http1::Builder::new().serve_connection(
            TokioIo::new(stream),
            service_fn(|request: http::Request<hyper::body::Incoming>| async {
                let body = Limited::new(request.into_body(), BODY_MAX).collect().await;
                let bytes = body.map(|body| body.to_bytes().len()).unwrap_or_default();
                let answer = format!(r#"{{"reply":"Hello back","bytes":{bytes}}}"#);
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(answer))))
            }),
        ));
    }
}
