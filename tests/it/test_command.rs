//! `botgate test BOT`: a bot's own test message through its real upstream, what is shown of it, and what is said where it fails.

use crate::harness::{After, Backend, Monitor, TIMEOUT, command};
use std::{
    fs,
    io::Write,
    net::{SocketAddr, TcpListener},
    thread,
};

const OPENAI: &str = r#"{"choices":[{"message":{"content":"Hello from there"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#;
const ANTHROPIC: &str = r#"{"type":"message","content":[{"type":"text","text":"Hello from there"}],"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":4}}"#;
const CUSTOM: &str = r#"{"content":"Hello from there"}"#;

/// A backend that answers in whatever format its path belongs to.
fn any_kind() -> Backend {
    Backend::start(|seen, connection| {
        let answer = match seen.target() {
            "/v1/chat/completions" => OPENAI,
            "/v1/messages" => ANTHROPIC,
            "/chat" => CUSTOM,
            _ => "Hello from there",
        };
        connection.answer("200 OK", "", answer.as_bytes())
    })
}

/// A backend that gives the same answer to everything.
fn constant(status: &'static str, body: &'static str) -> Backend {
    Backend::start(move |_, connection| connection.answer(status, "", body.as_bytes()))
}

/// An upstream `back` of this kind there, with further lines.
fn upstream(kind: &str, at: SocketAddr, more: &str) -> String {
    let path = if kind == "custom" { "/chat" } else { "" };
    let model = match kind {
        "openai" | "anthropic" => "model = \"m\"\nkey = \"sk-our-own-key\"",
        _ => "",
    };
    format!("[upstreams.back]\nkind = \"{kind}\"\nurl = \"http://{at}{path}\"\n{model}\n{more}\n")
}

/// A bot `hook` of this dialect, with further lines.
fn bot(dialect: &str, more: &str) -> String {
    let (path, preset) = match dialect {
        "raw" => ("path = \"/hook\"", "preset = \"hmac\", "),
        _ => ("", ""),
    };
    let reply = match dialect {
        "fourthchat" => "reply = { mode = \"sync\" }",
        _ => "",
    };
    format!(
        "[bots.hook]\ndialect = \"{dialect}\"\nupstream = \"back\"\nverify = {{ {preset}secrets = [\"the-bots-secret\"] }}\n\
         {path}\n{reply}\n{more}\n"
    )
}

/// Runs `botgate test` on this configuration; the folder is as it was before, and so is that for temporary files.
#[track_caller]
fn test(config: &str, args: &[&str]) -> command::Ran {
    let dir = tempfile::tempdir().unwrap();
    let temporary = dir.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    fs::write(dir.path().join("botgate.toml"), config).unwrap();
    let mut command = command::botgate(dir.path(), &["test"]);
    let ran = command::to_end(command.args(args).env("TMPDIR", &temporary));
    let left = |dir| fs::read_dir(dir).unwrap().count();
    assert_eq!((left(dir.path()), left(&temporary)), (2, 0), "files are left");
    for secret in ["sk-our-own-key", "the-bots-secret"] {
        let printed = ran.stdout.contains(secret) || ran.stderr.contains(secret);
        assert!(!printed, "a secret is printed:\n{}{}", ran.stdout, ran.stderr);
    }
    ran
}

/// Asserts the exit code and that these words follow each other.
#[track_caller]
fn says(ran: &command::Ran, code: i32, words: &[&str]) {
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.code, Some(code), "{said}");
    let mut rest = said.as_str();
    for word in words {
        let found = rest.split_once(word);
        rest = found.unwrap_or_else(|| panic!("no {word:?} in its place:\n{said}")).1;
    }
}

#[test]
fn every_dialect_is_answered_by_every_kind() {
    let backend = any_kind();
    for dialect in botgate::codec::dialect::DIALECTS {
        let kinds = match dialect.chat {
            None => &["passthrough"][..],
            Some(_) => &["custom", "openai", "anthropic"],
        };
        for kind in kinds {
            // Ports that are taken, a log, a limit to callers from elsewhere, a conversation: none of it is in the way.
            let server = format!(
                "[server]\nhttp = [\"{0}\"]\naccess_log = \"access.log\"\n[admin]\nlisten = \"{0}\"\n",
                backend.addr()
            );
            let kept = dialect.chat.is_some_and(|chat| chat.keeps_history());
            let conversation = if kept { "conversation = {}" } else { "" };
            let more = format!("allow_from = [\"203.0.113.0/24\"]\n{conversation}");
            let upstream = upstream(kind, backend.addr(), "");
            let ran = test(&format!("{server}{upstream}{}", bot(dialect.name, &more)), &["hook"]);
            let answer = match dialect.name {
                "botpass" => "Webhook processed successfully",
                _ => "Hello from there",
            };
            let steps = [
                &format!("speaks {}, asks back ({kind})", dialect.name),
                "botgate.toml is read",
                "is sent POST /",
                "back is at 127.0.0.1:",
                "back is connected",
                "back is asked",
                "back begins to answer: 200",
                "back has answered",
                "botgate answers 200",
                answer,
            ];
            says(&ran, 0, &steps);
        }
    }
}

