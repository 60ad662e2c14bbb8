//! The blocks of a page, read: configurations, requests, responses, and the exchanges that they make up.

use serde_json::Value;

/// Where the callers of all pages send to.
const BOTS: &str = "https://bots.example";

/// A request or a response as a page shows it.
#[derive(Clone, Debug)]
pub(super) struct Http {
    /// The URL of a request, the status and its phrase of a response.
    pub first: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// One message, from the caller to its answer.
#[derive(Debug)]
pub(super) struct Exchange {
    /// The page's latest configuration.
    pub config: String,
    /// The caller's request: its URL is a path.
    pub asked: Http,
    /// What the AI gets and answers, where it is asked.
    pub ai: Option<(Http, Http)>,
    /// What the caller gets.
    pub told: Http,
    /// What the receiver is sent, where the answer comes later.
    pub delivered: Option<Http>,
}

enum Block {
    Caller(Http),
    ToAi(Http),
    Response(Http),
}

fn read(block: &str) -> Block {
    let (head, body) = block.split_once("\n\n").unwrap_or((block, ""));
    let mut lines = head.lines();
    let first = lines.next().unwrap();
    let headers = lines.map(|line| {
        let (name, value) = line
            .split_once(": ")
            .unwrap_or_else(|| panic!("not a header field: {line:?} in\n{block}"));
        (name.to_owned(), value.to_owned())
    });
    let http = |first: &str| Http {
        first: first.to_owned(),
        headers: headers.collect(),
        body: body.trim_end().to_owned(),
    };
    if let Some(status) = first.strip_prefix("HTTP/1.1 ") {
        return Block::Response(http(status));
    }
    let url = first
        .strip_prefix("POST ")
        .unwrap_or_else(|| panic!("neither a POST nor a response: {first}"));
    match url.strip_prefix(BOTS) {
        Some(path) => Block::Caller(http(path)),
        None => Block::ToAi(http(url)),
    }
}

/// Every exchange of a page.
pub(super) fn exchanges(blocks: &[(String, String)]) -> Vec<Exchange> {
    let mut reading = Reading::default();
    for (language, text) in blocks {
        match language.as_str() {
            "toml" => {
                reading.repeat();
                reading.config = Some(text.clone());
            }
            "http" => reading.take(read(text)),
            _ => {}
        }
    }
    reading.repeat();
    reading.all
}

/// What has been read of a page.
#[derive(Default)]
struct Reading {
    all: Vec<Exchange>,
    config: Option<String>,
    asked: Option<Http>,
    to_ai: Option<Http>,
    from_ai: Option<Http>,
    told: Option<Http>,
}

impl Reading {
    fn take(&mut self, block: Block) {
        match block {
            Block::Caller(request) => {
                self.repeat();
                self.asked = Some(request);
            }
            Block::ToAi(request) if self.comes_later() => {
                let exchange = self.all.last_mut();
                exchange.expect("a 202").delivered = Some(request);
                self.told = None;
            }
            Block::ToAi(request) => {
                self.repeat();
                self.to_ai = Some(request);
            }
            Block::Response(response) if self.to_ai.is_some() && self.from_ai.is_none() => {
                self.from_ai = Some(response);
            }
            Block::Response(response) => {
                self.told = Some(response);
                self.add();
            }
        }
    }

    /// The caller was only told that the answer comes later.
    fn comes_later(&self) -> bool {
        let told = self.told.as_ref();
        told.is_some_and(|told| told.first.starts_with("202"))
    }

    /// An exchange with the AI that no answer to the caller followed: the answer is the last one's.
    fn repeat(&mut self) {
        if self.from_ai.is_some() {
            self.add();
        }
        assert!(self.to_ai.is_none(), "the AI answers nothing to a request");
    }

    fn add(&mut self) {
        self.all.push(Exchange {
            config: self.config.clone().expect("no configuration before"),
            asked: self.asked.clone().expect("no caller's request before"),
            ai: self.to_ai.take().zip(self.from_ai.take()),
            told: self.told.clone().expect("no answer to the caller"),
            delivered: None,
        });
    }
}

/// Asserts that a text is as a page shows it, `…` standing for any text.
#[track_caller]
pub(super) fn same_text(shown: &str, real: &str, at: &str) {
    let mut rest = real;
    let mut parts = shown.split('…').peekable();
    let first = parts.next().unwrap();
    let mut fits = match rest.strip_prefix(first) {
        Some(after) => {
            rest = after;
            true
        }
        None => false,
    };
    while let Some(part) = parts.next() {
        let place = match parts.peek() {
            None => rest.ends_with(part).then(|| rest.len() - part.len()),
            Some(_) => rest.find(part),
        };
        fits &= place.is_some();
        rest = &rest[place.map_or(rest.len(), |place| place + part.len())..];
    }
    assert!(fits && rest.is_empty(), "{at}\nthe page: {shown}\nthe fact: {real}");
}

/// The numbers that are no two times the same.
const VARYING: [&str; 1] = ["latency_ms"];

/// Asserts that a JSON value is as a page shows it, in any order of the keys.
#[track_caller]
pub(super) fn same_json(shown: &Value, real: &Value, at: &str) {
    match (shown, real) {
        (Value::String(shown), Value::String(real)) => same_text(shown, real, at),
        (Value::Array(shown), Value::Array(real)) if shown.len() == real.len() => {
            for (nth, (shown, real)) in shown.iter().zip(real).enumerate() {
                same_json(shown, real, &format!("{at}[{nth}]"));
            }
        }
        (Value::Object(shown), Value::Object(real)) if shown.len() == real.len() => {
            for (key, shown) in shown {
                let real = real.get(key).unwrap_or(&Value::Null);
                if VARYING.contains(&key.as_str()) {
                    assert!(shown.is_u64() && real.is_u64(), "{at}.{key}: {real}");
                } else {
                    same_json(shown, real, &format!("{at}.{key}"));
                }
            }
        }
        _ => assert_eq!(shown, real, "{at}: the page left, the fact right"),
    }
}
