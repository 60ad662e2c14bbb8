//! Switched off and on: what callers see of it, whom it is told to, and what it leaves alone.

use super::{House, by_body, by_path, post, proof, report, settled, told};
use crate::api::{TOKEN, ask};
use crate::harness::{Botgate, caller::Reply, command};
use serde_json::{Value, json};
use std::fs;
use std::thread;

/// A way to name a bot.
struct Way {
    bot: &'static str,
    message: Vec<u8>,
    /// A message to a bot that is not there, named the same way.
    unknown: Vec<u8>,
    /// What is answered while the bot is active, and what while it is not.
    on: u16,
    off: u16,
}

fn ways() -> [Way; 6] {
    let way = |bot, write: fn(&str) -> Vec<u8>, on, off| Way {
        bot,
        message: write(bot),
        unknown: write("nobody"),
        on,
        off,
    };
    [
        way("open", by_path, 200, 404),
        way("shut", by_path, 200, 404),
        way("bt_1", by_path, 202, 404),
        way("desk", by_body, 202, 401),
        way("de_1", by_body, 202, 401),
        way("one", report, 200, 404),
    ]
}

/// All of an answer that is not its own id or time.
fn face(reply: Reply) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let own = ["x-request-id", "date"];
    let mut headers = reply.headers;
    headers.retain(|(name, _)| !own.contains(&name.to_ascii_lowercase().as_str()));
    (reply.status, headers, reply.body)
}

/// How many requests were counted as a bot's.
#[track_caller]
fn counted(botgate: &Botgate, bot: &str) -> f64 {
    let page = ask(botgate, "GET", "/metrics", TOKEN);
    let page = String::from_utf8(page.body).unwrap();
    let series = format!("botgate_requests_total{{bot=\"{bot}\"");
    let lines = page.lines().filter(|line| line.starts_with(&series));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

#[test]
fn a_bot_that_is_off_is_as_an_unknown_one_and_there_again_when_it_is_on() {
    let house = House::new();
    // Connections on both workers, open all the time.
    let mut callers: Vec<_> = (0..6).map(|_| house.botgate.caller()).collect();
    for way in ways() {
        let Way { bot, message, unknown, on, off } = way;
        let label = match bot {
            "bt_1" => "bt_*",
            "de_1" => "de*",
            bot => bot,
        };
        for caller in &mut callers {
            assert_eq!(caller.call(&message).status, on, "{bot}");
        }
        assert_eq!(house.post(bot, "deactivate")["status"], "inactive");
        let before = counted(&house.botgate, label);
        for caller in &mut callers {
            let refused = face(caller.call(&message));
            assert_eq!(refused.0, off, "{bot}");
            assert_eq!(refused, face(caller.call(&unknown)), "{bot}");
        }
        assert_eq!(counted(&house.botgate, label), before, "{bot}: not counted as the bot's");
        assert_eq!(house.post(bot, "activate")["status"], "active");
        for caller in &mut callers {
            assert_eq!(caller.call(&message).status, on, "{bot}");
        }
    }
    settled(&house.botgate);
}

#[test]
fn a_template_is_switched_as_one_and_its_bots_each_for_itself() {
    let house = House::with("events = [\"bot.verification\"]");
    let status = |message: &[u8]| house.botgate.caller().call(message).status;
    let bots = || [by_path("bt_1"), by_path("bt_2")].map(|message| status(&message));
    assert_eq!(bots(), [202, 202]);
    house.post("bt_1", "deactivate");
    assert_eq!(bots(), [404, 202]);
    // Some clients write the star so.
    house.post("bt_%2A", "deactivate");
    assert_eq!(bots(), [404, 404]);
    let refused = post(&house.botgate, "bt_2", "activate", 409);
    assert_eq!(refused["code"], "conflict");
    let fix = "activate bt_* first";
    assert!(refused["error"].as_str().unwrap().contains(fix), "{refused}");
    assert_eq!(house.post("bt_3", "deactivate")["status"], "inactive");
    house.post("bt_*", "activate");
    assert_eq!(bots(), [404, 202]);
    assert_eq!(status(&by_path("bt_3")), 404, "it was switched off itself");
    house.post("bt_1", "activate");
    assert_eq!(bots(), [202, 202]);

    // A bot with a table of its own is none of the template's.
    house.post("de*", "deactivate");
    assert_eq!([by_body("de_1"), by_body("desk")].map(|message| status(&message)), [401, 202]);
    house.post("desk", "deactivate");
    house.post("de*", "activate");
    assert_eq!(
        [by_body("de_1"), by_body("desk")].map(|message| status(&message)),
        [202, 401],
        "nor does the template stand in for it"
    );
    settled(&house.botgate);
    let mut all = told(&house.subscriber);
    all.sort();
    let mut expected = [
        ("bt_1", "inactive"),
        ("bt_*", "inactive"),
        ("bt_3", "inactive"),
        ("bt_*", "active"),
        ("bt_1", "active"),
        ("de*", "inactive"),
        ("desk", "inactive"),
        ("de*", "active"),
    ]
    .map(|(bot, status)| (bot.to_owned(), status.to_owned()));
    expected.sort();
    assert_eq!(all, expected);
}

#[test]
fn it_says_where_the_bot_is_and_what_check_says_of_it() {
    let house = House::new();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("botgate.toml"), &house.text).unwrap();
    let checked = command::run(dir.path(), &["check", "--log-format", "json"]);
    let said = checked.stderr + &checked.stdout;
    let notes = said.lines().filter_map(|line| serde_json::from_str(line).ok());
    let notes: Vec<Value> = notes.collect();
    let warnings = |bot: &str| {
        let about = notes.iter().filter(|note| {
            let message = note["message"].as_str();
            message.is_some_and(|message| message.contains(&format!("`bots.{bot}`")))
        });
        let text = |note: &Value, name: &str| note[name].as_str().unwrap().to_owned();
        let sentence = |note: &Value| format!("{}; {}", text(note, "message"), text(note, "fix"));
        about.map(sentence).collect::<Vec<_>>()
    };
    assert_eq!(warnings("open").len(), 1, "{notes:?}");
    assert!(warnings("open")[0].contains("no proof"), "{notes:?}");
    let here = format!("http://{}", house.botgate.http());
    let path = "/api/bots/webhook/custom/";
    for (bot, url) in [
        ("open", format!("{here}{path}open")),
        ("shut", "https://bots.example/shut".to_owned()),
        ("bt_1", format!("{here}{path}bt_1")),
        ("bt_*", format!("{here}{path}{{bot}}")),
        ("desk", format!("{here}/api/webhooks/incoming")),
    ] {
        for (what, status) in [("deactivate", "inactive"), ("activate", "active")] {
            let expected = json!({"status": status, "webhook_url": url, "warnings": warnings(bot)});
            assert_eq!(house.post(bot, what), expected, "{bot}");
        }
    }
    settled(&house.botgate);
}

