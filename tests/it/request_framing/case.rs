//! A raw case as it stands in `tests/fixtures/http/cases.toml`, which says what each key means.

use crate::harness::{backend::Seen, bytes::expand};
use toml_span::value::{Table, Value};

pub(super) struct Case {
    pub name: String,
    pub send: Vec<u8>,
    pub status: Vec<u16>,
    pub or: Option<u16>,
    pub backend: usize,
    pub lives: Option<bool>,
    pub then: Option<Vec<u8>>,
    pub then_status: u16,
    pub then_backend: usize,
    pub split: Option<usize>,
    pub finish: bool,
    pub head: bool,
    pub no_continue: bool,
    body: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    present: Vec<String>,
    absent: Vec<String>,
}

const KEYS: [&str; 17] = [
    "name",
    "send",
    "status",
    "or",
    "backend",
    "lives",
    "then",
    "then_status",
    "then_backend",
    "split",
    "finish",
    "head",
    "no_continue",
    "body",
    "target",
    "present",
    "absent",
];

/// All cases; the test fails where one has a key that is not known.
pub(super) fn all() -> Vec<Case> {
    let file = toml_span::parse(include_str!("../../fixtures/http/cases.toml")).unwrap();
    let cases = file.pointer("/case").and_then(Value::as_array).unwrap();
    cases.iter().map(|case| read(case.as_table().unwrap())).collect()
}

fn read(table: &Table<'_>) -> Case {
    let unknown = table.keys().find(|key| !KEYS.contains(&key.name.as_ref()));
    assert!(unknown.is_none(), "unknown key {unknown:?}");
    let text = |key: &str| table.get(key).map(|value| value.as_str().unwrap());
    let bytes = |key: &str| text(key).map(expand);
    let number = |key: &str| {
        table.get(key).map(|value| usize::try_from(value.as_integer().unwrap()).unwrap())
    };
    let status = |value: &Value<'_>| u16::try_from(value.as_integer().unwrap()).unwrap();
    let truth = |key: &str| table.get(key).map(|value| value.as_bool().unwrap());
    let list = |key: &str| -> Vec<String> {
        let items = table.get(key).and_then(Value::as_array).into_iter().flatten();
        items.map(|item| item.as_str().unwrap().to_owned()).collect()
    };
    Case {
        name: text("name").unwrap().to_owned(),
        send: bytes("send").unwrap(),
        status: table.get("status").unwrap().as_array().unwrap().iter().map(status).collect(),
        or: table.get("or").map(status),
        backend: number("backend").unwrap(),
        lives: truth("lives"),
        then: bytes("then"),
        then_status: table.get("then_status").map_or(0, status),
        then_backend: number("then_backend").unwrap_or(0),
        split: number("split"),
        finish: truth("finish").unwrap_or(false),
        head: truth("head").unwrap_or(false),
        no_continue: truth("no_continue").unwrap_or(false),
        body: bytes("body"),
        target: bytes("target"),
        present: list("present"),
        absent: list("absent"),
    }
}

impl Case {
    /// Compares the last request that the backend saw with what the case says of it.
    pub(super) fn compare(&self, seen: Option<&Seen>) -> Result<(), String> {
        if self.backend + self.then_backend == 0 {
            return Ok(());
        }
        let seen = seen.ok_or("the backend has seen nothing")?;
        if self.body.as_ref().is_some_and(|body| *body != seen.body) {
            return Err(format!("the backend's body is {:?}", String::from_utf8_lossy(&seen.body)));
        }
        if self.target.as_ref().is_some_and(|target| target != seen.target().as_bytes()) {
            return Err(format!("the backend's target is {:?}", seen.target()));
        }
        for header in &self.present {
            let (name, value) = header.split_once(": ").unwrap();
            if !seen.header(name).contains(&value) {
                return Err(format!("the backend did not get {header:?}: {}", seen.head));
            }
        }
        match self.absent.iter().find(|name| !seen.header(name).is_empty()) {
            Some(name) => Err(format!("the backend got {name}: {}", seen.head)),
            None => Ok(()),
        }
    }
}
