//! What is remembered, and for how long.

use super::*;
use crate::codec::message::File;

#[test]
fn a_window_is_cut_so_that_it_begins_with_the_user() {
    for (window, expected) in [
        (0, vec![]),
        (1, vec![]),
        (2, vec!["9", "re 9"]),
        (3, vec!["9", "re 9"]),
        (4, vec!["8", "re 8", "9", "re 9"]),
    ] {
        let house = Fixture::new();
        let policy = Policy { window, ..POLICY };
        for number in 0..10 {
            house.say(&number.to_string(), policy, 1);
        }
        assert_eq!(house.history(policy, 1), expected, "window {window}");
        let house = house.restart();
        assert_eq!(house.history(policy, 1), expected, "window {window}, restarted");
    }
    // A window that a reload changes: no more than is known, no more than is wanted.
    let house = Fixture::new();
    let wide = Policy { window: 10, ..POLICY };
    let narrow = Policy { window: 4, ..POLICY };
    for (policy, texts) in [(narrow, ["a", "b", "c"]), (wide, ["d", "e", "f"])] {
        texts.into_iter().for_each(|text| house.say(text, policy, 1));
    }
    assert_eq!(house.history(wide, 1).len(), 10);
    assert_eq!(house.history(narrow, 1), ["e", "re e", "f", "re f"]);
    let house = house.restart();
    let left = house.history(wide, 1);
    assert_eq!(left[left.len() - 6..], ["d", "re d", "e", "re e", "f", "re f"]);
}

#[test]
fn it_ends_when_its_time_has_passed_since_the_last_message_and_not_before() {
    let house = Fixture::new();
    house.say("a", POLICY, 1);
    house.say("b", POLICY, TTL);
    let (id, end) = (house.held(POLICY, TTL).id().to_owned(), TTL + TTL);
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    assert_eq!(house.held(POLICY, end - 1).id(), id);
    assert_eq!(house.history(POLICY, end - 1).len(), 4);
    let house = house.restart();
    assert_eq!(house.held(POLICY, end - 1).id(), id, "the id outlives the process");
    assert_eq!(house.history(POLICY, end - 1).len(), 4);

    let fresh = house.held(POLICY, end);
    assert_ne!(fresh.id(), id);
    assert_eq!(fresh.history().count(), 0);
    let id = fresh.id().to_owned();
    say(fresh, "c", end);
    let house = house.restart();
    assert_eq!(house.held(POLICY, end).id(), id);
    assert_eq!(house.history(POLICY, end), ["c", "re c"]);
}

#[test]
fn text_and_addresses_are_remembered_and_bytes_are_not() {
    let house = Fixture::new();
    let image = |url: &'static str| Part::Image { url: url.into(), detail: Some("low".into()) };
    let file = |file, name: Option<&'static str>| Part::File {
        file,
        filename: name.map(Into::into),
        mime_type: None,
    };
    let audio = Part::Audio { data: "UklG".into(), format: "wav".into() };
    let mut question = Turn::text(Role::User, "look: ä");
    question.parts.extend([
        image("data:image/png;base64,iVBO"),
        image("https://x.example/a.png"),
        file(File::Url("DATA:text/plain,x".into()), None),
        file(File::Url("https://x.example/b.pdf".into()), Some("b.pdf")),
        file(File::Id("file-1".into()), None),
        audio.clone(),
    ]);
    let mut answer = Turn::text(Role::Assistant, "");
    answer.parts = [audio].into_iter().collect();
    house.held(POLICY, 1).append(&question, &answer, Some(r#"{"a":1}"#), 1);
    {
        let check = |house: &Fixture| {
            let held = house.held(POLICY, 1);
            let history: Vec<Turn<'_>> = held.history().collect();
            let expected = [
                Part::Text("look: ä".into()),
                image("https://x.example/a.png"),
                file(File::Url("https://x.example/b.pdf".into()), Some("b.pdf")),
                file(File::Id("file-1".into()), None),
            ];
            assert_eq!(*history[0].parts, expected);
            assert_eq!(*history[1].parts, [Part::Text("[attachment]".into())]);
            assert_eq!([history[0].role, history[1].role], [Role::User, Role::Assistant]);
        };
        check(&house);
        let house = house.restart();
        check(&house);
        let stored = house.conversations.store.read(Space::Conversations, user(0).group());
        assert!(stored.unwrap()[0].1.ends_with(br#"{"a":1}"#), "the metadata is stored");
    }
}

#[test]
fn a_history_holds_64_kib_of_text_at_most() {
    let house = Fixture::new();
    let policy = Policy { window: 100, ..POLICY };
    let text = "x".repeat(MAX_TEXT / 4);
    let say = |user: &str, assistant: &str| {
        let (user, assistant) =
            (Turn::text(Role::User, user), Turn::text(Role::Assistant, assistant));
        house.held(policy, 1).append(&user, &assistant, None, 1);
    };
    for name in ["a", "b", "c", "d"] {
        say(name, &text[1..]);
    }
    assert_eq!(house.history(policy, 1).len(), 8, "to the byte");
    say("e", "");
    assert_eq!(house.history(policy, 1)[0], "b");
    let id = house.held(policy, 1).id().to_owned();
    say("too large", &"y".repeat(MAX_TEXT));
    assert_eq!(house.history(policy, 1), [""; 0], "and with it goes what came before");
    say("f", "g");
    let house = house.restart();
    assert_eq!(house.history(policy, 1), ["f", "g"]);
    assert_eq!(house.held(policy, 1).id(), id);
}

#[test]
fn what_makes_no_sense_on_disk_is_as_if_it_were_not_there() {
    let house = Fixture::new();
    for text in ["a", "b", "c"] {
        house.say(text, POLICY, 1);
    }
    let whole = house.conversations.store.read(Space::Conversations, user(0).group()).unwrap();
    let (_, middle) = whole.iter().find(|(slot, _)| *slot == 1).unwrap().clone();
    for length in 8..middle.len() {
        let key = user(length as u64);
        for (slot, record) in &whole {
            let cut = if *slot == 1 { &record[..length] } else { record };
            let store = &house.conversations.store;
            store.put(Space::Conversations, key.group(), *slot, cut.into()).unwrap();
        }
        let held = house.conversations.enter(key, POLICY, 1);
        assert!(matches!(&held, Begin::Ready(held) if said(held) == ["c", "re c"]), "{length}");
    }
}

#[test]
fn the_id_that_was_told_before_the_turn_is_the_one_it_goes_on_under() {
    let house = Fixture::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let name = |now_ms| {
        let id = house.conversations.conversation_id(user(0), POLICY, now_ms);
        runtime.block_on(id).unwrap()
    };
    let told = name(1);
    assert_eq!(name(1), told, "kept though nothing was said");
    let held = house.held(POLICY, 1);
    assert_eq!(held.id().as_bytes(), told);
    assert_eq!(name(1), told, "and while somebody holds it");
    assert_eq!(house.conversations.counts().waiting, 0, "nobody queues for that");
    say(held, "a", 1);
    assert_eq!(name(TTL), told);
    let next = name(TTL + 1);
    assert_ne!(next, told, "a new life");

    // Nothing was said in the new one, so only who was told its id knows it after a restart.
    let house = house.restart();
    let mut held = house.held(POLICY, TTL + 2);
    assert_ne!(held.id().as_bytes(), next);
    held.adopt(next);
    assert_eq!(held.id().as_bytes(), next);
    say(held, "b", TTL + 2);
    let mut held = house.restart().held(POLICY, TTL + 3);
    held.adopt(told);
    assert_eq!(held.id().as_bytes(), next, "what has gone on keeps its own");
}
