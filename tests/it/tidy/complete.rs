//! The papers leave nothing out and name nothing that is not there: rooms, tests, constants, keys, presets, metrics, reasons.

use super::house::FLOORS;
use super::papers::paper;
use super::source::sources;
use botgate::net::client;
use botgate::proxy::reject;
use botgate::{config, signature};
use serde_json::Value;
use std::collections::BTreeSet;

/// Asserts that a paper names each of these in backquotes, alone or behind a dot.
#[track_caller]
fn names_all(name: &str, what: impl IntoIterator<Item = impl AsRef<str>>) {
    let text = paper(name);
    let named: BTreeSet<_> =
        text.split('`').flat_map(|part| [part, part.rsplit('.').next().unwrap()]).collect();
    let missing: Vec<_> = what
        .into_iter()
        .map(|what| what.as_ref().to_owned())
        .filter(|what| !named.contains(what.as_str()))
        .collect();
    assert!(missing.is_empty(), "{name} does not name {missing:?}");
}

/// The words in backquotes of a part of a paper, from a heading to the next one of that level.
fn quoted(name: &str, heading: &str) -> Vec<String> {
    let text = paper(name);
    let part = text
        .split_once(&format!("\n## {heading}\n"))
        .unwrap_or_else(|| panic!("{name} has no part {heading:?}"))
        .1;
    let part = part.split("\n## ").next().unwrap();
    part.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// All of the project's own Rust code as one text.
fn code() -> String {
    ["src", "tests"].into_iter().flat_map(sources).map(|source| source.text).collect()
}

#[test]
fn the_floor_map_names_every_room() {
    names_all("ARCHITECTURE.md", FLOORS.iter().copied().flatten());
}

#[test]
fn every_invariant_names_tests_that_exist() {
    let code = code();
    let text = paper("ARCHITECTURE.md");
    let rows = text.lines().filter(|line| line.starts_with("| I"));
    assert!(rows.clone().count() >= 10);
    for row in rows {
        let tests = row.rsplit('|').nth(1).unwrap();
        assert!(tests.contains('`'), "no test: {row}");
        for test in tests.split('`').skip(1).step_by(2) {
            assert!(code.contains(&format!("fn {test}(")), "there is no test {test}: {row}");
        }
    }
}

#[test]
fn every_constant_of_the_bounds_table_exists() {
    let code = code();
    let constant = |word: &&String| {
        word.len() > 1
            && word
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'_' | b'0'..=b'9'))
    };
    let words = quoted("ARCHITECTURE.md", "Bounds");
    let constants: Vec<_> = words.iter().filter(constant).collect();
    assert!(constants.len() > 20, "{constants:?}");
    for constant in constants {
        assert!(code.contains(&format!("const {constant}: ")), "there is no constant {constant}");
    }
    for file in words.iter().filter(|word| word.ends_with(".rs")) {
        let path = format!("{}/src/{file}", env!("CARGO_MANIFEST_DIR"));
        assert!(std::fs::exists(&path).unwrap(), "there is no {path}");
    }
}

/// Every key of a schema, at any depth.
fn keys(schema: &Value, definitions: &Value, keys_so_far: &mut BTreeSet<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap();
        return keys(&definitions[name], definitions, keys_so_far);
    }
    for (key, of_key) in schema["properties"].as_object().into_iter().flatten() {
        keys_so_far.insert(key.clone());
        keys(of_key, definitions, keys_so_far);
    }
    for part in ["items", "additionalProperties"] {
        if schema[part].is_object() {
            keys(&schema[part], definitions, keys_so_far);
        }
    }
    for choice in ["anyOf", "oneOf"] {
        for option in schema[choice].as_array().into_iter().flatten() {
            keys(option, definitions, keys_so_far);
        }
    }
}

#[test]
fn the_configuration_paper_names_every_key() {
    let schema = config::schema();
    let mut all = BTreeSet::new();
    keys(schema, &schema["$defs"], &mut all);
    assert!(all.len() > 50, "{all:?}");
    names_all("docs/configuration.md", all);
}

#[test]
fn the_dialect_paper_names_every_preset_and_refusal() {
    names_all("docs/raw.md", signature::preset_names());
    names_all("docs/raw.md", reject::REASONS);
    names_all("docs/raw.md", signature::VerifyError::ALL.map(|failure| failure.word()));
    names_all("docs/raw.md", client::ERROR_WORDS);
}

#[test]
fn the_operations_paper_names_every_metric() {
    let page = include_str!("../../fixtures/metrics.txt");
    let names = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split_once(' '))
        .map(|(name, kind)| match kind {
            "counter" => format!("{name}_total"),
            "info" => format!("{name}_info"),
            _ => name.to_owned(),
        });
    names_all("docs/operations.md", names);
}
