//! Who asks to be forgotten is, everywhere, and nobody else is.

use super::*;

/// Forgets a user of the bot `bot`, as somebody who waits for it.
fn forget(house: &Fixture, user: &str) -> Forgotten {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let forgotten = house.conversations.forget("bot", user, 2);
    runtime.unwrap().block_on(forgotten).unwrap()
}

fn held(house: &Fixture, bot: &str, user: &str, channel: Option<&str>) -> TurnGuard {
    let key = Key::of_user(bot, user, channel);
    match house.conversations.enter(key, POLICY, 2) {
        Begin::Ready(held) => held,
        other => panic!("{other:?}"),
    }
}

#[test]
fn all_channels_of_a_user_are_forgotten_in_memory_and_on_disk_and_no_one_elses() {
    let mut house = Fixture::new();
    for restart in [false, true] {
        for channel in [None, Some("a"), Some("b")] {
            say(held(&house, "bot", "ann", channel), "hello", 2);
        }
        say(held(&house, "bot", "anna", Some("a")), "mine", 2);
        say(held(&house, "bo", "tann", Some("a")), "mine", 2);
        // Once from memory and the queue, once from disk.
        if restart {
            house = house.restart();
        }
        let expected = Forgotten { conversations: 3, more: false };
        assert_eq!(forget(&house, "ann"), expected);
        assert_eq!(house.conversations.store.counts().queued, 0, "it is on disk");
        house = house.restart();
        for channel in [None, Some("a"), Some("b")] {
            assert_eq!(said(&held(&house, "bot", "ann", channel)), [""; 0]);
        }
        for (bot, user) in [("bot", "anna"), ("bo", "tann")] {
            let history = said(&held(&house, bot, user, Some("a")));
            assert_eq!(&history[..2], ["mine", "re mine"]);
        }
        assert_eq!(forget(&house, "ann").conversations, 0, "twice is no harm");
    }
}

#[test]
fn what_is_being_answered_is_forgotten_when_it_is_answered() {
    let house = Fixture::new();
    let answering = held(&house, "bot", "ann", None);
    let id = answering.id().to_owned();
    let waker = Waker::noop();
    let mut context = Context::from_waker(waker);
    let mut forgetting = Box::pin(house.conversations.forget("bot", "ann", 2));
    assert!(forgetting.as_mut().poll(&mut context).is_pending());
    say(answering, "last words", 2);
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let forgotten = runtime.unwrap().block_on(forgetting).unwrap();
    assert_eq!(forgotten.conversations, 1);
    let anew = held(&house, "bot", "ann", None);
    assert_eq!(said(&anew), [""; 0]);
    assert_ne!(anew.id(), id, "it begins anew");
}

#[test]
fn more_than_are_forgotten_at_once_say_so() {
    let house = Fixture::new();
    let channels = MAX_FORGOTTEN + 1;
    for channel in 0..channels {
        say(held(&house, "bot", "ann", Some(&channel.to_string())), "x", 2);
    }
    let all = Forgotten { conversations: MAX_FORGOTTEN, more: true };
    assert_eq!(forget(&house, "ann"), all);
    assert_eq!(forget(&house, "ann").conversations, 1);
}
