//! The commands as a user types them: what they print, where, and how they end.

use crate::harness::{Backend, Botgate, HMAC, command, config};
use std::{fs, os::unix::fs::PermissionsExt, process::Command};

const FIVE_MISTAKES: &str = r#"[server]
http = ["127.0.0.1:0"]
drian = "30s"
max_body = "1 banana"

[upstreams.back]
kind = "passthrough"
url = "http://127.0.0.1:5000"

[bots.one]
dialect = "raw"
path = "/one"
upstream = "bakc"
verify = { preset = "githbu", secrets = ["very secret"] }

[bots.two]
dialect = "raw"
path = "/two"
upstream = "back"
"#;

#[test]
fn five_errors_are_reported_at_once_with_their_places_and_fixes() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("botgate.toml"), FIVE_MISTAKES).unwrap();
    for command in ["check", "run"] {
        let ran = command::run(dir.path(), &[command, "--log-format", "human"]);
        assert_eq!(ran.code, Some(78), "{}", ran.stderr);
        let said = ran.stdout + &ran.stderr;
        for (line, word) in
            [(3, "drain"), (4, "banana"), (13, "back"), (14, "github"), (16, "verify")]
        {
            assert!(
                said.contains(&format!("botgate.toml:{line}:")),
                "{command}: no error in line {line}:\n{said}"
            );
            assert!(said.contains(word), "{command}: {word} is not named:\n{said}");
        }
        assert!(said.matches("help:").count() >= 5, "{command}: a fix for each:\n{said}");
        assert!(said.contains("5 errors"), "{said}");
        assert!(!said.contains("very secret"), "a secret is printed:\n{said}");
    }
}

#[test]
fn run_without_a_file_says_what_to_do_next() {
    let dir = tempfile::tempdir().unwrap();
    let ran = command::run(dir.path(), &["run"]);
    assert_eq!(ran.code, Some(78));
    for word in ["botgate.toml", "botgate init", "botgate demo"] {
        assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr);
    }
    assert_eq!(ran.stdout, "", "stdout of `run` holds only what was asked for");
    let ran = command::run(dir.path(), &["check", "-c", "elsewhere.toml"]);
    assert!(ran.code == Some(78) && ran.stderr.contains("elsewhere.toml"), "{}", ran.stderr);
}

#[test]
fn the_file_is_found_through_the_environment() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    assert_eq!(command::run(dir.path(), &["init"]).code, Some(0));
    let mut command = command::botgate(elsewhere.path(), &["check"]);
    let ran = command::to_end(command.env("BOTGATE_CONFIG", dir.path().join("botgate.toml")));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

