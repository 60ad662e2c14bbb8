//! The folder of `[state]` outlives the version that wrote it: whatever one has left, this one goes on with.

use super::{TOKEN, ask, read};
use crate::harness::{Backend, Botgate, Monitor, ai, caller::Reply, clock::Wall};
use botgate::state::store::Store;
use serde_json::{Value, json};
use std::path::Path;

/// What earlier versions have left, a folder each. That of a new format is what [`write`] leaves.
const LEFT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/folder");
/// When they left it: a Wednesday, noon.
const NOON: i64 = 1_795_003_200;

/// One of each bot that keeps something.
fn config(ai: &Backend, held: &Backend, receivers: [&Backend; 3], folder: &Path) -> String {
    let price = "price = { input = 250, output = 1000 }\nretries = 0";
    let url = |backend: &Backend| format!("http://{}", backend.addr());
    let mut text = format!(
        "[server]\nhttp = [\"127.0.0.1:0\"]\nworkers = 1\ndrain = \"200ms\"\n\n\
         [admin]\nlisten = \"127.0.0.1:0\"\ntoken = \"admin word\"\n\n[state]\npath = {folder:?}\n\n{}{}",
        ai::upstream("ai", "custom", &url(ai), price),
        ai::upstream("held", "custom", &url(held), price),
    );
    for (bot, more) in
        [("memo", ""), ("off", ""), ("rich", "budget = { cap = \"10.00 USD\", per = \"total\" }")]
    {
        text += &format!(
            "[bots.{bot}]\ndialect = \"aerostack\"\nupstream = \"ai\"\nverify = {{ preset = \"none\" }}\n{more}\n\n"
        );
    }
    let [well, gone, late] = receivers;
    for (bot, upstream, receiver) in
        [("well", "ai", well), ("gone", "ai", gone), ("late", "ai", late), ("slow", "held", well)]
    {
        text += &format!(
            "[bots.{bot}]\ndialect = \"fourthchat\"\nupstream = \"{upstream}\"\nverify = {{ secrets = [\"key\"] }}\n\
             duplicates = {{ by = \"header:Idempotency-Key\", window = \"10m\" }}\n\
             callback = {{ url = \"{}/in\", sign = {{ secret = \"s\" }}, allow = [\"127.0.0.0/8\"] }}\n\n",
            url(receiver)
        );
    }
    text += &format!(
        "[bots.reporter]\ndialect = \"botpass\"\nverify = {{ preset = \"none\" }}\n\n\
         [[subscribers]]\nname = \"ops\"\nurl = \"{}/events\"\nbots = [\"reporter\"]\nsecret = \"s\"\nallow = [\"127.0.0.0/8\"]\n",
        url(well)
    );
    text
}

/// An AI that answers what was said last, for ten dollars.
fn dear() -> Backend {
    Backend::start(|seen, connection| {
        let said = ai::texts(seen).pop().unwrap();
        let answer = ai::answer("custom", &format!("re: {said}"), 4_000_000, 0);
        connection.answer("200 OK", "Content-Type: application/json\r\n", &answer)
    })
}

fn says(status: &'static str) -> Backend {
    Backend::start(move |_, connection| connection.answer(status, "", b""))
}

fn say(botgate: &Botgate, bot: &str, text: &str) -> Reply {
    botgate.caller().call(&ai::message(bot, "ann", text))
}

/// A message that is answered later, always the same delivery.
fn deliver(botgate: &Botgate, bot: &str) -> Reply {
    let body = json!({"connectionId": bot, "message": "hello", "userId": "ann"});
    let headers = "Authorization: Bearer key\r\nIdempotency-Key: one\r\n";
    let reply = botgate.caller().call(&ai::post("/api/webhooks/incoming", headers, &body));
    assert_eq!(reply.status, 202, "{reply:?}");
    reply
}

#[track_caller]
fn get(botgate: &Botgate, target: &str) -> Value {
    read(&ask(botgate, "GET", target, TOKEN), 200)
}

