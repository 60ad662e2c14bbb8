//! The steps of a test as they are printed: when, how long since the one before, whose, what.

use super::advice::advice;
use crate::cli::request::Answer;
use crate::config::{Bot, Settings, Upstream};
use crate::telemetry::observer::{Observation, Step};
use anstyle::{AnsiColor, Style};
use std::io::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What went wrong with an upstream.
struct Failure {
    upstream: String,
    /// The word for it in logs and metrics.
    word: &'static str,
    /// What it said, where it said something.
    said: Option<String>,
}

/// Prints steps as they come and remembers what went wrong.
pub(super) struct Steps {
    start: Instant,
    last: Instant,
    /// The upstream that was last found by its name.
    found: String,
    said: Option<String>,
    /// Why it failed, where the step before was a failure.
    why: String,
    failures: Vec<Failure>,
}

impl Steps {
    pub(super) fn new(start: Instant) -> Self {
        Self {
            start,
            last: start,
            found: String::new(),
            said: None,
            why: String::new(),
            failures: Vec::new(),
        }
    }

    /// What is tested.
    pub(super) fn title(&self, bot: &Bot, id: &str, settings: &Settings) {
        let named = |index: &usize| {
            let upstream = settings.upstreams.get(*index)?;
            Some(format!("{} ({})", upstream.name, upstream.kind))
        };
        let arms = bot.upstreams.iter().map(|(index, _)| index);
        let upstreams: Vec<_> = arms.chain(&bot.fallback).filter_map(named).collect();
        let asked = match upstreams.as_slice() {
            [] => "only acknowledges".to_owned(),
            names => format!("asks {}", names.join(", ")),
        };
        print(&format!("bot {id}: speaks {}, {asked}\n\n", bot.dialect));
        print(&format!("{:>11} {:>11}  WHO\n", "AT", "TOOK"));
    }

    /// A step of Botgate's own.
    pub(super) fn own(&mut self, what: &str) {
        self.row(Instant::now(), "botgate", what);
    }

    /// A step that the witness has seen.
    pub(super) fn seen(&mut self, seen: Observation) {
        let before = std::mem::take(&mut self.why);
        let what = match seen.step {
            Step::Found(addresses) => {
                seen.upstream.as_ref().clone_into(&mut self.found);
                format!("is at {}", list(&addresses))
            }
            Step::Connected(Some(address)) => format!("is connected: {address}"),
            Step::Connected(None) => "is connected".to_owned(),
            Step::Secured => "has shown its certificate, TLS is up".to_owned(),
            Step::Asked(length) => {
                self.said = None;
                format!("is asked, in {length} bytes with the head")
            }
            Step::Began(status) | Step::Heard(status) => {
                format!("begins to answer: {}", painted(status))
            }
            Step::Ended => "has answered".to_owned(),
            Step::Said(text) => {
                self.said = Some(text);
                return;
            }
            Step::Failed { word, why } => {
                self.fail(&seen.upstream, word);
                // The last attempt's failure is the whole request's, too, and told once more.
                self.why.clone_from(&why);
                if why == before {
                    return;
                }
                format!("failed: {}", plain(&why, why.len()))
            }
        };
        let who = match &*seen.upstream {
            "" => "botgate",
            name => name,
        };
        self.row(seen.at, who, &what);
    }

    /// Notes a failure, each kind of it once.
    fn fail(&mut self, upstream: &str, word: &'static str) {
        // What was found and cannot be connected to is another matter than what cannot be found.
        let word = match word {
            "unreachable" if self.found != upstream => "unresolved",
            word => word,
        };
        let known = |failure: &Failure| failure.upstream == upstream && failure.word == word;
        let said = self.said.take();
        if !self.failures.iter().any(known) {
            self.failures.push(Failure { upstream: upstream.to_owned(), word, said });
        }
    }

    /// The answer as a caller gets it, `shown` bytes of it at most.
    pub(super) fn answered(&mut self, answer: &Answer, shown: usize) {
        let status = painted(answer.status);
        let (kind, length) = (plain(&answer.kind, shown), answer.body.len());
        let what = format!("answers {status}, {kind}, {length} bytes, in {}", ms(answer.took));
        self.own(&what);
        print(&format!("\n{}\n", plain(&answer.body, shown)));
    }

    /// What the failed upstreams said, and what may be done.
    pub(super) fn explain(&self, upstreams: &[Upstream]) {
        for failure in &self.failures {
            let upstream = upstreams.iter().find(|it| it.name == failure.upstream);
            if let Some(said) = failure.said.as_deref().filter(|said| !said.is_empty()) {
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

/// The first addresses, and how many more there are.
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

/// The front of a text that somebody else wrote: a terminal obeys nothing in it.
fn plain(text: &str, most: usize) -> String {
    let front = text.get(..text.floor_char_boundary(most)).unwrap_or(text);
    let tame = |c: char| {
        if c.is_control() && c != '\n' { '\u{fffd}' } else { c }
    };
    let mut shown: String = front.trim_end().chars().map(tame).collect();
    if front.len() < text.len() {
        shown += &format!("\n… {} bytes more", text.len() - front.len());
    }
    shown
}

/// The same without the key, should the upstream say it back.
fn masked(said: &str, upstream: Option<&Upstream>) -> String {
    let key = upstream.and_then(|upstream| upstream.key.as_ref());
    let key = key.map(|key| String::from_utf8_lossy(key.expose()));
    match key {
        Some(key) if !key.is_empty() => said.replace(&*key, "***"),
        _ => said.to_owned(),
    }
}
