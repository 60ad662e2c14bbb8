//! The steps of a test as they are printed: when, how long since the previous one, who, what.

use super::advice::advice;
use crate::cli::request::Answer;
use crate::config::Settings;
use crate::proxy::bot::{Bot, Upstream};
use crate::telemetry::observer::{Observation, Step};
use anstyle::{AnsiColor, Style};
use std::io::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

struct Failure {
    upstream: String,
    /// The reason in logs and metrics.
    word: &'static str,
    /// The body of its response, if any.
    response: Option<String>,
}

/// Prints steps as they come and collects the failures.
pub(super) struct Steps {
    start: Instant,
    last: Instant,
    /// The upstream whose name was resolved last.
    resolved: String,
    response: Option<String>,
    /// The error of the previous step, if it failed.
    why: String,
    failures: Vec<Failure>,
}

impl Steps {
    pub(super) fn new(start: Instant) -> Self {
        Self {
            start,
            last: start,
            resolved: String::new(),
            response: None,
            why: String::new(),
            failures: Vec::new(),
        }
    }

    pub(super) fn title(&self, bot: &Bot, id: &str, settings: &Settings) {
        let named = |index: usize| {
            let upstream = settings.upstreams.get(index)?;
            Some(format!("{} ({})", upstream.name, upstream.kind()))
        };
        let upstreams: Vec<_> = bot.upstreams().filter_map(named).collect();
        let asked = match upstreams.as_slice() {
            [] => "only acknowledges".to_owned(),
            names => format!("asks {}", names.join(", ")),
        };
        print(&format!("bot {id}: speaks {}, {asked}\n\n", bot.dialect.name));
        print(&format!("{:>11} {:>11}  WHO\n", "AT", "TOOK"));
    }

    /// A step of Botgate's own.
    pub(super) fn own(&mut self, what: &str) {
        self.row(Instant::now(), "botgate", what);
    }

    /// A step that the observer reports.
    pub(super) fn observed(&mut self, observation: Observation) {
        let before = std::mem::take(&mut self.why);
        let what = match observation.step {
            Step::Resolved(addresses) => {
                observation.upstream.as_ref().clone_into(&mut self.resolved);
                format!("is at {}", list(&addresses))
            }
            Step::Connected(Some(address)) => format!("is connected: {address}"),
            Step::Connected(None) => "is connected".to_owned(),
            Step::TlsEstablished => "has shown its certificate, TLS is up".to_owned(),
            Step::RequestStarted(length) => {
                self.response = None;
                format!("is asked, in {length} bytes with the head")
            }
            Step::ResponseStarted(status) | Step::StreamStarted(status) => {
                format!("begins to answer: {}", painted(status))
            }
            Step::ResponseEnded => "has answered".to_owned(),
            Step::AiResponse(text) => {
                self.response = Some(text);
                return;
            }
            Step::Failed { word, why } => {
                self.fail(&observation.upstream, word);
                // The last attempt's failure is reported a second time, as the whole request's.
                self.why.clone_from(&why);
                if why == before {
                    return;
                }
                format!("failed: {}", plain(&why, why.len()))
            }
        };
        let who = match &*observation.upstream {
            "" => "botgate",
            name => name,
        };
        self.row(observation.at, who, &what);
    }

    /// Collects a failure, each kind once per upstream.
    fn fail(&mut self, upstream: &str, word: &'static str) {
        // A name that does not resolve needs another advice than an address that refuses.
        let word = match word {
            "unreachable" if self.resolved != upstream => "unresolved",
            word => word,
        };
        let known = |failure: &Failure| failure.upstream == upstream && failure.word == word;
        let response = self.response.take();
        if !self.failures.iter().any(known) {
            self.failures.push(Failure { upstream: upstream.to_owned(), word, response });
        }
    }

    /// The answer as the caller gets it, at most `shown` bytes of it.
    pub(super) fn answered(&mut self, answer: &Answer, shown: usize) {
        let status = painted(answer.status);
        let (kind, length) = (plain(&answer.content_type, shown), answer.body.len());
        let what = format!("answers {status}, {kind}, {length} bytes, in {}", ms(answer.took));
        self.own(&what);
        print(&format!("\n{}\n", plain(&answer.body, shown)));
    }

    /// The responses of failed upstreams, and what helps.
    pub(super) fn explain(&self, upstreams: &[Upstream]) {
        for failure in &self.failures {
            let upstream = upstreams.iter().find(|it| *it.name == *failure.upstream);
            if let Some(said) = failure.response.as_deref().filter(|said| !said.is_empty()) {
                let said = masked(said, upstream);
                print(&format!("\n{} said:\n{}\n", failure.upstream, plain(&said, said.len())));
            }
            if let Some(advice) = advice(failure.word, &failure.upstream) {
                print(&format!("\nhelp: {advice}\n"));
            }
        }
    }

    fn row(&mut self, at: Instant, who: &str, what: &str) {
        let since = at.saturating_duration_since(self.start);
        let took = at.saturating_duration_since(self.last);
        self.last = self.last.max(at);
        print(&format!("{:>11} {:>11}  {who} {what}\n", ms(since), ms(took)));
    }
}

fn print(text: &str) {
    // A reader that has gone away is no failure of ours.
    let _ = anstream::stdout().write_all(text.as_bytes());
}

fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

fn list(addresses: &[SocketAddr]) -> String {
    let first: Vec<_> = addresses.iter().take(2).map(ToString::to_string).collect();
    match addresses.len().saturating_sub(first.len()) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

fn painted(status: u16) -> String {
    let colour = match status {
        200..300 => AnsiColor::Green,
        400..500 => AnsiColor::Yellow,
        _ => AnsiColor::Red,
    };
    let style = Style::new().fg_color(Some(colour.into()));
    format!("{style}{status}{style:#}")
}

/// The start of a text that others wrote, without control characters.
fn plain(text: &str, most: usize) -> String {
    let front = text.get(..text.floor_char_boundary(most)).unwrap_or(text);
    let replace_control = |c: char| {
        if c.is_control() && c != '\n' { '\u{fffd}' } else { c }
    };
    let mut shown: String = front.trim_end().chars().map(replace_control).collect();
    if front.len() < text.len() {
        shown += &format!("\n… {} bytes more", text.len() - front.len());
    }
    shown
}

/// The same without the key, should the upstream echo it.
fn masked(said: &str, upstream: Option<&Upstream>) -> String {
    let key = upstream.and_then(|upstream| upstream.ai.as_ref()?.key.as_ref());
    let key = key.map(|key| String::from_utf8_lossy(key.expose()));
    match key {
        Some(key) if !key.is_empty() => said.replace(&*key, "***"),
        _ => said.to_owned(),
    }
}
