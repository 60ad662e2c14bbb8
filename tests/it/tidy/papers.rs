//! The papers tell the truth: sample configurations load, README's commands run.

use crate::harness::command;
use std::{fs, path::Path};

/// Commands of README that are not run here, and why.
const ELSEWHERE: [(&str, &str); 9] = [
    ("make ", "the tests themselves, or takes a build"),
    ("git clone", "fetches this project"),
    ("cargo build", "what made the binary under test"),
    ("cargo install", "a second build of the same"),
    ("cargo test", "this run"),
    ("cargo bench", "takes minutes; CI runs it"),
    ("curl ", "talks to a demo that is still running"),
    ("kill ", "ends what another line started"),
    ("loadtest/", "takes minutes; needs what `make test` installs"),
];

pub(crate) fn paper(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name))
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// All code blocks with their languages, in order.
pub(crate) fn fenced(text: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in text.lines() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(begin), None) => open = Some((begin.trim().to_owned(), String::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some((_, block))) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

/// All code blocks in a language, in order.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let blocks = fenced(text).into_iter();
    let blocks = blocks.filter(|(begin, _)| begin == language);
    blocks.map(|(_, block)| block).collect()
}

/// The pages of the dialects that read their messages, each named after its dialect.
pub(crate) const PAGES: [&str; 5] =
    ["aerostack", "aibutler", "fourthchat", "chatbot-platform", "botpass"];

#[test]
fn every_command_of_the_readme_runs() {
    let commands = blocks(&paper("README.md"), "sh").concat();
    assert!(!commands.is_empty(), "README has no `sh` block");
    let dir = tempfile::tempdir().unwrap();
    for line in commands.lines() {
        let line = line.split(" #").next().unwrap().trim().trim_start_matches("$ ");
        if line.is_empty()
            || line.starts_with('#')
            || ELSEWHERE.iter().any(|(start, _)| line.starts_with(start))
        {
            continue;
        }
        let line = line.replacen("cargo run --release --", "botgate", 1).replacen(
            "./target/release/botgate",
            "botgate",
            1,
        );
        let mut words = line.split_whitespace();
        assert_eq!(words.next(), Some("botgate"), "a command that no test knows: {line}");
        let bot = first_bot(dir.path());
        let mut arguments: Vec<_> = words
            .take_while(|word| ![">", "|", "&"].contains(word))
            .map(|word| if word == "BOT" { bot.as_str() } else { word })
            .collect();
        // What keeps serving, or needs a backend, is only asked whether it knows its arguments.
        if ["run", "demo", "test"].contains(&arguments[0]) && !arguments.contains(&"--once") {
            arguments.push("--help");
        }
        let ran = command::run(dir.path(), &arguments);
        assert_eq!(ran.code, Some(0), "{line}\n{}", ran.stderr);
    }
}

/// The id of the first bot of the configuration in `dir`; empty where there is none yet.
fn first_bot(dir: &Path) -> String {
    let text = fs::read_to_string(dir.join("botgate.toml")).unwrap_or_default();
    let id = text.split("[bots.").nth(1).and_then(|rest| rest.split(']').next());
    id.unwrap_or_default().to_owned()
}

/// What `botgate check` says of a configuration, with a value for every variable that it names.
#[track_caller]
fn check(file: &Path, shown_as: &str) {
    let text = fs::read_to_string(file).unwrap();
    let mut command = command::botgate(file.parent().unwrap(), &["check", "-c"]);
    command.arg(file);
    // Good as a text and as base64, whichever the scheme wants.
    for name in text.split("${env:").skip(1).filter_map(|rest| rest.split('}').next()) {
        command.env(name, "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0");
    }
    let ran = command::to_end(&mut command);
    assert_eq!(ran.code, Some(0), "{shown_as}\n{}{}", ran.stdout, ran.stderr);
}

#[test]
fn every_sample_configuration_loads() {
    for folder in ["deploy", "tests/fixtures/config/good"] {
        let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap();
        let mut files: Vec<_> = files
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
            .collect();
        files.sort();
        assert!(!files.is_empty(), "{folder} has no sample configuration");
        for file in files {
            check(&file, &file.display().to_string());
        }
    }
}

/// A `toml` block of a paper is a whole configuration; a piece of one has no business to be marked so.
#[test]
fn every_configuration_in_the_papers_loads() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("botgate.toml");
    let mut found = 0;
    let papers = ["README.md", "docs/configuration.md", "docs/raw.md", "docs/operations.md"];
    let pages = PAGES.map(|dialect| format!("docs/{dialect}.md"));
    for name in papers.into_iter().chain(pages.iter().map(String::as_str)) {
        for (number, block) in blocks(&paper(name), "toml").iter().enumerate() {
            fs::write(&file, block).unwrap();
            check(&file, &format!("{name}, configuration {}", number + 1));
            found += 1;
        }
    }
    assert!(found >= 2, "the papers show {found} configurations");
}
