//! Hostile configurations: never a panic, a fix for every error, and no value of the environment in any message.
#![no_main]

use botgate::config;
use libfuzzer_sys::fuzz_target;
use std::path::Path;

const SECRET: &str = "hunter2-from-the-environment";

fuzz_target!(|text: &str| {
    // No reference may lead to a file of the machine that fuzzes.
    if text.contains("file:") {
        return;
    }
    let env = |name: &str| (name != "NOT_SET").then(|| SECRET.to_owned());
    let report = match config::parse(text, Path::new("botgate.toml"), &env) {
        Ok((_, warnings)) => warnings,
        Err(report) => {
            assert!(!report.is_empty());
            report
        }
    };
    for note in report.notes() {
        assert!(!note.message.is_empty() && !note.fix.is_empty());
    }
    let told = [report.human(true), report.json(), report.summary()].concat();
    assert!(text.contains(SECRET) || !told.contains(SECRET));
});
