//! More messages than the AI can be asked at once: whoever waits for a connection to it has failed at nothing.

use super::{Bot, accepted, config, jobs_until, wait};
use crate::harness::{Backend, Botgate, Gate, ai};

const MESSAGES: usize = 30;

#[test]
fn messages_wait_for_a_busy_ai_in_the_order_in_which_they_came() {
    let open = Gate::new(false);
    let gate = open.clone();
    let ai = Backend::start(move |seen, connection| {
        gate.wait("the AI's time", |open| *open);
        ai::echoed(seen, connection)
    });
    let receiver = Backend::ok();
    let state = tempfile::tempdir().unwrap();
    // One connection for each who may ask.
    let text = config(&ai, state.path(), &[Bot::of("bot", &receiver)]).replace(
        "[upstreams.ai]",
        "[upstreams.ai]\nmax_connections = 3\ntimeout = { connect = \"100ms\" }",
    );
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
