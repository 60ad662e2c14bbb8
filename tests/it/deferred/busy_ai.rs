//! More messages than the AI can be asked at once: whoever waits for a connection to it has failed at nothing.

use super::{Bot, accepted, config, failing, jobs_until, wait};
use crate::harness::{Backend, Botgate, Monitor, ai, backend::Witnessed, clock::Wall};
use std::collections::BTreeSet;
use std::time::Duration;

const MESSAGES: usize = 30;
const NOON: i64 = 1_795_262_400;

/// An AI that answers once its gate is open.
fn gated() -> (Backend, Monitor<bool>) {
    let open = Monitor::new(false);
    let gate = open.clone();
    let ai = Backend::start(move |seen, connection| {
        gate.wait("the AI's time", |open| *open);
        ai::echoed(seen, connection)
    });
    (ai, open)
}

/// One connection for each who may ask.
const NARROW: &str = "max_connections = 3\ntimeout = { connect = \"100ms\" }";

#[test]
fn messages_wait_for_a_busy_ai_in_the_order_in_which_they_came() {
    let ((ai, open), receiver) = (gated(), Backend::ok());
    let state = tempfile::tempdir().unwrap();
    let text = config(&ai, state.path(), &[Bot::of("bot", &receiver)])
        .replace("[upstreams.ai]", &format!("[upstreams.ai]\n{NARROW}"));
    let botgate = Botgate::start(&text);
    for nth in 0..MESSAGES {
        accepted(&botgate, "bot", &format!("user{nth}"), &format!("m{nth}"));
    }
    jobs_until(&botgate, "accepted", MESSAGES as f64);
    open.change(|open| *open = true);
    wait(&receiver, MESSAGES);
    let asked: Vec<String> = ai.seen().iter().flat_map(|seen| ai::texts(seen)).collect();
    let in_order: Vec<String> = (0..MESSAGES).map(|nth| format!("m{nth}")).collect();
    assert_eq!(asked, in_order);
}

#[test]
fn an_ai_that_fails_is_left_alone_however_busy_the_one_is_that_stands_in_for_it() {
    let (ai, (spare, open)) = (failing("429 Slow"), gated());
    let receiver = Backend::ok();
    let state = tempfile::tempdir().unwrap();
    let bots = [
        Bot { more: "fallback = [\"spare\"]", ..Bot::of("bot", &receiver) },
        Bot::of("other", &receiver),
    ];
    let url = format!("http://{}", spare.addr());
    let text = config(&ai, state.path(), &bots).replace(
        "[bots.other]\ndialect = \"fourthchat\"\nupstream = \"ai\"",
        "[bots.other]\ndialect = \"fourthchat\"\nupstream = \"spare\"",
    ) + &ai::upstream("spare", "custom", &url, NARROW);
    let wall = Wall::at(NOON);
    let botgate = Botgate::start_with(&text, |_, command| wall.pin(command));
    accepted(&botgate, "other", "one", "first");
    wait(&spare, 1);
    for nth in 1..=4 {
        accepted(&botgate, "bot", &format!("user{nth}"), &format!("m{nth}"));
        wait(&ai, nth);
    }
    let asked: BTreeSet<String> = ai.seen().iter().flat_map(|seen| ai::texts(seen)).collect();
    assert_eq!((asked.len(), ai.count()), (4, 4), "each once, for now");
    open.change(|open| *open = true);
    wait(&receiver, 1);
    // Where they crowd again they are put off again.
    let all = |witnessed: &Witnessed| (witnessed.seen.len() == 5).then_some(());
    let came = (1..100).any(|step| {
        wall.set(NOON + 3 * step);
        let soon = Duration::from_millis(200);
        receiver.witnessed().find_within(soon, all).is_some()
    });
    assert!(came, "{} of 5 came", receiver.count());
}
