//! `botgate test` of a bot that answers later: to its real callback, and what is said where that fails.

use super::{Bot, always, config, failing, sent};
use crate::harness::{Backend, ai, command};
use std::fs;

/// Runs it for the one bot of this configuration.
#[track_caller]
fn test(text: &str) -> command::Ran {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("botgate.toml"), text).unwrap();
    command::run(dir.path(), &["test", "bot"])
}

#[test]
fn a_test_shows_each_step_up_to_the_callback() {
    let (ai, receiver) = (ai::echo(), Backend::ok());
    let state = tempfile::tempdir().unwrap();
    let ran = test(&config(&ai, state.path(), &[Bot::of("bot", &receiver)]));
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    let steps = [
        "ai begins to answer: 200",
        "bots.bot.callback is connected",
        "bots.bot.callback begins to answer: 200",
    ];
    // The AI may be quicker than the 202.
    assert!(ran.stdout.contains("botgate answers 202"), "{}", ran.stdout);
    let mut rest = ran.stdout.as_str();
    for step in steps {
        let found = rest.split_once(step);
        let found = found.unwrap_or_else(|| panic!("no {step:?}:\n{}", ran.stdout));
        rest = found.1;
    }
    assert_eq!(receiver.count(), 1);
    let body = sent(&receiver.last());
    assert_eq!(body["connectionId"], "bot");
    let left = fs::read_dir(state.path()).unwrap().count();
    assert_eq!(left, 0, "its real folder is left alone");
}

#[test]
fn a_test_says_where_it_ended() {
    let (ai, receiver, refuses) = (ai::echo(), Backend::ok(), always("403 No"));
    let dead = failing("500 No");
    let state = tempfile::tempdir().unwrap();
    let of = |ai: &Backend, bot: Bot<'_>| config(ai, state.path(), &[bot]);
    let unlisted = Bot { callback: "", ..Bot::of("bot", &receiver) };
    for (text, said) in [
        (of(&ai, Bot::of("bot", &refuses)), "the last status: 403"),
        (of(&ai, unlisted), "add allow = [\"127.0.0.1/32\"]"),
        (of(&dead, Bot::of("bot", &receiver)), "The AI failed"),
    ] {
        let ran = test(&text);
        assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
        let printed = ran.stdout + &ran.stderr;
        assert!(printed.contains("the message was dead-lettered"), "{printed}");
        assert!(printed.contains(said), "no {said:?}:\n{printed}");
    }
    assert_eq!((receiver.count(), refuses.count()), (0, 1));
}
