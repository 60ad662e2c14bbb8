//! Whole configurations, as data: what is said about bad ones, what good ones resolve to.

use super::*;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use toml_span::value::ValueInner;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/config");

fn env(name: &str) -> Option<String> {
    match name {
        "SUPPORT_SECRET" | "BOTGATE_ADMIN_TOKEN" | "BOT_SECRET" | "OPENAI_API_KEY" => {
            Some("hunter2-from-the-environment".to_owned())
        }
        "MASTER_SECRET" => Some("hunter2-a-master-has-32-bytes-or-more".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

fn parse_file(path: &Path) -> Result<(Settings, Report), Report> {
    parse(&fs::read_to_string(path).unwrap(), path, &env)
}

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(format!("{FIXTURES}/{folder}")).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .collect();
    files.sort();
    files
}

/// The report as `botgate check` shows it, with the file's name alone.
fn shown(report: &Report, path: &Path) -> String {
    let name = path.file_name().unwrap().to_str().unwrap();
    let text = report.human(false).replace(path.to_str().unwrap(), name).replace(FIXTURES, "");
    format!("{text}{}\n", report.summary())
}

/// Compares with the file beside `path`; `BOTGATE_BLESS=1` writes it instead.
fn golden(path: &Path, actual: &str) {
    let expected = path.with_extension("txt");
    if std::env::var_os("BOTGATE_BLESS").is_some() {
        fs::write(&expected, actual).unwrap();
    }
    assert_eq!(actual, fs::read_to_string(&expected).unwrap_or_default(), "{}", expected.display());
}

#[test]
fn bad_configurations_are_refused_in_the_words_expected() {
    let files = files("bad");
    assert!(files.len() >= 15);
    for path in files {
        let report =
            parse_file(&path).err().unwrap_or_else(|| panic!("{} was accepted", path.display()));
        let shown = shown(&report, &path);
        assert!(!shown.contains("hunter2") && !report.json().contains("hunter2"), "{shown}");
        for line in report.json().lines() {
            let object: Value = serde_json::from_str(line).unwrap();
            assert!(object["fix"].as_str().is_some_and(|fix| !fix.is_empty()), "{line}");
        }
        golden(&path, &shown);
    }
}

#[test]
fn five_mistakes_are_five_errors() {
    let path = PathBuf::from(format!("{FIXTURES}/bad/five_mistakes.toml"));
    assert_eq!(parse_file(&path).err().unwrap().summary(), "5 errors");
}

/// The fronts of requests to AIs and receivers, of which `Debug` shows nothing: all values but those that may be secret.
fn heads(settings: &Settings) -> String {
    let upstreams = settings.upstreams.iter();
    let ais = upstreams.filter_map(|it| Some((&it.name, it.ai.as_ref()?)));
    let ais = ais.flat_map(|(name, ai)| [(name, &ai.head), (name, &ai.streaming_head)]);
    let callbacks = settings.bots.iter().filter_map(|bot| bot.callback.as_ref());
    let receivers = callbacks.chain(settings.subscribers.iter().map(|it| &it.receiver));
    let all = ais.chain(receivers.map(|it| (&it.name, &it.head)));
    let mut out = String::new();
    for (name, head) in all {
        out += &format!("{name}:\n");
        for line in String::from_utf8_lossy(head.expose()).replace("hunter2", "***").split("\r\n") {
            let plain =
                ["POST", "host", "content-type", "user-agent", "accept", "anthropic-version"];
            let shown = plain.iter().any(|start| line.starts_with(start));
            let name = line.split(':').next().unwrap_or_default();
            out += &format!("    {}\n", if shown { line } else { name });
        }
    }
    out
}

#[test]
fn good_configurations_resolve_as_expected() {
    for path in files("good") {
        let (settings, report) =
            parse_file(&path).unwrap_or_else(|report| panic!("{}", report.human(false)));
        let resolved = format!("{settings:#?}\n{}{}", heads(&settings), shown(&report, &path));
        let resolved = resolved.replace(FIXTURES, "FIXTURES");
        assert!(!resolved.contains("hunter2") && !resolved.contains("backend key"), "{resolved}");
        golden(&path, &resolved);
    }
}

#[test]
fn an_id_has_its_own_table_or_the_template_with_the_longest_front() {
    let path = PathBuf::from(format!("{FIXTURES}/good/dialects.toml"));
    let (settings, _) = parse_file(&path).ok().unwrap();
    let found = |id: &str, dialect| Some(settings.bot(id, dialect)?.label().into_owned());
    let long = "a".repeat(129);
    for (id, dialect, wanted) in [
        ("bt_support", None, Some("bt_support")),
        ("bt_support2", None, Some("bt_*")),
        ("bt_", None, Some("bt_*")),
        ("bt", None, Some("*")),
        ("four", None, Some("four")),
        ("four_1", None, Some("four_*")),
        ("four_1", Some("aerostack"), Some("*")),
        ("four", Some("aerostack"), Some("*")),
        ("four_1", Some("raw"), None),
        ("", None, None),
        ("a b", None, None),
        ("bt_*", None, None),
        (&long, None, None),
    ] {
        assert_eq!(found(id, dialect).as_deref(), wanted, "{id}");
    }
    let paths = ["bt_support", "bt_1", "butler_1", "platform", "raw"]
        .map(|id| settings.bot(id, None).unwrap().path.sample(id));
    assert_eq!(
        paths,
        [
            "/api/bots/webhook/custom/bt_support",
            "/api/bots/webhook/custom/bt_1",
            "/butler/butler_1/in",
            "/v2/platform/chat",
            "/raw/hello"
        ]
    );
}

/// The document as an editor's schema checker sees it.
fn json(value: &toml_span::Value<'_>) -> Value {
    match value.as_ref() {
        ValueInner::String(text) => text.as_ref().into(),
        ValueInner::Integer(number) => (*number).into(),
        ValueInner::Float(number) => (*number).into(),
        ValueInner::Boolean(truth) => (*truth).into(),
        ValueInner::Array(items) => items.iter().map(json).collect(),
        ValueInner::Table(table) => {
            table.iter().map(|(key, value)| (key.name.to_string(), json(value))).collect()
        }
    }
}

fn properties(schema: &Value, out: &mut BTreeSet<String>) {
    match schema {
        Value::Object(object) => {
            let known = object.get("properties").and_then(Value::as_object);
            out.extend(known.into_iter().flat_map(Map::keys).cloned());
            object.values().for_each(|inner| properties(inner, out));
        }
        Value::Array(items) => items.iter().for_each(|inner| properties(inner, out)),
        _ => {}
    }
}

fn keys(document: &Value, out: &mut BTreeSet<String>) {
    match document {
        Value::Object(object) => {
            out.extend(object.keys().cloned());
            object.values().for_each(|inner| keys(inner, out));
        }
        Value::Array(items) => items.iter().for_each(|inner| keys(inner, out)),
        _ => {}
    }
}

/// The other direction, that a key outside the schema is refused, is how the reader works: see `later_features.toml`.
#[test]
fn every_key_of_the_schema_is_read_and_what_is_read_fits_the_schema() {
    let validator = jsonschema::validator_for(schema()).unwrap();
    let mut written = BTreeSet::new();
    let init = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli/init.toml"));
    for path in files("good").into_iter().chain([init]) {
        let text = fs::read_to_string(&path).unwrap();
        let document = json(&toml_span::parse(&text).unwrap());
        let errors: Vec<_> =
            validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", path.display());
        keys(&document, &mut written);
    }
    let mut known = BTreeSet::new();
    properties(schema(), &mut known);
    assert!(known.len() > 60, "{known:?}");
    assert_eq!(
        known.difference(&written).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "not written in any good file"
    );
}

#[test]
fn the_schema_refuses_what_the_reader_refuses_for_its_shape() {
    let validator = jsonschema::validator_for(schema()).unwrap();
    for name in ["later_features", "types", "server_empty_list"] {
        let text = fs::read_to_string(format!("{FIXTURES}/bad/{name}.toml")).unwrap();
        assert!(!validator.is_valid(&json(&toml_span::parse(&text).unwrap())), "{name}");
    }
}

#[test]
fn hostile_texts_are_refused_in_bounded_time_and_space() {
    let megabyte = 1 << 20;
    for text in [
        "a".repeat(MAX_CONFIGURATION + 1),
        "[".repeat(megabyte),
        "a.".repeat(megabyte),
        format!("a = {}", "[".repeat(megabyte)),
        format!("a = {}", "{a=".repeat(megabyte)),
        format!("{}=1", "a.".repeat(100)),
        (0..30_000).map(|n| format!("k{n}=1\n")).collect(),
        (0..20_000).map(|n| format!("[bots.b{n}]\n")).collect(),
        (0..9_000).map(|n| format!("[bots.b{n}]\nx = 1\n")).collect(),
        format!("server.http = [{}]", "'x',".repeat(megabyte / 2)),
        format!("server.drain = '{}'", "x".repeat(megabyte)),
        format!("server.drain = '{}'", "${env:A}".repeat(100_000)),
        format!("'{}' = 1", "é".repeat(megabyte)),
        "\u{feff}\r\n\0".to_owned(),
    ] {
        let report = parse(&text, Path::new("hostile.toml"), &env).err().unwrap();
        let start: String = text.chars().take(40).collect();
        assert!(report.human(true).len() < 400_000, "{start}: {}", report.human(false).len());
        assert!(report.json().lines().count() <= 200, "{start}");
    }
}

/// A short cousin of the fuzz target, which every test run can afford.
#[test]
fn garbled_files_are_reported_without_a_panic() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    let pieces = [
        "\"", "'''", "[", "]", "{", "}", "=", ".", ",", "\n", "\r", "\t", "é", "🦀", "\u{202e}",
        "\0", "${", "0", "-1", "*", "#", "\\u",
    ];
    for path in files("good").into_iter().chain(files("bad")) {
        let text = fs::read_to_string(&path).unwrap();
        for _ in 0..40 {
            let mut garbled: Vec<char> = text.chars().collect();
            for _ in 0..=random(4) {
                let at = random(garbled.len() + 1);
                let end = (at + random(12)).min(garbled.len());
                garbled.splice(at..end, pieces[random(pieces.len())].chars());
            }
            let garbled: String = garbled.into_iter().collect();
            let report = match parse(&garbled, &path, &env) {
                Ok((_, report)) | Err(report) => report,
            };
            assert!(
                report.is_empty()
                    || (!report.human(true).is_empty() && !report.summary().is_empty())
            );
            assert_eq!(report.json().lines().count(), report.notes().len());
        }
    }
}
