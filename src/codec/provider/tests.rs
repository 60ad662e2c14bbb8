//! Every codec over the fixtures: what it asks, how it reads answers, refusals and streams. `BOTGATE_BLESS=1` writes what is.

mod case;

use super::{CODECS, Codec, DecodeError, Settings, find, sse::EventReader};
use crate::codec::message::Answer;
use case::Case;
use http::{HeaderMap, HeaderName};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/upstream_codecs");

/// 2026-11-21T10:00:00Z.
const NOW_MS: u64 = 1_795_255_200_000;

/// The files of a folder with that ending; there must be enough of them.
fn files(folder: &str, end: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(format!("{FIXTURES}/{folder}"))
        .unwrap_or_else(|error| panic!("{folder}: {error}"))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == end))
        .collect();
    files.sort();
    assert!(files.len() >= 15, "only {} in {folder}", files.len());
    files
}

/// Compares with a file; `BOTGATE_BLESS=1` writes it instead.
fn golden(expected: &Path, actual: &str) {
    if env::var_os("BOTGATE_BLESS").is_some() {
        fs::create_dir_all(expected.parent().unwrap()).unwrap();
        fs::write(expected, actual).unwrap();
    }
    let expected_text = fs::read_to_string(expected).unwrap_or_default();
    assert_eq!(actual, expected_text, "{}", expected.display());
}

fn shown(answer: &Answer<'_>) -> String {
    let mut out = format!("text: {:?}\n", answer.text);
    for call in &answer.tool_calls {
        let result = call.result.as_ref().map(|json| json.get());
        let (name, given) = (&call.name, call.arguments.get());
        let (latency, success) = (call.latency_ms, call.success);
        writeln!(
            out,
            "tool: {name} {given} result {result:?} latency {latency:?} success {success:?}"
        )
        .unwrap();
    }
    for file in &answer.attachments {
        let (name, kind) = (&file.filename, &file.mime_type);
        writeln!(out, "attachment: {} {name:?} {kind:?}", file.url).unwrap();
    }
    if let Some(metadata) = &answer.metadata {
        writeln!(out, "metadata: {}", metadata.get()).unwrap();
    }
    let (input, output) = (answer.usage.input, answer.usage.output);
    writeln!(out, "usage: {input} in, {output} out").unwrap();
    out
}

fn failed(failed: DecodeError) -> String {
    let (input, output) = (failed.usage.input, failed.usage.output);
    format!("fault: {:?}: {failed}\nusage: {input} in, {output} out\n", failed.error)
}

#[test]
fn every_ask_is_encoded_as_expected() {
    for codec in CODECS {
        for path in files("asks", "json") {
            let case = Case::read(&path);
            let mut out = b"kept".to_vec();
            let (end, text) = match case.encode(*codec, &mut out) {
                Ok(()) => ("json", String::from_utf8(out.split_off(4)).unwrap()),
                Err(unsupported) => ("txt", unsupported.to_string()),
            };
            assert!(out.starts_with(b"kept"));
            if end == "json" {
                serde_json::from_str::<serde_json::Value>(&text).unwrap();
            }
            let name = path.file_stem().unwrap().to_str().unwrap();
            let folder = format!("{FIXTURES}/{}/ask", codec.name());
            golden(&PathBuf::from(format!("{folder}/{name}.{end}")), &format!("{text}\n"));
            let other = if end == "json" { "txt" } else { "json" };
            let stale = PathBuf::from(format!("{folder}/{name}.{other}"));
            assert!(!stale.exists(), "{} is stale", stale.display());
        }
    }
}

#[test]
fn every_answer_is_read_as_expected() {
    for codec in CODECS {
        for path in files(&format!("{}/answer", codec.name()), "json") {
            let mut body = fs::read(&path).unwrap();
            let read = codec.decode(&mut body);
            let text = read.map_or_else(failed, |answer| {
                let text = shown(&answer);
                assert_eq!(shown(&answer.into_owned()), text);
                text
            });
            golden(&path.with_extension("txt"), &text);
        }
    }
}

