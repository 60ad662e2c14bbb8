//! What a bot remembers: every turn once and in order, however many speak at once, and across a restart.

use crate::harness::{Backend, Botgate, Monitor, ai, caller::Reply, clock::Wall};
use std::{path::Path, sync::atomic::AtomicUsize, sync::atomic::Ordering, sync::mpsc, thread};

/// A configuration with `aerostack` bots that anyone may call, in front of one `custom` AI.
fn config(ai: &Backend, state: &Path, bots: &[(&str, &str)]) -> String {
    let mut text = format!(
        "[server]\nhttp = [\"127.0.0.1:0\"]\nworkers = 2\n\n[state]\nstore = \"embedded\"\npath = {:?}\n\n{}",
        state.join("store"),
        ai::upstream("ai", "custom", &format!("http://{}", ai.addr()), "")
    );
    for (bot, more) in bots {
        text += &format!(
            "[bots.{bot}]\ndialect = \"aerostack\"\nupstream = \"ai\"\nverify = {{ preset = \"none\" }}\n\
             limit = {{ rate = \"1000000/s\", burst = 1000000 }}\n{more}\n\n"
        );
    }
    text
}

fn call(botgate: &Botgate, bot: &str, user: &str, text: &str) -> Reply {
    botgate.caller().call(&ai::message(bot, user, text))
}

/// What was said before the last message that the AI was asked.
fn history(ai: &Backend) -> Vec<String> {
    let mut texts = ai::texts(&ai.last());
    texts.pop();
    texts
}

#[test]
fn a_thousand_messages_sixteen_at_a_time_lose_and_double_no_turn() {
    const MESSAGES: usize = 1000;
    const WINDOW: usize = 200;
    let ai = ai::echo();
    let state = tempfile::tempdir().unwrap();
    let text =
        config(&ai, state.path(), &[("memo", "conversation = { ttl = \"24h\", window = 200 }")]);
    let botgate = Botgate::start(&text);
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let mut caller = botgate.caller();
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    if nth >= MESSAGES {
                        return;
                    }
                    let reply = caller.call(&ai::message("memo", "one", &format!("m{nth}")));
                    assert_eq!(ai::said(&reply), format!("re: m{nth}"));
                }
            });
        }
    });
    // The order in which the AI was asked is the conversation's; each question must hold all before it.
    let mut said: Vec<String> = Vec::new();
    let mut id = None;
    for seen in ai.seen() {
        let mut texts = ai::texts(&seen);
        let now = texts.pop().unwrap();
        assert_eq!(texts, said[said.len().saturating_sub(WINDOW)..]);
        said.extend([now.clone(), format!("re: {now}")]);
        let conversation = ai::asked(&seen)["conversation_id"].clone();
        assert_eq!(*id.get_or_insert(conversation.clone()), conversation);
    }
    let mut numbers: Vec<usize> =
        said.iter().filter_map(|text| text.strip_prefix('m')?.parse().ok()).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..MESSAGES), "each exactly once");

    drop(botgate);
    let botgate = Botgate::start(&text);
    ai::said(&call(&botgate, "memo", "one", "after the restart"));
    assert_eq!(history(&ai), said[said.len() - WINDOW..]);
    assert_eq!(ai::asked(&ai.last())["conversation_id"], id.unwrap());
}

#[test]
fn sixteen_wait_for_their_turn_and_one_more_is_refused() {
    let open = Monitor::new(false);
    let gate = open.clone();
    let ai = Backend::start(move |seen, connection| {
        gate.wait("the gate of the AI", |open| *open);
        ai::echoed(seen, connection)
    });
    let state = tempfile::tempdir().unwrap();
    let botgate = Botgate::start(&config(&ai, state.path(), &[("memo", "")]));
    let (sender, replies) = mpsc::channel();
    let callers: Vec<_> = (0..18)
        .map(|nth| {
            let (mut caller, sender) = (botgate.caller(), sender.clone());
            thread::spawn(move || {
                sender.send(caller.call(&ai::message("memo", "one", &format!("m{nth}")))).unwrap();
            })
        })
        .collect();
    // One is with the AI, sixteen wait: nothing is answered but the refusal of the last.
    let refused = replies.recv().unwrap();
    assert_eq!((refused.status, refused.code().as_str()), (429, "rate_limit"));
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    // Another conversation of the same bot does not wait for this one.
    ai.witnessed().wait("the first message", |witnessed| witnessed.seen.len() == 1);
    let mut other = botgate.caller();
    other.send(&ai::message("memo", "two", "another"));
    ai.witnessed().wait("the other user", |witnessed| witnessed.seen.len() == 2);
    open.change(|open| *open = true);
    ai::said(&other.reply());
    for _ in 0..17 {
        ai::said(&replies.recv().unwrap());
    }
    for caller in callers {
        caller.join().unwrap();
    }
    assert_eq!(history(&ai).len(), 20, "the default window");
}