#[test]
fn init_writes_a_file_that_check_accepts_and_never_overwrites() {
    let dir = tempfile::tempdir().unwrap();
    let ran = command::run(dir.path(), &["init"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let file = dir.path().join("botgate.toml");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("[bots.bt_") && text.lines().any(|line| line.starts_with('#')), "{text}");
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "others may read the secret");
    let ran = command::run(dir.path(), &["check"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert_eq!(command::run(dir.path(), &["init"]).code, Some(1));
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    let other = tempfile::tempdir().unwrap();
    command::run(other.path(), &["init"]);
    assert_ne!(
        fs::read_to_string(other.path().join("botgate.toml")).unwrap(),
        text,
        "the same secret twice"
    );
}

#[test]
fn the_line_that_sign_prints_works_as_it_is() {
    let backend = Backend::ok();
    let basic = "\n[bots.basic]\ndialect = \"raw\"\npath = \"/basic\"\nupstream = \"back\"\nverify = { preset = \"basic\", secrets = [\"me:it's\"] }\n\
                 [bots.stripe]\ndialect = \"raw\"\npath = \"/stripe\"\nupstream = \"back\"\nverify = { preset = \"stripe\", secrets = [\"x\"] }\n";
    let botgate = Botgate::start(&config(backend.addr(), "", "", &format!("{HMAC}{basic}")));
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("body.bin"), b"from a file: it's \\ \"quoted\"\n\xff").unwrap();
    let file = botgate.file();
    for (bot, body, wanted) in [
        ("hook", "it's $HOME \"here\"\\n", &b"it's $HOME \"here\"\\n"[..]),
        ("hook", "@body.bin", b"from a file: it's \\ \"quoted\"\n\xff"),
        ("basic", "x", b"x"),
        ("stripe", "{\"id\":\"1\"}", b"{\"id\":\"1\"}"),
    ] {
        let url = format!("http://{}/{bot}", botgate.http());
        let ran = command::run(
            dir.path(),
            &["sign", bot, "-c", file.to_str().unwrap(), "-d", body, "--url", &url],
        );
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(ran.stdout.starts_with("curl "), "{}", ran.stdout);
        let line = format!(
            "{} --silent --output /dev/null --write-out '%{{http_code}}'",
            ran.stdout.trim_end()
        );
        let answered =
            command::to_end(Command::new("sh").args(["-c", &line]).current_dir(dir.path()));
        assert_eq!(answered.stdout, "200", "{}\n{}", ran.stdout, answered.stderr);
        assert_eq!(backend.last().body, wanted);
    }
}

#[test]
fn sign_says_why_it_cannot() {
    let dir = tempfile::tempdir().unwrap();
    let key = "89cd7489bf665a36667ba46dfd521ca6713fd2f9ad842835340b244e98355f2a";
    let verify = format!("verify = {{ preset = \"discord\", secrets = [\"{key}\"] }}");
    let text = config(([127, 0, 0, 1], 5000).into(), "", "", &verify);
    fs::write(dir.path().join("botgate.toml"), text).unwrap();
    let ran = command::run(dir.path(), &["sign", "hook"]);
    assert!(ran.code == Some(1) && ran.stderr.contains("public"), "{}", ran.stderr);
    let ran = command::run(dir.path(), &["sign", "hok"]);
    assert!(ran.code == Some(1) && ran.stderr.contains("hook"), "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
}

#[test]
fn sign_derives_the_secret_of_an_id_and_init_starts_every_dialect() {
    let dir = tempfile::tempdir().unwrap();
    let master = "0123456789abcdef0123456789abcdef";
    let text = format!(
        "[upstreams.ai]\nkind = \"custom\"\nurl = \"http://127.0.0.1:5000\"\n\
         [bots.\"bt_*\"]\ndialect = \"aerostack\"\nupstream = \"ai\"\nverify = {{ secrets = [{{ derive = \"{master}\" }}] }}\n"
    );
    fs::write(dir.path().join("botgate.toml"), text).unwrap();
    let ran = command::run(dir.path(), &["sign", "bt_a", "-d", "{}"]);
    // Both made with openssl: the id's secret under the master, the body's signature under the id's secret.
    let secret = "fd11f91bc2a81d26e79e9eaeb659b4fa29a61406d2f5457c3080f99390b02716";
    let signature = "63b3a3e57edb3d7c1a3d98af1f7e903baa5c9ae621bf420101aa6a8c0425591b";
    assert!(
        ran.stdout.starts_with(&format!("# the secret of bt_a: {secret}\ncurl "))
            && ran.stdout.contains("/api/bots/webhook/custom/bt_a'")
            && ran.stdout.contains(&format!("sha256={signature}")),
        "{}{}",
        ran.stdout,
        ran.stderr
    );
    let ran = command::run(dir.path(), &["sign", "other"]);
    assert!(ran.code == Some(1) && ran.stderr.contains("bt_*"), "{}", ran.stderr);

    for dialect in botgate::codec::dialect::DIALECTS {
        let dir = tempfile::tempdir().unwrap();
        let init = command::run(dir.path(), &["init", "--dialect", dialect.name]);
        let checked = command::run(dir.path(), &["check"]);
        assert_eq!((init.code, checked.code), (Some(0), Some(0)), "{}", dialect.name);
    }
    let ran = command::run(dir.path(), &["init", "--dialect", "slack"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("aerostack"), "{}", ran.stderr);
}

#[test]
fn the_schema_is_json_and_names_the_tables() {
    let dir = tempfile::tempdir().unwrap();
    let ran = command::run(dir.path(), &["schema"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let schema: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    for table in ["server", "admin", "upstreams", "bots"] {
        assert!(schema["properties"][table].is_object(), "{table}");
    }
}

#[test]
fn a_full_disk_is_a_failure_and_a_reader_that_left_is_none() {
    let dir = tempfile::tempdir().unwrap();
    for (sink, code) in [("> /dev/full", 1), ("| true", 0)] {
        let line = format!("{{ \"$0\" schema; echo \"code $?\" >&2; }} {sink}");
        let ran = command::to_end(
            Command::new("sh")
                .args(["-c", &line, env!("CARGO_BIN_EXE_botgate")])
                .current_dir(dir.path()),
        );
        assert!(
            ran.stderr.ends_with(&format!("code {code}\n")) && !ran.stderr.contains("panic"),
            "{sink}: {}",
            ran.stderr
        );
    }
}

#[test]
fn the_line_of_a_listener_is_written_as_documented() {
    let backend = Backend::ok();
    let botgate = Botgate::start(&config(backend.addr(), "", "", HMAC));
    let line = format!(r#"{{"event":"listening","listener":"http","addr":"{}"}}"#, botgate.http());
    assert!(botgate.text().lines().any(|other| other == line), "{}", botgate.text());
}

#[test]
fn usage_version_and_completions() {
    let dir = tempfile::tempdir().unwrap();
    for (arguments, code, word) in [
        (&["--version"][..], 0, env!("CARGO_PKG_VERSION")),
        (&["--help"], 0, "demo"),
        (&["completions", "bash"], 0, "complete"),
        (&["completions", "fish"], 0, "complete"),
        (&["frobnicate"], 2, "frobnicate"),
        (&["run", "--nonsense"], 2, "--nonsense"),
        (&["--log-format", "xml", "run"], 2, "xml"),
    ] {
        let ran = command::run(dir.path(), arguments);
        assert_eq!(ran.code, Some(code), "{arguments:?}: {}", ran.stderr);
        assert!((ran.stdout + &ran.stderr).contains(word), "{arguments:?}");
    }
}
