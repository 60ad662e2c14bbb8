//! What a configuration may say: keys whose feature is not there are unknown, values come from where they are said to.

use crate::harness::{Backend, Botgate, OPEN, command, config, get};
use std::{fs, net::SocketAddr};

/// Runs `check` on a text; gives back its exit code and everything it said.
#[track_caller]
fn check(text: &str) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("botgate.toml"), text).unwrap();
    let ran = command::run(dir.path(), &["check"]);
    (ran.code, ran.stdout + &ran.stderr)
}

fn nowhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 5000))
}

#[test]
fn a_key_whose_feature_is_not_there_is_unknown() {
    // Which of the three tables, what is added, and the word that the error must name.
    let cases = [
        (0, "https = [\"127.0.0.1:0\"]", "https"),
        (0, "tls = []", "tls"),
        (2, "limit = { rate = \"1/s\", outage = \"share\" }", "outage"),
        (2, "[state]\nstore = \"redis\"", "state"),
        (2, "[state]\nredis = { url = \"redis://127.0.0.1\" }", "redis"),
        (2, "[upstreams.gpt]\nkind = \"gemini\"\nurl = \"http://127.0.0.1:1\"", "gemini"),
        (
            2,
            "[bots.a]\ndialect = \"discord\"\npath = \"/a\"\nupstream = \"back\"\nverify = { preset = \"none\" }",
            "discord",
        ),
        (
            2,
            "[bots.j]\ndialect = \"raw\"\npath = \"/j\"\nupstream = \"back\"\nverify = { preset = \"google-chat\", secrets = [\"x\"] }",
            "google-chat",
        ),
    ];
    assert_eq!(check(&config(nowhere(), "", "", OPEN)).0, Some(0), "the text without the addition");
    for (table, added, word) in cases {
        let mut parts = [String::new(), String::new(), OPEN.to_owned()];
        parts[table] = format!("{}\n{added}", parts[table]);
        let (code, said) = check(&config(nowhere(), &parts[0], &parts[1], &parts[2]));
        assert_eq!(code, Some(78), "{added}");
        assert!(said.contains(word), "{added}: {said}");
    }
}

#[test]
fn contradictory_settings_are_errors() {
    let bot = |path: &str| {
        format!("[bots.b]\ndialect = \"raw\"\npath = \"{path}\"\nupstream = \"back\"\n{OPEN}")
    };
    let cases = [
        config(nowhere(), "", "", ""),
        config(nowhere(), "", "", "verify = { preset = \"hmac\", secrets = [\" \\n\"] }"),
        config(nowhere(), "", "", "verify = { preset = \"hmac\" }"),
        config(nowhere(), "", "", "verify = { preset = \"twilio\", secrets = [\"x\"] }"),
        config(nowhere(), "", "", &format!("{OPEN}\n{}", bot("/hook"))),
        config(nowhere(), "", "", &format!("{OPEN}\n{}", bot("no-slash"))),
        config(nowhere(), "", "", &format!("{OPEN}\n{}", bot("/a/../b"))),
        config(nowhere(), "", "url = \"again\"", OPEN),
        config(nowhere(), "max_body = \"64 bananas\"", "", OPEN),
        config(nowhere(), "", "", &format!("{OPEN}\nlimit = {{ rate = \"0/s\" }}")),
        config(nowhere(), "", "", OPEN)
            .replace("listen = \"127.0.0.1:0\"", "listen = \"0.0.0.0:0\""),
        config(nowhere(), "", "headers = { Content-Length = \"5\" }", OPEN),
        config(nowhere(), "", "headers = { X-A = \"b\\r\\nX-C: d\" }", OPEN),
    ];
    for text in cases {
        let (code, said) = check(&text);
        assert_eq!(code, Some(78), "{text}\n{said}");
        assert!(said.contains("botgate.toml:"), "no position: {said}");
    }
}

#[test]
fn a_bot_that_anyone_may_call_is_warned_about_at_each_start() {
    let (code, said) = check(&config(nowhere(), "", "", OPEN));
    assert_eq!(code, Some(0));
    assert!(said.contains("warning") && said.contains("none"), "{said}");
    let backend = Backend::ok();
    let botgate = Botgate::start(&config(backend.addr(), "", "", OPEN));
    botgate.line("the warning", |line| {
        line["level"].as_str().is_some_and(|level| level.to_ascii_lowercase().starts_with("warn"))
    });
}

#[test]
fn values_come_from_the_environment_and_from_files_trimmed() {
    let backend = Backend::ok();
    let verify =
        "verify = { preset = \"bearer\", secrets = [\"${env:TOKEN}\", \"${file:token.txt}\"] }";
    let text = config(backend.addr(), "", "headers = { X-Cost = \"$${env:TOKEN}\" }", verify);
    let botgate = Botgate::start_with(&text, |dir, command| {
        fs::write(dir.join("token.txt"), "from-file\r\n").unwrap();
        command.env("TOKEN", "from-env\n").current_dir("/");
    });
    let mut caller = botgate.caller();
    for token in ["from-env", "from-file"] {
        assert_eq!(
            caller.call(&get("/hook", &format!("Authorization: Bearer {token}\r\n"))).status,
            200,
            "{token}"
        );
    }
    assert_eq!(backend.last().header("x-cost"), ["${env:TOKEN}"]);

    let (code, said) = check(&text);
    assert_eq!(code, Some(78));
    assert!(said.contains("TOKEN") && said.contains("token.txt"), "{said}");
}

#[test]
fn the_default_listener_and_every_optional_key_are_accepted() {
    let server = "max_body = \"1MiB\"\nbuffer = \"256MiB\"\nmax_connections = 20000\ntimeouts = { header = \"10s\", body = \"30s\", \
                  idle = \"75s\" }\ndrain = \"30s\"\naccess_log = \"off\"\ntrusted_proxies = [\"10.0.0.0/8\"]\n\
                  public_url = \"https://bots.example\"\nlimit = { rate = \"1000/min\", burst = 100 }";
    let upstream =
        "timeout = { connect = \"2s\", first_byte = \"30s\", idle = \"30s\", total = \"60s\" }";
    let bot = format!(
        "{OPEN}\nname = \"Bot\"\nlimit = [{{ rate = \"100/s\", burst = 200, key = \"json:/team_id\" }}]\nduplicates = \"off\""
    );
    let (code, said) = check(&config(nowhere(), server, upstream, &bot));
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = check(
        "[upstreams.u]\nkind = \"passthrough\"\nurl = \"http://127.0.0.1:5000\"\n[bots.b]\ndialect = \"raw\"\npath = \"/b\"\n\
         upstream = \"u\"\nverify = { preset = \"bearer\", secrets = [\"x\"] }",
    );
    assert_eq!(code, Some(0), "{said}");
}
