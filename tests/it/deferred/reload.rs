//! A reload: a bot begins to answer later, and its receiver moves.

use super::{Bot, accepted, config, jobs_until, message, wait};
use crate::harness::{Backend, Botgate, ai};
use rustix::process::Signal;
use std::fs;

#[track_caller]
fn reload(botgate: &Botgate, text: &str) {
    let name = "botgate_reload_total{result=\"ok\"}";
    let before = botgate.metric(name);
    fs::write(botgate.file(), text).unwrap();
    botgate.signal(Signal::HUP);
    botgate.metric_until(name, |count| count > before);
}

#[test]
fn a_reload_lets_a_bot_answer_later_and_moves_its_receiver() {
    let (ai, first, second) = (ai::echo(), Backend::ok(), Backend::ok());
    let state = tempfile::tempdir().unwrap();
    let text = |bot: Bot<'_>| config(&ai, state.path(), &[bot]);
    // Keeps nothing, so that there is no store either.
    let sync = Bot {
        more: "reply = { mode = \"sync\" }\nconversation = \"off\"",
        ..Bot::of("bot", &first)
    };
    let botgate = Botgate::start(&text(sync));
    let reply = botgate.caller().call(&message("bot", "one", "hi"));
    assert_eq!(reply.status, 200);
    assert!(!fs::exists(state.path().join("store")).unwrap());
    reload(&botgate, &text(Bot::of("bot", &first)));
    accepted(&botgate, "bot", "one", "hi");
    wait(&first, 1);
    reload(&botgate, &text(Bot::of("bot", &second)));
    accepted(&botgate, "bot", "one", "hi");
    wait(&second, 1);
    jobs_until(&botgate, "delivered", 2.0);
    assert_eq!((first.count(), second.count()), (1, 1));
}