#[test]
fn only_whole_turns_are_remembered() {
    let held = Monitor::new(false);
    let gate = held.clone();
    let ai = Backend::start(move |seen, connection| {
        let said = ai::texts(seen).pop().unwrap();
        match said.as_str() {
            "fail" => connection.answer("500 Oh", "", b"{}"),
            "empty" => ai::reply(connection, &ai::answer("custom", "", 1, 0)),
            "hold" => {
                gate.change(|held| *held = true);
                connection.closed_within(crate::harness::TIMEOUT);
                crate::harness::After::Close
            }
            _ => ai::echoed(seen, connection),
        }
    });
    let state = tempfile::tempdir().unwrap();
    let botgate = Botgate::start(&config(&ai, state.path(), &[("memo", "")]));
    ai::said(&call(&botgate, "memo", "one", "first"));
    for text in ["fail", "empty"] {
        assert_eq!(call(&botgate, "memo", "one", text).status, 502, "{text}");
    }
    // A caller that leaves takes its message with it, and the next one goes on.
    let mut leaver = botgate.caller();
    leaver.send(&ai::message("memo", "one", "hold"));
    held.wait("the AI to hold it", |held| *held);
    drop(leaver);
    ai::said(&call(&botgate, "memo", "one", "second"));
    assert_eq!(history(&ai), ["first", "re: first"]);
    ai::said(&call(&botgate, "memo", "one", "third"));
    assert_eq!(history(&ai), ["first", "re: first", "second", "re: second"]);
}

#[test]
fn user_and_channel_make_the_conversation() {
    let ai = ai::echo();
    let state = tempfile::tempdir().unwrap();
    let botgate = Botgate::start(&config(&ai, state.path(), &[("memo", ""), ("other", "")]));
    let mut caller = botgate.caller();
    ai::said(&caller.call(&ai::message("memo", "one", "hello")));
    for (bot, user, channel) in [
        ("memo", "two", "main"),
        ("memo", "one", "side"),
        ("other", "one", "main"),
        // Where the border between the two names lies must matter.
        ("memo", "onem", "ain"),
    ] {
        let body = serde_json::json!({"text": "who am I?", "user_id": user, "channel_id": channel});
        ai::said(&caller.call(&ai::post(&format!("/api/bots/webhook/custom/{bot}"), "", &body)));
        assert!(history(&ai).is_empty(), "{bot} {user} {channel}");
    }
    ai::said(&caller.call(&ai::message("memo", "one", "who am I?")));
    assert_eq!(history(&ai), ["hello", "re: hello"]);
}

#[test]
fn the_window_begins_with_a_user_and_off_is_off() {
    let ai = ai::echo();
    let state = tempfile::tempdir().unwrap();
    let windows = [
        ("w0", "conversation = { window = 0 }", 0),
        ("w1", "conversation = { window = 1 }", 0),
        ("w2", "conversation = { window = 2 }", 2),
        ("w3", "conversation = { window = 3 }", 2),
        ("w4", "conversation = { window = 4 }", 4),
        ("off", "conversation = \"off\"", 0),
    ];
    let bots = windows.map(|(bot, more, _)| (bot, more));
    let botgate = Botgate::start(&config(&ai, state.path(), &bots));
    for (bot, _, kept) in windows {
        for text in ["a", "b", "c", "d"] {
            ai::said(&call(&botgate, bot, "one", text));
        }
        let all = ["a", "re: a", "b", "re: b", "c", "re: c"];
        assert_eq!(history(&ai), all[all.len() - kept..], "{bot}");
    }
}

#[test]
fn a_conversation_ends_its_ttl_after_its_last_message() {
    const BEGIN: i64 = 1_795_000_000;
    let ai = ai::echo();
    let state = tempfile::tempdir().unwrap();
    let text = config(&ai, state.path(), &[("memo", "conversation = { ttl = \"1h\" }")]);
    let wall = Wall::at(BEGIN);
    let start = || Botgate::start_with(&text, |_, command| wall.pin(command));
    let mut botgate = start();
    // In one life, and from one to the next.
    for restart in [false, true] {
        let mut ids = Vec::new();
        let user = format!("restart {restart}");
        wall.set(BEGIN);
        // Each message is at the last moment that the one before it allows, the last one past it.
        for (after, kept) in [(0, 0), (3599, 2), (2 * 3599, 4), (2 * 3599 + 3600, 0)] {
            wall.set(BEGIN + after);
            if restart {
                drop(botgate);
                botgate = start();
            }
            ai::said(&call(&botgate, "memo", &user, "hello"));
            let about = format!("{after} s after the first, restart: {restart}");
            assert_eq!(history(&ai).len(), kept, "{about}");
            ids.push(ai::asked(&ai.last())["conversation_id"].clone());
        }
        assert_eq!(ids[0], ids[1]);
        assert_eq!(ids[0], ids[2]);
        assert_ne!(ids[0], ids[3], "a new conversation");
    }
}
