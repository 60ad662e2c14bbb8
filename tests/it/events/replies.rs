//! A message that an AI answers: acknowledged at once, its answer is an event, and so is that there will be none.

use super::{BOT, acknowledged, config, event, told, wait};
use crate::harness::{After, Backend, Botgate, Monitor, ai};
use std::path::Path;

/// The bots ask this AI, and have this in their table besides.
fn asking(ai: &Backend, state: &Path, more: &str, subscribers: &[(&Backend, &str)]) -> String {
    let bot = format!("upstream = \"ai\"\n{more}");
    let ai = ai::upstream("ai", "custom", &format!("http://{}", ai.addr()), "");
    config(state, &bot, subscribers) + &ai
}

fn pair(kind: &str, content: &str) -> (String, String) {
    (kind.to_owned(), content.to_owned())
}

#[test]
fn a_message_is_acknowledged_before_it_is_answered_and_the_conversation_goes_on() {
    let open = Monitor::new(false);
    let gate = open.clone();
    let ai = Backend::start(move |seen, connection| {
        gate.wait("the gate of the AI", |open| *open);
        ai::echoed(seen, connection)
    });
    let (all, answers) = (Backend::ok(), Backend::ok());
    let state = tempfile::tempdir().unwrap();
    let subscribers = [(&all, ""), (&answers, "events = [\"message.sent\"]")];
    let botgate = Botgate::start(&asking(&ai, state.path(), "", &subscribers));
    acknowledged(&botgate, BOT, "message", "one");
    wait(&all, 1);
    assert_eq!(answers.count(), 0, "the AI has not answered yet");
    open.change(|open| *open = true);
    wait(&answers, 1);
    wait(&all, 2);
    let sent = event(&answers.last(), "secret 1");
    assert_eq!(sent["type"], "message.sent");
    assert_eq!(sent["data"]["content"], "re: one");
    assert_eq!(sent["data"]["data"]["userId"], "one");
    acknowledged(&botgate, BOT, "message", "two");
    wait(&answers, 2);
    assert_eq!(ai::texts(&ai.last()), ["one", "re: one", "two"]);
    wait(&all, 4);
    let every = [
        pair("message.received", "one"),
        pair("message.received", "two"),
        pair("message.sent", "re: one"),
        pair("message.sent", "re: two"),
    ];
    assert_eq!(told(&all, "secret 0"), every);
    // Two messages that were answered, and six events.
    botgate.metric_until("botgate_jobs{state=\"delivered\"}", |jobs| jobs == 8.0);
    assert_eq!(botgate.metric("botgate_jobs{state=\"answered\"}"), 0.0);
}

#[test]
fn where_nobody_wants_the_answer_the_acknowledgement_waits_for_it() {
    let (ai, receiver) = (ai::echo(), Backend::ok());
    let state = tempfile::tempdir().unwrap();
    let received = "events = [\"message.received\"]";
    let botgate = Botgate::start(&asking(&ai, state.path(), "", &[(&receiver, received)]));
    acknowledged(&botgate, BOT, "message", "hi");
    assert_eq!(ai.count(), 1, "it was asked before the acknowledgement");
    wait(&receiver, 1);
    assert_eq!(told(&receiver, "secret 0"), [pair("message.received", "hi")]);
}

#[test]
fn an_answer_that_is_given_up_is_an_event_or_the_text_that_is_said_instead() {
    for (more, last) in
        [("", pair("bot.error", "")), (", failure_text = \"Sorry\"", pair("message.sent", "Sorry"))]
    {
        let ai = Backend::start(|_, connection| connection.answer("500 No", "", b""));
        let receiver = Backend::ok();
        let state = tempfile::tempdir().unwrap();
        let reply = format!("reply = {{ answer_within = \"1ms\"{more} }}");
        let botgate = Botgate::start(&asking(&ai, state.path(), &reply, &[(&receiver, "")]));
        acknowledged(&botgate, BOT, "message", "hi");
        wait(&receiver, 2);
        let mut all = told(&receiver, "secret 0");
        all.retain(|(kind, _)| kind != "message.received");
        let [(kind, content)] = &all[..] else { panic!("{all:?}") };
        assert_eq!(*kind, last.0);
        if kind == "bot.error" {
            assert!(content.contains("AI"), "{content}");
            let seen = receiver.seen();
            let ids: Vec<_> = seen
                .iter()
                .map(|seen| event(seen, "secret 0")["data"]["messageId"].clone())
                .collect();
            assert_eq!(ids[0], ids[1], "it says which message was given up");
        } else {
            assert_eq!(*content, last.1);
        }
    }
}

