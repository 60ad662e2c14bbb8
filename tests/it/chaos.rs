//! `botgate chaos`: it kills, it counts, and nothing is lost.

use crate::harness::command;
use serde_json::Value;
use std::fs;

#[test]
fn chaos_kills_and_proves_that_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let temporary = dir.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let mut command = command::botgate(dir.path(), &["chaos", "--kills", "3", "--json"]);
    let ran = command::to_end(command.env("TMPDIR", &temporary));
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.stdout, ran.stderr);
    assert_eq!(ran.stderr, "", "a pipe is told of no progress");
    let proof: Value = serde_json::from_str(&ran.stdout).unwrap();
    let count = |key: &str| proof[key].as_u64().unwrap();
    assert_eq!(count("kills"), 3);
    assert_eq!(proof["lost"], Value::Array(Vec::new()));
    let (delivered, dead) = (count("delivered"), count("dead"));
    assert_eq!(count("accepted"), delivered + dead + count("pending"));
    // One in fifty is refused by its receiver for good, the very first among them.
    assert!(delivered > 0 && dead > 0, "{proof}");
    let told = count("unanswered") + count("refused") + count("accepted") - count("untold");
    assert_eq!(count("sent"), told, "{proof}");
    assert!(count("recovery_longest_ms") > 0, "{proof}");
    let left = fs::read_dir(&temporary).unwrap().count();
    assert_eq!(left, 0, "files are left");
}

#[test]
fn chaos_kills_at_least_once() {
    let dir = tempfile::tempdir().unwrap();
    for kills in ["0", "1001", "many"] {
        let ran = command::run(dir.path(), &["chaos", "--kills", kills]);
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    }
}
