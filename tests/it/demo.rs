//! `botgate demo`: all dialects and all kinds of upstream, and lines that do what they say.

use crate::harness::{TIMEOUT, command};
use botgate::codec::dialect::DIALECTS;
use botgate::codec::provider::CODECS;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
};

/// Keeps what the demo writes while it runs where the test can see that it is gone in the end.
fn command(dir: &Path, args: &[&str]) -> Command {
    let temporary = dir.join("tmp");
    fs::create_dir(&temporary).unwrap();
    let mut command = command::botgate(dir, args);
    command.env("TMPDIR", temporary);
    command
}

#[track_caller]
fn leaves_nothing(dir: &Path) {
    let left = |dir: &Path| fs::read_dir(dir).unwrap().count();
    assert_eq!((left(dir), left(&dir.join("tmp"))), (1, 0), "files are left");
}

#[test]
fn demo_once_shows_every_dialect_and_kind_and_ends_well() {
    let dir = tempfile::tempdir().unwrap();
    let ran = command::to_end(&mut command(dir.path(), &["demo", "--once"]));
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.stdout, ran.stderr);
    let rows = || ran.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let shows = |words: &[&str]| rows().any(|row| words.iter().all(|word| row.contains(word)));
    for dialect in DIALECTS {
        for row in [[dialect.name, "signed", "200"], [dialect.name, "broken", "401"]] {
            assert!(shows(&row), "no {row:?}:\n{}", ran.stdout);
        }
    }
    let kinds = CODECS.iter().map(|codec| codec.name());
    for kind in kinds.chain(["passthrough"]) {
        assert!(shows(&[kind, "200"]), "no {kind}:\n{}", ran.stdout);
    }
    assert!(shows(&["raw", "429"]), "{}", ran.stdout);
    let table = ran.stdout.lines().take_while(|line| !line.starts_with("To repeat"));
    for line in table {
        assert!(line.chars().count() <= 120, "too wide: {line}");
    }
    leaves_nothing(dir.path());
}

/// Reads until the demo says that it serves: its curl lines, each with the status that it promises.
fn lines(demo: &mut Child) -> Vec<(String, String)> {
    let stdout = BufReader::new(demo.stdout.take().unwrap());
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in stdout.lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    let mut lines = Vec::new();
    let mut promised = String::new();
    loop {
        let line = receiver.recv_timeout(TIMEOUT).expect("it never served");
        if line.starts_with("Serving on") {
            return lines;
        }
        if line.starts_with("# ") {
            promised = line.rsplit(' ').next().unwrap().to_owned();
        } else if line.starts_with("curl ") {
            lines.push((line, promised.clone()));
        }
    }
}

#[test]
fn every_line_that_the_demo_prints_does_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let mut demo = command(dir.path(), &["demo"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = lines(&mut demo);
    let answers = lines.iter().map(|(line, _)| {
        let line = format!("{line} --silent --output /dev/null --write-out '%{{http_code}}'");
        command::to_end(Command::new("sh").args(["-c", &line])).stdout
    });
    let answers: Vec<_> = answers.collect();
    kill_process(Pid::from_child(&demo), Signal::INT).unwrap();
    assert_eq!(demo.wait().unwrap().code(), Some(0));
    for ((line, promised), answer) in lines.iter().zip(&answers) {
        assert_eq!(answer, promised, "{line}");
    }
    let good = answers.iter().filter(|answer| *answer == "200").count();
    assert_eq!(good, DIALECTS.len(), "{answers:?}");
    leaves_nothing(dir.path());
}
