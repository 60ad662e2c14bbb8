//! A receiver that is gone fills its share of the journal, and the others go on.

use super::{Bot, accepted, config, message, wait};
use crate::harness::{Backend, Botgate, ai};
use botgate::state::jobs::Id;
use botgate::state::store::{Changes, Store, Table};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// More than eight ninths of all that may wait, in bytes.
const BYTES: u32 = 3_900_000_000;

/// Leaves one job in a folder, as large as that: what an earlier run would have left of a receiver that takes nothing. It is due in
/// a day.
pub(crate) fn fill(folder: &Path, receiver: &str) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now_ms = u64::try_from(now.as_millis()).unwrap();
    // Version 1, to be delivered, not ended.
    let mut head = vec![1, 1, 0];
    for time in [now_ms, now_ms, 0, now_ms, now_ms + 86_400_000] {
        head.extend(time.to_le_bytes());
    }
    for count in [1, 0, BYTES, 0] {
        head.extend(count.to_le_bytes());
    }
    for text in ["some", "fourthchat", receiver, ""] {
        head.extend(u16::try_from(text.len()).unwrap().to_le_bytes());
        head.extend(text.as_bytes());
    }
    let mut changes = Changes::default();
    changes.put(Table::Jobs, Id::new(now_ms).bytes(), head.into());
    let store = Store::open(folder).unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    store.commit(changes, Box::new(move |done| tell.send(done).unwrap()));
    told.recv().unwrap().unwrap();
}

#[test]
fn a_bot_whose_receiver_has_its_share_is_refused_and_another_is_not() {
    let (ai, receiver) = (ai::echo(), Backend::ok());
    let state = tempfile::tempdir().unwrap();
    fill(&state.path().join("store"), "bots.gone.callback");
    let bots = [Bot::of("gone", &receiver), Bot::of("well", &receiver)];
    let botgate = Botgate::start(&config(&ai, state.path(), &bots));
    let reply = botgate.caller().call(&message("gone", "one", "hi"));
    assert_eq!((reply.status, reply.code().as_str()), (503, "overloaded"));
    accepted(&botgate, "well", "one", "hi");
    wait(&receiver, 1);
}
