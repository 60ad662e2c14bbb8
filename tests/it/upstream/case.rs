//! A raw answer as it stands in `tests/fixtures/upstream/cases.toml`, which says what each key means.

use crate::harness::bytes::expand;
use toml_span::value::{Table, Value};

pub(super) struct Case {
    pub name: String,
    pub send: Vec<u8>,
    pub split: usize,
    pub close: bool,
    pub head: bool,
    pub old: bool,
    pub status: u16,
    pub why: Option<String>,
    pub body: Option<Vec<u8>>,
    pub cut: bool,
    pub reuse: bool,
    pub present: Vec<String>,
    pub absent: Vec<String>,
}

const KEYS: [&str; 13] = [
    "name", "send", "split", "close", "head", "old", "status", "why", "body", "cut", "reuse",
    "present", "absent",
];

/// All cases; the test fails where one has a key that is not known.
pub(super) fn all() -> Vec<Case> {
    let file = toml_span::parse(include_str!("../../fixtures/upstream/cases.toml")).unwrap();
    let cases = file.pointer("/case").and_then(Value::as_array).unwrap();
    cases.iter().map(|case| read(case.as_table().unwrap())).collect()
}

fn read(table: &Table<'_>) -> Case {
    let unknown = table.keys().find(|key| !KEYS.contains(&key.name.as_ref()));
    assert!(unknown.is_none(), "unknown key {unknown:?}");
    let text = |key: &str| table.get(key).map(|value| value.as_str().unwrap());
    let number = |key: &str| table.get(key).map(|value| value.as_integer().unwrap());
    let truth = |key: &str| table.get(key).map(|value| value.as_bool().unwrap());
    let list = |key: &str| -> Vec<String> {
        let items = table.get(key).and_then(Value::as_array);
        let items = items.into_iter().flatten();
        items.map(|item| item.as_str().unwrap().to_owned()).collect()
    };
    Case {
        name: text("name").unwrap().to_owned(),
        send: expand(text("send").unwrap()),
        split: number("split").map_or(usize::MAX, |size| size.try_into().unwrap()),
        close: truth("close").unwrap_or(false),
        head: truth("head").unwrap_or(false),
        old: truth("old").unwrap_or(false),
        status: number("status").unwrap().try_into().unwrap(),
        why: text("why").map(ToOwned::to_owned),
        body: text("body").map(expand),
        cut: truth("cut").unwrap_or(false),
        reuse: truth("reuse").unwrap(),
        present: list("present"),
        absent: list("absent"),
    }
}
