//! `botgate deliveries` and `botgate health`, as a user types them.

use super::House;
use crate::harness::{Botgate, command, command::Ran};
use serde_json::Value;
use std::fs;
use tempfile::TempDir;

/// A folder whose configuration names the running one's own address.
pub(super) fn folder(botgate: &Botgate, text: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let here = format!("[admin]\nlisten = \"{}\"\n", botgate.admin());
    let text = text.replace("[admin]\nlisten = \"127.0.0.1:0\"\n", &here);
    let text = text.replace("probes = \"127.0.0.1:0\"\n", "");
    fs::write(dir.path().join("botgate.toml"), text).unwrap();
    dir
}

#[track_caller]
fn fine(dir: &TempDir, arguments: &[&str]) -> String {
    let Ran { code, stdout, stderr } = command::run(dir.path(), arguments);
    assert_eq!(code, Some(0), "{arguments:?}: {stdout}{stderr}");
    assert_eq!(stderr, "");
    stdout
}

#[test]
fn deliveries_are_listed_shown_and_retried() {
    let house = House::new();
    let dir = folder(&house.botgate, &house.text);
    assert_eq!(fine(&dir, &["deliveries", "list"]), "no deliveries\n");
    for text in ["one", "two", "three"] {
        house.message("gone", text);
    }
    house.message("well", "hello");
    house.until("dead", 3.0);
    house.until("delivered", 1.0);

    let table = fine(&dir, &["deliveries", "list", "--status", "dead", "--limit", "2"]);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 4, "{table}");
    assert!(lines[0].starts_with("ID ") && lines[0].ends_with("REASON"), "{table}");
    assert!(lines[1].contains("dead") && lines[1].contains("bots.gone.callback"), "{table}");
    let cursor = lines[3].strip_prefix("more: --cursor ").unwrap();
    let rest =
        fine(&dir, &["deliveries", "list", "--status", "dead", "--cursor", cursor, "--json"]);
    let rest: Value = serde_json::from_str(&rest).unwrap();
    assert_eq!(rest["items"].as_array().unwrap().len(), 1, "{rest}");

    let id = rest["items"][0]["id"].as_str().unwrap();
    let shown = fine(&dir, &["deliveries", "show", id]);
    for said in [id, "410", "FIRST BYTE", "last response: what a receiver says"] {
        assert!(shown.contains(said), "{said}: {shown}");
    }
    assert!(!shown.contains("re: one"));
    assert!(fine(&dir, &["deliveries", "show", id, "--body"]).contains("re: one"));

    house.back.change(|back| *back = true);
    let said = fine(&dir, &["deliveries", "retry", id]);
    assert_eq!(said, format!("{id} is retried\n"));
    house.until("delivered", 2.0);
    assert_eq!(fine(&dir, &["deliveries", "retry", "--dead", "--bot", "well"]), "0 retried\n");
    assert_eq!(fine(&dir, &["deliveries", "retry", "--dead"]), "2 retried\n");
    house.until("delivered", 4.0);
}

#[test]
fn bots_are_listed_switched_and_tested() {
    let house = House::new();
    let dir = folder(&house.botgate, &house.text);
    let said = fine(&dir, &["bots", "deactivate", "memo"]);
    let url = "/api/bots/webhook/custom/memo\n";
    assert!(said.starts_with("memo is inactive: http://127.0.0.1:"));
    assert!(said.contains(url) && said.contains("warning: `bots.memo` asks for no proof"));
    let list = fine(&dir, &["bots", "list"]);
    let line = |id: &str| {
        let line = list.lines().find(|line| line.starts_with(id)).unwrap();
        line.split_whitespace().take(3).collect::<Vec<_>>()
    };
    assert_eq!(line("ID"), ["ID", "STATUS", "DIALECT"], "{list}");
    assert_eq!(line("memo"), ["memo", "inactive", "aerostack"], "{list}");
    assert_eq!(line("well"), ["well", "active", "fourthchat"], "{list}");
    let said = fine(&dir, &["bots", "activate", "memo", "--json"]);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["status"], "active");
    let said = fine(&dir, &["bots", "test", "well"]);
    house.until("delivered", 1.0);
    let id = house.only("well");
    assert_eq!(said, format!("on its way: botgate deliveries show {id}\n"));
    let ran = command::run(dir.path(), &["bots", "test", "memo"]);
    assert_eq!((ran.code, &*ran.stdout), (Some(1), ""));
    assert!(ran.stderr.contains("botgate test memo"), "{}", ran.stderr);
}

#[test]
fn failures_have_a_reason_and_an_exit_code() {
    let house = House::new();
    let dir = folder(&house.botgate, &house.text);
    let wrong = folder(&house.botgate, &house.text.replace("admin word", "other word"));
    let nowhere = tempfile::tempdir().unwrap();
    let bare = tempfile::tempdir().unwrap();
    let text: String = house.text.split("[admin]").next().unwrap().to_owned()
        + "[state]"
        + house.text.split("[state]").nth(1).unwrap();
    fs::write(bare.path().join("botgate.toml"), text).unwrap();
    let unknown = "0197a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";
    let cases: [(&TempDir, &[&str], i32, &str); 12] = [
        (&dir, &["deliveries", "show", unknown], 1, "there is no delivery"),
        (&dir, &["deliveries", "show", "../bots"], 1, "no UUID"),
        (&dir, &["deliveries", "retry", unknown], 1, "there is no delivery"),
        (&dir, &["deliveries", "retry"], 2, "<ID>"),
        (&dir, &["deliveries", "list", "--limit", "101"], 2, "1..=100"),
        (&dir, &["deliveries", "list", "--status", "gone"], 2, "possible values"),
        (&dir, &["deliveries", "list", "--cursor", "x"], 1, "\"next\""),
        (&dir, &["deliveries", "list", "--url", "https://h"], 1, "write it like http://"),
        (&dir, &["deliveries", "list", "--url", "http://127.0.0.1:1"], 1, "is Botgate running"),
        (&wrong, &["deliveries", "list"], 1, "the admin token is missing or wrong"),
        (&nowhere, &["deliveries", "list"], 78, "botgate.toml"),
        (&bare, &["deliveries", "list"], 1, "has no [admin]"),
    ];
    for (dir, arguments, code, said) in cases {
        let ran = command::run(dir.path(), arguments);
        assert_eq!(ran.code, Some(code), "{arguments:?}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains(said), "{arguments:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, "");
        assert!(!ran.stderr.contains("other word"), "the token is printed");
    }
}

#[test]
fn health_is_an_exit_code() {
    let house = House::new();
    let dir = folder(&house.botgate, &house.text);
    assert_eq!(fine(&dir, &["health"]), "ready\n");
    let line = house.botgate.line("the probes' address", |line| line["listener"] == "probes");
    let probes = format!("http://{}", line["addr"].as_str().unwrap());
    let nowhere = tempfile::tempdir().unwrap();
    assert_eq!(fine(&nowhere, &["health", &probes]), "ready\n");
    assert_eq!(fine(&nowhere, &["health", &format!("{probes}/healthz")]), "ready\n");
    for (arguments, code) in [
        (["health", "http://127.0.0.1:1"], 1),
        (["health", &format!("{probes}/nothing")], 1),
        (["health", "here"], 1),
        (["health", "-c"], 2),
    ] {
        assert_eq!(command::run(nowhere.path(), &arguments).code, Some(code), "{arguments:?}");
    }
    assert_eq!(command::run(nowhere.path(), &["health"]).code, Some(78));
}