/// Waits until so many deliveries stand so.
#[track_caller]
fn until(botgate: &Botgate, expected: &[(&str, usize)]) {
    let end = std::time::Instant::now() + crate::harness::TIMEOUT;
    loop {
        let listed = get(botgate, "/api/deliveries");
        let items = listed["items"].as_array().unwrap();
        let count = |status: &str| items.iter().filter(|item| item["status"] == status).count();
        if expected.iter().all(|(status, wanted)| count(status) == *wanted) {
            return;
        }
        assert!(std::time::Instant::now() < end, "{expected:?}: {listed}");
    }
}

/// Leaves something of all that is kept.
fn write(folder: &Path) {
    let open = Monitor::new(false);
    let gate = open.clone();
    let held = Backend::start(move |seen, connection| {
        gate.wait("the end", |open| *open);
        ai::echoed(seen, connection)
    });
    let (ai, well, gone, late) = (dear(), Backend::ok(), says("410 Gone"), says("503 Later"));
    let wall = Wall::at(NOON);
    let text = config(&ai, &held, [&well, &gone, &late], folder);
    let botgate = Botgate::start_with(&text, |_, command| wall.pin(command));
    for bot in ["memo", "rich"] {
        assert_eq!(say(&botgate, bot, "hello").status, 200);
    }
    for bot in ["well", "gone", "late", "slow"] {
        deliver(&botgate, bot);
    }
    let report = json!({"botId": "reporter", "messageType": "status", "content": "up"});
    let report = ai::post("/api/webhook/incoming", "", &report);
    assert_eq!(botgate.caller().call(&report).status, 200);
    read(&ask(&botgate, "POST", "/api/bots/off/deactivate", TOKEN), 200);
    until(&botgate, &[("delivered", 2), ("dead", 1), ("answered", 1), ("accepted", 1)]);
    drop(botgate);
    open.change(|open| *open = true);
    // Opening it cuts what was reserved and not used.
    drop(Store::open(folder).unwrap());
}

/// Goes on with what [`write`] left, a minute later.
fn go_on(folder: &Path) {
    let (ai, held, receiver) = (dear(), ai::echo(), Backend::ok());
    let wall = Wall::at(NOON + 60);
    let text = config(&ai, &held, [&receiver; 3], folder);
    let botgate = Botgate::start_with(&text, |_, command| wall.pin(command));
    // What was to be answered and to be delivered is, what has ended stays so.
    until(&botgate, &[("delivered", 4), ("dead", 1)]);
    assert_eq!(receiver.count(), 2);
    let again = deliver(&botgate, "well");
    assert_eq!(again.header("botgate-duplicate"), Some("1"));
    until(&botgate, &[("delivered", 4), ("dead", 1)]);
    assert_eq!(say(&botgate, "memo", "again").status, 200);
    assert_eq!(ai::texts(&ai.last()), ["hello", "re: hello", "again"]);
    assert_eq!(say(&botgate, "rich", "again").status, 402, "all is spent");
    assert_eq!(say(&botgate, "off", "hello").status, 404);
    let bots = get(&botgate, "/api/bots");
    let off = bots["items"].as_array().unwrap().iter().find(|bot| bot["id"] == "off");
    assert_eq!(off.unwrap()["status"], "inactive");
    let messages = get(&botgate, "/api/messages");
    assert_eq!(messages["items"][0]["content"], "up", "{messages}");
    let noon = "from=2026-11-18T12:00:00Z&to=2026-11-18T13:00:00Z";
    let figures = get(&botgate, &format!("/api/bots/rich/analytics?{noon}"));
    assert_eq!(figures["requests"]["accepted"], 1, "{figures}");
    assert_eq!(figures["cost_cents"], json!(1000), "{figures}");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(std::fs::copy(entry.path(), to).unwrap()),
        }
    }
}

#[test]
fn folders_of_every_earlier_version_open() {
    let mut versions = 0;
    for version in std::fs::read_dir(LEFT).unwrap() {
        let folder = tempfile::tempdir().unwrap();
        copy(&version.unwrap().path(), folder.path());
        go_on(folder.path());
        versions += 1;
    }
    assert!(versions > 0);
}

#[test]
fn a_folder_of_this_version_opens() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    go_on(folder.path());
}