#[test]
fn every_refusal_is_read_as_expected() {
    for codec in CODECS {
        for path in files(&format!("{}/error", codec.name()), "http") {
            let text = fs::read_to_string(&path).unwrap();
            let (head, body) = text.split_once("\n\n").unwrap();
            let mut lines = head.lines();
            let status = lines.next().unwrap().parse().unwrap();
            let mut headers = HeaderMap::new();
            for line in lines {
                let (name, value) = line.split_once(": ").unwrap();
                let name: HeaderName = name.parse().unwrap();
                headers.insert(name, value.parse().unwrap());
            }
            let mut body = body.as_bytes().to_vec();
            let refusal = codec.decode_error(status, &headers, &mut body, NOW_MS);
            golden(&path.with_extension("txt"), &format!("{refusal:?}\n"));
        }
    }
}

/// What a codec makes of a stream that comes in pieces.
fn streamed(codec: &dyn Codec, pieces: &[&[u8]]) -> String {
    let (mut events, mut deltas, mut text) =
        (EventReader::default(), codec.stream_decoder(), String::new());
    let fed = pieces
        .iter()
        .try_for_each(|piece| events.feed(piece, |name, data| deltas.event(name, data, &mut text)));
    let ended = fed.and_then(|()| deltas.end());
    let ended = ended.map_err(|fault| DecodeError { error: fault, usage: deltas.usage() });
    let end = ended.map_or_else(failed, |answer| {
        assert_eq!(answer.text, "");
        shown(&answer)
    });
    format!("streamed: {text:?}\n{end}")
}

#[test]
fn every_stream_is_read_as_expected_however_it_is_cut() {
    for codec in CODECS {
        for path in files(&format!("{}/stream", codec.name()), "sse") {
            let bytes = fs::read(&path).unwrap();
            let whole = streamed(*codec, &[&bytes]);
            golden(&path.with_extension("txt"), &whole);
            for size in [1, 2, 3, 5, 7, 64, 1000] {
                let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
                assert_eq!(streamed(*codec, &pieces), whole, "{} by {size}", path.display());
            }
        }
    }
}

#[test]
fn an_endpoint_stands_below_its_base() {
    for (codec, path, endpoint) in [
        ("custom", "", "/"),
        ("custom", "/chat", "/chat"),
        ("openai", "", "/v1/chat/completions"),
        ("openai", "/v1", "/v1/chat/completions"),
        ("openai", "/v1/chat/completions", "/v1/chat/completions"),
        ("openai", "/proxy/openai", "/proxy/openai/chat/completions"),
        ("anthropic", "", "/v1/messages"),
        ("anthropic", "/v1", "/v1/messages"),
        ("anthropic", "/v1/messages", "/v1/messages"),
        ("anthropic", "/messages/v1", "/messages/v1/messages"),
    ] {
        for stream in [false, true] {
            let built = find(codec).unwrap().endpoint(path, &Settings::default(), stream);
            assert_eq!(built, endpoint, "{path}");
        }
    }
}

#[test]
fn a_key_goes_where_each_api_looks_for_it() {
    let field = |codec: &str, version| {
        let codec = find(codec).unwrap();
        let settings = Settings { version, ..Settings::default() };
        let (name, before) = codec.auth(&settings);
        let more: Vec<String> = codec
            .headers(&settings)
            .into_iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        format!("{name}: {before}KEY {more:?}")
    };
    assert_eq!(field("custom", None), "authorization: Bearer KEY []");
    assert_eq!(field("openai", None), "authorization: Bearer KEY []");
    for (version, sent) in [
        (None, "2023-06-01"),
        (Some("2023-06-01"), "2023-06-01"),
        (Some("2026-10-21"), "2026-10-21"),
    ] {
        assert_eq!(
            field("anthropic", version),
            format!("x-api-key: KEY [\"anthropic-version: {sent}\"]")
        );
    }
}

#[test]
fn fragments_of_calls_have_a_bound() {
    let codec = find("openai").unwrap();
    let feed = |index: usize, given: &str| {
        format!(
            r#"{{"choices":[{{"delta":{{"tool_calls":[{{"index":{index},"function":{{"arguments":"{given}"}}}}]}}}}]}}"#
        )
    };
    let mut deltas = codec.stream_decoder();
    let mut event = |text: String| deltas.event("", &mut text.into_bytes(), &mut String::new());
    for index in 0..128 {
        event(feed(index, "")).unwrap();
    }
    assert!(event(feed(128, "")).is_err());
    let half = "x".repeat(1 << 19);
    event(feed(0, &half)).unwrap();
    event(feed(1, &half)).unwrap();
    assert!(event(feed(2, "x")).is_err());
}