#[test]
fn a_refusal_of_an_ai_is_shown_with_its_text_and_what_helps() {
    let senseless = "<h1>It works!</h1>";
    for (status, body, word, fix) in [
        (
            "401 Unauthorized",
            r#"{"error":{"message":"Incorrect API key provided: sk-our-own-key","code":"invalid_api_key"}}"#,
            "The AI does not accept this server's key",
            "`key` under [upstreams.back]",
        ),
        (
            "429 Too Many Requests",
            r#"{"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}}"#,
            "The AI's quota is used up",
            "top it up",
        ),
        (
            "404 Not Found",
            r#"{"error":{"message":"The model `m` does not exist","code":"model_not_found"}}"#,
            "The AI did not take the request",
            "`model` under [upstreams.back]",
        ),
        ("200 OK", senseless, "it is not valid JSON", "`kind` and `url` under [upstreams.back]"),
    ] {
        let backend = constant(status, body);
        let retries = upstream("openai", backend.addr(), "retries = 0");
        let ran = test(&format!("{retries}{}", bot("aerostack", "")), &["hook"]);
        let masked = body.replace("sk-our-own-key", "***");
        let (begins, failed) =
            (format!("back begins to answer: {}", &status[..3]), "back failed: ".to_owned());
        let steps = [
            &begins,
            &failed,
            word,
            "\"code\":",
            "back said:\n",
            &masked,
            "help: ",
            fix,
            "error: ",
        ];
        says(&ran, 1, &steps);
        assert_eq!(ran.stdout.matches(&failed).count(), 1, "{}", ran.stdout);
    }
}

