//! What lasts: a switch, whatever happens to the process and the configuration, and what was accepted before it.

use super::{by_body, by_path, config, list, post, settled, told};
use crate::api::metric;
use crate::harness::{Backend, Botgate, Monitor, TIMEOUT, ai};
use rustix::process::Signal;
use std::fs;
use std::sync::mpsc::channel;
use std::thread;

#[test]
fn a_confirmed_switch_survives_a_kill_a_reload_and_an_older_configuration() {
    let (ai, receiver, subscriber) = (ai::echo(), Backend::ok(), Backend::ok());
    let state = tempfile::tempdir().unwrap();
    let text = config(&ai, &receiver, &subscriber, "", state.path());
    let mut botgate = Botgate::start(&text);
    post(&botgate, "open", "deactivate", 200);
    post(&botgate, "bt_*", "deactivate", 200);
    botgate.signal(Signal::KILL);
    botgate.exit();

    let botgate = Botgate::start(&text);
    let off = |botgate: &Botgate| {
        [by_path("open"), by_path("bt_1")].map(|message| botgate.caller().call(&message).status)
    };
    assert_eq!(off(&botgate), [404, 404]);
    settled(&botgate);
    let mut all = told(&subscriber);
    all.sort();
    all.dedup();
    let switched = |bot: &str| (bot.to_owned(), "inactive".to_owned());
    assert_eq!(all, [switched("bt_*"), switched("open")]);

    // Out of the configuration and in again it is what it was.
    let reload = |text: &str| {
        let before = metric(&botgate, "botgate_reload_total{result=\"ok\"}");
        fs::write(botgate.file(), text).unwrap();
        botgate.signal(Signal::HUP);
        let end = std::time::Instant::now() + TIMEOUT;
        while metric(&botgate, "botgate_reload_total{result=\"ok\"}") == before {
            assert!(std::time::Instant::now() < end, "{}", botgate.text());
        }
    };
    reload(&text.replace("[bots.open]", "[bots.other]"));
    assert_eq!(list(&botgate)[0], ("other".to_owned(), "active".to_owned()));
    post(&botgate, "open", "activate", 404);
    reload(&text);
    assert_eq!(list(&botgate)[0], switched("open"));
    assert_eq!(off(&botgate), [404, 404]);
    post(&botgate, "open", "activate", 200);
    assert_eq!(off(&botgate), [200, 404]);
    drop(botgate);
    assert_eq!(off(&Botgate::start(&text)), [200, 404]);
}

#[test]
fn a_bot_that_is_off_stays_off_where_nothing_else_is_kept_any_more() {
    let backend = Backend::ok();
    let state = tempfile::tempdir().unwrap();
    let text = |token: &str| {
        format!(
            "[server]\nhttp = [\"127.0.0.1:0\"]\n[admin]\nlisten = \"127.0.0.1:0\"\n{token}\n\
             [state]\npath = {:?}\n[upstreams.back]\nkind = \"passthrough\"\nurl = \"http://{}\"\n\
             [bots.raw]\ndialect = \"raw\"\npath = \"/hook/*\"\nupstream = \"back\"\nverify = {{ preset = \"none\" }}\n\
             [bots.rest]\ndialect = \"raw\"\npath = \"/*\"\nupstream = \"back\"\nverify = {{ preset = \"none\" }}\n",
            state.path().join("store"),
            backend.addr()
        )
    };
    let status = |botgate: &Botgate, path: &str| {
        let request = crate::harness::get(path, "");
        botgate.caller().call(&request).status
    };
    let botgate = Botgate::start(&text("token = \"admin word\""));
    assert_eq!(status(&botgate, "/hook/a"), 200);
    let answer = post(&botgate, "raw", "deactivate", 200);
    let url = format!("http://{}/hook/*", botgate.http());
    assert_eq!(answer["webhook_url"], url);
    assert_eq!(status(&botgate, "/hook/a"), 404, "and no other gets it");
    assert_eq!(status(&botgate, "/hook"), 404);
    assert_eq!(status(&botgate, "/else"), 200);
    drop(botgate);
    let botgate = Botgate::start(&text(""));
    assert_eq!(status(&botgate, "/hook/a"), 404);
    assert_eq!(status(&botgate, "/else"), 200);
}

#[test]
fn what_was_accepted_before_is_answered_and_delivered_all_the_same() {
    let go = Monitor::new(false);
    let told = go.clone();
    let slow = Backend::start(move |seen, connection| {
        told.wait("the switch", |go| *go);
        ai::echoed(seen, connection)
    });
    let (receiver, subscriber) = (Backend::ok(), Backend::ok());
    let state = tempfile::tempdir().unwrap();
    let text = config(&slow, &receiver, &subscriber, "", state.path());
    let botgate = Botgate::start(&text);
    assert_eq!(botgate.caller().call(&by_path("bt_1")).status, 202);
    assert_eq!(botgate.caller().call(&by_body("desk")).status, 202);
    // One whose caller waits for the answer has begun, too.
    let (sent, answered) = channel();
    let mut waiting = botgate.caller();
    waiting.send(&by_path("open"));
    slow.witnessed().wait("three exchanges", |witnessed| witnessed.seen.len() == 3);
    let wait = thread::spawn(move || sent.send(waiting.reply().status).unwrap());
    for bot in ["bt_*", "desk", "open"] {
        post(&botgate, bot, "deactivate", 200);
    }
    assert_eq!(receiver.count(), 0);
    go.change(|go| *go = true);
    assert_eq!(answered.recv_timeout(TIMEOUT), Ok(200));
    wait.join().unwrap();
    settled(&botgate);
    let mut texts: Vec<_> = receiver.seen().iter().map(|seen| seen.body.clone()).collect();
    texts.sort();
    assert_eq!(texts.len(), 2);
    for (text, bot) in texts.iter().zip(["desk", "bt_1"]) {
        let text = String::from_utf8_lossy(text);
        assert!(text.contains("re: hello") && text.contains(bot), "{text}");
    }
}

#[test]
fn at_most_a_hundred_thousand_bots_are_off() {
    use botgate::state::store::{Changes, Store, Table};
    let (ai, receiver, subscriber) = (ai::echo(), Backend::ok(), Backend::ok());
    let state = tempfile::tempdir().unwrap();
    let text = config(&ai, &receiver, &subscriber, "", state.path());
    let store = Store::open(&state.path().join("store")).unwrap();
    let mut changes = Changes::default();
    for nth in 1..=botgate::state::switches::MAX_SWITCHES {
        let row = std::sync::Arc::from([1]);
        changes.put(Table::Switches, format!("bt_{nth}").as_bytes(), row);
    }
    let (sent, done) = channel();
    store.commit(changes, Box::new(move |written| sent.send(written).unwrap()));
    assert_eq!(done.recv_timeout(TIMEOUT), Ok(Ok(())));
    drop(store);
    let botgate = Botgate::start(&text);
    let refused = post(&botgate, "open", "deactivate", 409);
    let sentence = refused["error"].as_str().unwrap();
    assert!(sentence.contains("100000 are inactive"), "{refused}");
    post(&botgate, "bt_100000", "deactivate", 200);
    assert_eq!(botgate.caller().call(&by_path("open")).status, 200);
    assert_eq!(botgate.caller().call(&by_path("bt_99999")).status, 404);
    post(&botgate, "bt_100000", "activate", 200);
    post(&botgate, "open", "deactivate", 200);
    assert_eq!(botgate.caller().call(&by_path("open")).status, 404);
    settled(&botgate);
}