#[test]
fn a_callback_that_is_given_up_is_told_and_a_subscriber_that_is_gone_is_not() {
    let (ai, well) = (ai::echo(), Backend::ok());
    let gone = Backend::start(|_, connection| connection.answer("410 Gone", "", b""));
    let state = tempfile::tempdir().unwrap();
    let bot = format!(
        "[bots.crm]\ndialect = \"fourthchat\"\nupstream = \"ai\"\nverify = {{ preset = \"none\" }}\n\
         callback = {{ url = \"http://{}/in\", sign = {{ secret = \"s\" }}, allow = [\"127.0.0.0/8\"] }}\n\n",
        gone.addr()
    );
    let subscribers = [(&gone, ""), (&well, "")];
    let text = asking(&ai, state.path(), "", &subscribers) + &bot;
    let botgate = Botgate::start(&text);
    let body = serde_json::json!({"connectionId": "crm", "message": "hi"});
    let request = ai::post("/api/webhooks/incoming", "", &body);
    assert_eq!(botgate.caller().call(&request).status, 202);
    wait(&well, 1);
    let told = event(&well.last(), "secret 1");
    assert_eq!(told["type"], "bot.error");
    assert_eq!(told["data"]["agentId"], "crm");
    let content = told["data"]["content"].as_str().unwrap();
    assert!(content.contains("410"), "{content}");
    // The callback's delivery and the event about it to the subscriber that is gone, and nothing about that.
    botgate.metric_until("botgate_jobs{state=\"dead\"}", |jobs| jobs == 2.0);
    botgate.metric_until("botgate_jobs{state=\"delivered\"}", |jobs| jobs == 1.0);
    assert_eq!((well.count(), gone.count()), (1, 2));
}

#[test]
fn what_is_left_for_a_bot_or_a_callback_that_is_gone_is_told_and_for_a_subscriber_it_is_not() {
    let (ai, well) = (ai::echo(), Backend::ok());
    let breaks = Backend::start(|_, _| After::Close);
    let down = Backend::start(|_, connection| connection.answer("500 No", "", b""));
    let state = tempfile::tempdir().unwrap();
    let patient = format!("retries = [{}]", ["\"1s\""; 16].join(", "));
    let upstream = ai::upstream("breaks", "custom", &format!("http://{}", breaks.addr()), "");
    let bot = |id: &str, upstream: &str| {
        format!(
            "[bots.{id}]\ndialect = \"fourthchat\"\nupstream = \"{upstream}\"\nverify = {{ preset = \"none\" }}\n\
             callback = {{ url = \"http://{}/in\", sign = {{ secret = \"s\" }}, allow = [\"127.0.0.0/8\"], {patient} }}\n\n",
            down.addr()
        )
    };
    let subscribers = [(&well, "events = [\"bot.error\"]"), (&down, &*patient)];
    let text = asking(&ai, state.path(), "", &subscribers)
        + &upstream
        + &bot("unanswered", "breaks")
        + &bot("undelivered", "ai");
    let botgate = Botgate::start(&text);
    for id in ["unanswered", "undelivered"] {
        let body = serde_json::json!({"connectionId": id, "message": "hi"});
        let request = ai::post("/api/webhooks/incoming", "", &body);
        assert_eq!(botgate.caller().call(&request).status, 202);
    }
    acknowledged(&botgate, BOT, "status", "up");
    let broke = "botgate_upstream_errors_total{upstream=\"breaks\",word=\"broken\"}";
    botgate.metric_until(broke, |count| count >= 1.0);
    // The event and the callback, each in vain.
    wait(&down, 2);
    drop(botgate);
    assert_eq!(well.count(), 0);

    // The bot that is left has no callback any more.
    let sync = "[bots.undelivered]\ndialect = \"aerostack\"\nupstream = \"ai\"\nverify = { preset = \"none\" }\n";
    let text = asking(&ai, state.path(), "", &subscribers[..1]) + sync;
    let botgate = Botgate::start(&text);
    botgate.metric_until("botgate_jobs{state=\"dead\"}", |jobs| jobs == 3.0);
    botgate.metric_until("botgate_jobs{state=\"delivered\"}", |jobs| jobs == 2.0);
    let mut all: Vec<_> = well.seen().iter().map(|seen| event(seen, "secret 0")).collect();
    all.sort_by_key(|event| event["data"]["agentId"].to_string());
    let about = |event: &serde_json::Value| {
        assert_eq!(event["type"], "bot.error");
        let text = |key: &str| event["data"][key].as_str().unwrap().to_owned();
        (text("agentId"), text("content"))
    };
    let left = [
        pair("unanswered", "its bot is not in the configuration any more"),
        pair("undelivered", "its receiver is not in the configuration any more"),
    ];
    assert!(all.iter().map(about).eq(left), "{all:?}");
}