#[test]
fn an_unreachable_upstream_is_reported_with_what_helps() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let no_tls = TcpListener::bind("127.0.0.1:0").unwrap();
    let tls = format!("https://{}", no_tls.local_addr().unwrap());
    thread::spawn(move || {
        for mut socket in no_tls.incoming().flatten() {
            let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    // A label of 64 characters is no name (RFC 1035 §2.3.4): no name server is asked.
    let nowhere = format!("http://{}.test\"\nallow_http = true #", "a".repeat(64));
    for (url, word, fix) in [
        (format!("http://{nobody}"), "Connection refused", "start the backend"),
        (tls, "TLS handshake failed", "does it speak TLS"),
        (nowhere, "cannot connect", "has no address here"),
    ] {
        let upstream = format!("[upstreams.back]\nkind = \"custom\"\nurl = \"{url}\"\n");
        let ran = test(&format!("{upstream}{}", bot("aibutler", "")), &["hook"]);
        let steps =
            ["back failed: ", word, "(unsent)", "botgate answers 502", "help: ", fix, "error: "];
        says(&ran, 1, &steps);
        assert_eq!(ran.stdout.matches("help: ").count(), 1, "{}", ran.stdout);
    }
}

#[test]
fn an_upstream_that_takes_too_long_is_reported() {
    let backend = Backend::start(|_, connection| {
        connection.closed_within(TIMEOUT);
        After::Close
    });
    let upstream = upstream("openai", backend.addr(), "timeout = \"1s\"");
    let ran = test(&format!("{upstream}{}", bot("chatbot-platform", "")), &["hook"]);
    let fix = "raise `timeout` under [upstreams.back]";
    let steps = ["back is asked", "deadline passed (sent)", "botgate answers 504", "help: ", fix];
    says(&ran, 1, &steps);
}

#[test]
fn a_stream_is_shown_from_its_first_words_and_one_that_breaks_is_a_failure() {
    let first = b"data: {\"delta\":\"Hello\"}\n\n";
    let streamed = |done: &'static [u8]| {
        Backend::start(move |_, connection| {
            connection.begin("Content-Type: text/event-stream\r\n");
            connection.chunk(first);
            connection.chunk(done);
            connection.chunk(b"");
            After::Keep
        })
    };
    let config = |backend: &Backend| {
        let upstream = upstream("custom", backend.addr(), "");
        format!("{upstream}{}", bot("chatbot-platform", "stream = true"))
    };
    let whole = streamed(b"event: done\ndata: {\"content\":\"Hello\"}\n\n");
    let steps = [
        "back begins to answer: 200",
        "botgate begins to answer: 200",
        "botgate answers 200, text/event-stream",
        "Hello",
    ];
    says(&test(&config(&whole), &["hook"]), 0, &steps);
    let broken = streamed(b": and then no more\n\n");
    let steps = [
        "botgate begins to answer: 200",
        "Hello",
        "event: error",
        "help: ",
        "error: the stream ended with an error",
    ];
    says(&test(&config(&broken), &["hook"]), 1, &steps);
}

#[test]
fn a_raw_bots_own_backend_is_heard_and_nothing_it_says_moves_the_terminal() {
    let backend = constant("404 Not Found", "no such \x1b[31mhook\x07 here");
    let upstream = upstream("passthrough", backend.addr(), "");
    let ran = test(&format!("{upstream}{}", bot("raw", "")), &["hook"]);
    let steps = [
        "back begins to answer: 404",
        "botgate answers 404",
        "no such \u{fffd}[31mhook\u{fffd} here",
        "status is 404",
    ];
    says(&ran, 1, &steps);
    assert_eq!(backend.last().target(), "/hook");
}

#[test]
fn a_fallback_that_answers_is_a_success_and_both_are_shown() {
    let (bad, good) = (constant("500 Oops", "{}"), any_kind());
    let second = upstream("openai", good.addr(), "").replace("upstreams.back", "upstreams.other");
    let upstream = upstream("openai", bad.addr(), "");
    let ran = test(
        &format!("{upstream}{second}{}", bot("aerostack", "fallback = [\"other\"]")),
        &["hook"],
    );
    let steps = [
        "asks back (openai), other (openai)",
        "back begins to answer: 500",
        "back failed: ",
        "other begins to answer: 200",
        "botgate answers 200",
    ];
    says(&ran, 0, &steps);
}

#[test]
fn a_message_of_ones_own_and_an_id_of_a_template_are_taken() {
    let told = Monitor::new(String::new());
    let tell = told.clone();
    let backend = Backend::start(move |seen, connection| {
        tell.change(|told| *told = String::from_utf8_lossy(&seen.body).into_owned());
        connection.answer("200 OK", "", OPENAI.as_bytes())
    });
    let master = "0123456789abcdef0123456789abcdef";
    let bots = format!(
        "[bots.\"bt_*\"]\ndialect = \"aerostack\"\nupstream = \"back\"\nverify = {{ secrets = [{{ derive = \"{master}\" }}] }}\n"
    );
    let config = format!("{}{bots}", upstream("openai", backend.addr(), ""));
    let body = r#"{"text":"A message of my own","user_id":"u","channel_id":"c"}"#;
    says(
        &test(&config, &["bt_123", "-d", body]),
        0,
        &["bot bt_123", "custom/bt_123", "answers 200"],
    );
    assert!(told.lock().contains("A message of my own"), "{}", told.lock());
    says(&test(&config, &["bt_123", "-d", "{}"]), 1, &["answers 400", "text"]);
    says(&test(&config, &["other"]), 1, &["there is no bot", "bt_*"]);
}

#[test]
fn a_bot_that_cannot_be_tested_is_an_error() {
    let at = SocketAddr::from(([127, 0, 0, 1], 5000));
    let upstream = upstream("passthrough", at, "");
    let key = "89cd7489bf665a36667ba46dfd521ca6713fd2f9ad842835340b244e98355f2a";
    let discord = format!(
        "[bots.hook]\ndialect = \"raw\"\npath = \"/hook\"\nupstream = \"back\"\nverify = {{ preset = \"discord\", secrets = [\"{key}\"] }}\n"
    );
    says(&test(&format!("{upstream}{discord}"), &["hook"]), 1, &["error: ", "public"]);
    let config = format!("{upstream}{}", bot("raw", ""));
    says(&test(&config, &["hok"]), 1, &["there is no bot \"hok\"", "hook"]);
    says(&test(&config, &[]), 2, &["<BOT>"]);
    says(&test("[server]\nhtpt = []\n", &["hook"]), 78, &["htpt"]);
}