#[test]
fn each_change_is_one_event_and_no_change_is_none() {
    let house = House::with("events = [\"bot.verification\"]\nbots = [\"open\", \"bt_9*\"]");
    assert_eq!(house.post("open", "activate")["status"], "active");
    thread::scope(|scope| {
        for _ in 0..8 {
            let off = || assert_eq!(house.post("open", "deactivate")["status"], "inactive");
            scope.spawn(off);
        }
    });
    settled(&house.botgate);
    let switched = |bot: &str, status: &str| (bot.to_owned(), status.to_owned());
    assert_eq!(told(&house.subscriber), [switched("open", "inactive")]);
    house.post("open", "activate");
    house.post("open", "activate");
    settled(&house.botgate);
    house.post("shut", "deactivate");
    house.post("bt_1", "deactivate");
    house.post("bt_90", "deactivate");
    settled(&house.botgate);
    // Some of the template's bots are the subscriber's.
    house.post("bt_*", "deactivate");
    settled(&house.botgate);
    assert_eq!(
        told(&house.subscriber)[1..],
        [switched("open", "active"), switched("bt_90", "inactive"), switched("bt_*", "inactive")]
    );
    let off = |(id, _): &&(String, String)| ["shut", "bt_*"].contains(&&**id);
    let (inactive, active): (Vec<_>, Vec<_>) = house.list().into_iter().partition(|it| off(&it));
    assert!(inactive.iter().all(|(_, status)| status == "inactive") && inactive.len() == 2);
    assert!(active.iter().all(|(_, status)| status == "active") && active.len() == 5);
}

#[test]
fn a_page_that_may_not_call_learns_nothing_of_a_bot_that_is_off() {
    let house = House::new();
    house.post("open", "deactivate");
    let preflight = format!(
        "OPTIONS /api/bots/webhook/custom/open HTTP/1.1\r\nHost: h\r\nOrigin: https://a.example\r\n\
         Access-Control-Request-Method: POST\r\n{}\r\n",
        proof("open")
    );
    let unknown = preflight.replace("/open", "/nobody");
    let face = |request: &str| face(house.botgate.caller().call(request.as_bytes()));
    assert_eq!(face(&preflight), face(&unknown));
    settled(&house.botgate);
}
