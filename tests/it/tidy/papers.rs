//! The papers tell the truth: sample configurations load, README's commands run, the floor map names each room.

use super::FLOORS;
use crate::harness::run;
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
    (
        "loadtest/",
        "takes minutes; needs what `make test` installs",
    ),
];

fn paper(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name))
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The lines of all code blocks in a language, in order.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match line.trim_start().strip_prefix("```") {
            Some(begin) => inside = !inside && begin.trim() == language,
            None if inside => lines.push(line.to_owned()),
            None => {}
        }
    }
    lines
}

#[test]
fn every_command_of_the_readme_runs() {
    let lines = blocks(&paper("README.md"), "sh");
    assert!(!lines.is_empty(), "README has no `sh` block");
    let dir = tempfile::tempdir().unwrap();
    for line in &lines {
        let line = line
            .split(" #")
            .next()
            .unwrap()
            .trim()
            .trim_start_matches("$ ");
        if line.is_empty()
            || line.starts_with('#')
            || ELSEWHERE.iter().any(|(start, _)| line.starts_with(start))
        {
            continue;
        }
        let line = line
            .replacen("cargo run --release --", "botgate", 1)
            .replacen("./target/release/botgate", "botgate", 1);
        let mut words = line.split_whitespace();
        assert_eq!(
            words.next(),
            Some("botgate"),
            "a command that no test knows: {line}"
        );
        let mut arguments: Vec<_> = words
            .take_while(|word| ![">", "|", "&"].contains(word))
            .collect();
        // What keeps serving is only asked whether it knows its arguments.
        if ["run", "demo"].contains(&arguments[0]) && !arguments.contains(&"--once") {
            arguments.push("--help");
        }
        let ran = run::run(dir.path(), &arguments);
        assert_eq!(ran.code, Some(0), "{line}\n{}", ran.stderr);
    }
}

#[test]
fn every_sample_configuration_loads() {
    let mut files: Vec<_> = ["examples", "tests/fixtures/config/good"]
        .into_iter()
        .flat_map(|folder| {
            fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder))
                .into_iter()
                .flatten()
        })
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "there is no sample configuration");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let mut command = run::botgate(file.parent().unwrap(), &["check", "-c"]);
        command.arg(&file);
        // Good as a text and as base64, whichever the scheme wants.
        for name in text
            .split("${env:")
            .skip(1)
            .filter_map(|rest| rest.split('}').next())
        {
            command.env(name, "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0");
        }
        let ran = run::to_end(&mut command);
        assert_eq!(
            ran.code,
            Some(0),
            "{}\n{}{}",
            file.display(),
            ran.stdout,
            ran.stderr
        );
    }
}

#[test]
fn the_floor_map_names_every_room() {
    let map = paper("ARCHITECTURE.md");
    for room in FLOORS.iter().copied().flatten() {
        assert!(
            map.contains(&format!("`{room}`")),
            "ARCHITECTURE.md does not name `{room}`"
        );
    }
}
