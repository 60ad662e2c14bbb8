//! Whose an event is that waits: its subscriber's, wherever that stands in the file.

use super::{BOT, acknowledged, config, event, reports, told, wait};
use crate::harness::{Backend, Botgate, Monitor};
use botgate::state::jobs::{BOUNDS, Id, Job, Jobs, Stage, Subject};
use botgate::state::store::Store;
use std::sync::Arc;

/// The table of a subscriber as [`config`] writes it.
fn tables(text: &str) -> Vec<&str> {
    let tables = text.split("[[subscribers]]").skip(1);
    let table = tables.map(|table| table.split("\n\n").next().unwrap());
    table.collect()
}

#[test]
fn what_waits_for_a_subscriber_follows_it_through_the_file() {
    for name in ["", "name = \"ops\""] {
        let back = Monitor::new(false);
        let is_back = back.clone();
        let one = Backend::start(move |_, connection| {
            let status = if *is_back.lock() { "200 OK" } else { "500 No" };
            connection.answer(status, "", b"")
        });
        let two = Backend::ok();
        let state = tempfile::tempdir().unwrap();
        let patient = format!("{name}\nretries = [{}]", ["\"200ms\""; 16].join(", "));
        let text = reports::guarded(&config(state.path(), "", &[(&one, &*patient), (&two, "")]));
        let botgate = Botgate::start(&text);
        acknowledged(&botgate, BOT, "status", "up");
        wait(&one, 1);
        wait(&two, 1);
        drop(botgate);
        back.change(|back| *back = true);
        let before = one.count();
        let [first, second] = tables(&text)[..] else {
            panic!("{text}");
        };
        let turned = text.replace(first, "FIRST").replace(second, first).replace("FIRST", second);
        assert_ne!(turned, text);
        let botgate = Botgate::start(&turned);
        wait(&one, before + 1);
        reports::settled(&botgate);
        assert_eq!((one.count(), two.count()), (before + 1, 1), "{name:?}");
        assert_eq!(event(&one.last(), "secret 0")["data"]["content"], "up");
    }
}

#[test]
fn what_an_earlier_version_left_goes_to_the_subscriber_at_its_place() {
    let (one, two) = (Backend::ok(), Backend::ok());
    let state = tempfile::tempdir().unwrap();
    let text = reports::guarded(&config(state.path(), "", &[(&one, ""), (&two, "")]));
    let now_ms = 1_795_262_400_000;
    let store = Store::open(&state.path().join("store")).unwrap();
    let journal = Jobs::open(Arc::clone(&store), BOUNDS, now_ms).unwrap();
    let id = Id::new(now_ms);
    let content =
        format!("{{\"id\":\"{id}\",\"type\":\"bot.status\",\"data\":{{\"content\":\"left\"}}}}");
    let job = Job {
        id,
        bot: BOT,
        subject: Subject::default(),
        dialect: "botpass",
        receiver: "subscribers[1]",
        stage: Stage::Deliver,
        body: content.into_bytes().into(),
        claimed: false,
        event: true,
    };
    let step = journal.accept(&[job], now_ms).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(step).unwrap();
    drop(journal);
    drop(store);
    let botgate = Botgate::start(&text);
    wait(&two, 1);
    reports::settled(&botgate);
    let left = ("bot.status".to_owned(), "left".to_owned());
    assert_eq!(told(&two, "secret 1"), [left]);
    assert_eq!(one.count(), 0);
}
