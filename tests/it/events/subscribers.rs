//! Who is told of what: by kind and bot, signed, and one whether or not another can be reached.

use super::{BOT, acknowledged, config, event, report, told, wait};
use crate::harness::{Backend, Botgate, Monitor, backend::Seen};
use serde_json::json;

#[test]
fn subscribers_are_told_of_the_kinds_and_bots_that_they_want() {
    let (chatty, narrow) = (Backend::ok(), Backend::ok());
    let state = tempfile::tempdir().unwrap();
    let subscribers =
        [(&chatty, ""), (&narrow, "events = [\"bot.status\", \"bot.error\"]\nbots = [\"9U8*\"]")];
    let botgate = Botgate::start(&config(state.path(), "", &subscribers));
    let mut count = 0;
    for bot in [BOT, "other"] {
        for kind in ["message", "status", "error", "event"] {
            acknowledged(&botgate, bot, kind, &format!("{bot} {kind} \u{2028} </script>"));
            count += 1;
            // One after the other they come in order.
            wait(&chatty, count);
            let last = event(&chatty.last(), "secret 0");
            let name = match kind {
                "message" | "event" => "message.received",
                "status" => "bot.status",
                _ => "bot.error",
            };
            assert_eq!(last["type"], name);
            let data = &last["data"];
            assert_eq!(data["agentId"], bot);
            assert_eq!(data["messageType"], kind);
            assert_eq!(data["data"], json!({"version": "1.0.5", "userId": "one"}));
        }
    }
    wait(&narrow, 2);
    botgate.metric_until("botgate_jobs{state=\"delivered\"}", |jobs| jobs == 10.0);
    let own =
        |kind: &str, word: &str| (kind.to_owned(), format!("{BOT} {word} \u{2028} </script>"));
    let wanted = [own("bot.error", "error"), own("bot.status", "status")];
    assert_eq!(told(&narrow, "secret 1"), wanted);
    let both = |seen: &Seen| event(seen, "secret 1")["data"]["messageId"].clone();
    let ids: Vec<_> = narrow.seen().iter().map(|seen| both(seen)).collect();
    for seen in chatty.seen() {
        let event = event(&seen, "secret 0");
        let shared = ids.contains(&event["data"]["messageId"]);
        let wanted = event["data"]["agentId"] == BOT && event["type"] != "message.received";
        assert_eq!(shared, wanted, "the message's id is the same for all");
        assert_ne!(event["id"], event["data"]["messageId"]);
    }
}

#[test]
fn one_that_fails_holds_up_no_other_and_gets_each_event_under_its_id_in_the_end() {
    let well = Backend::ok();
    let back = Monitor::new(false);
    let is_back = back.clone();
    let broken = Backend::start(move |_, connection| {
        let status = if *is_back.lock() { "200 OK" } else { "500 No" };
        connection.answer(status, "", b"")
    });
    let state = tempfile::tempdir().unwrap();
    let patient = format!("retries = [{}]", ["\"1s\""; 16].join(", "));
    let subscribers = [(&broken, &*patient), (&well, "")];
    let botgate = Botgate::start(&config(state.path(), "", &subscribers));
    for nth in 1..=3 {
        acknowledged(&botgate, BOT, "status", &nth.to_string());
        wait(&well, nth);
    }
    wait(&broken, 4);
    back.change(|back| *back = true);
    botgate.metric_until("botgate_jobs{state=\"delivered\"}", |jobs| jobs == 6.0);
    assert_eq!(well.count(), 3);
    let mut all = told(&broken, "secret 0");
    all.dedup();
    let status = |nth: &str| ("bot.status".to_owned(), nth.to_owned());
    assert_eq!(all, [status("1"), status("2"), status("3")]);
    let ids: std::collections::BTreeSet<_> =
        broken.seen().iter().map(|seen| seen.header("webhook-id")[0].to_owned()).collect();
    assert_eq!(ids.len(), 3, "one id for all attempts");
}

#[test]
fn a_report_without_subscribers_makes_no_delivery() {
    let receiver = Backend::ok();
    let state = tempfile::tempdir().unwrap();
    let never = "events = [\"bot.verification\", \"message.sent\"]";
    let botgate = Botgate::start(&config(state.path(), "", &[(&receiver, never)]));
    for kind in ["message", "status", "error", "event"] {
        acknowledged(&botgate, BOT, kind, "hi");
    }
    for stands in ["accepted", "answered", "delivered", "dead"] {
        let name = format!("botgate_jobs{{state=\"{stands}\"}}");
        assert_eq!(botgate.metric(&name), 0.0, "{stands}");
    }
    assert_eq!(receiver.count(), 0);
}

#[test]
fn a_refused_report_is_sent_to_nobody() {
    let receiver = Backend::ok();
    let state = tempfile::tempdir().unwrap();
    let botgate = Botgate::start(&config(state.path(), "", &[(&receiver, "")]));
    let body = json!({"botId": BOT, "messageType": "shout", "content": "hi"});
    assert_eq!(botgate.caller().call(&super::request(&body)).status, 400);
    assert_eq!(botgate.caller().call(&report("nobody", "status", "hi")).status, 404);
    acknowledged(&botgate, BOT, "status", "up");
    wait(&receiver, 1);
    assert_eq!(event(&receiver.last(), "secret 0")["data"]["content"], "up");
    assert_eq!(receiver.count(), 1);
}

#[test]
fn where_one_has_no_more_room_reports_are_acknowledged_and_the_others_are_told() {
    let (gone, well) = (Backend::ok(), Backend::ok());
    let state = tempfile::tempdir().unwrap();
    crate::deferred::receiver_share::fill(&state.path().join("store"), "subscribers.gone");
    let subscribers = [(&gone, "name = \"gone\""), (&well, "")];
    let botgate = Botgate::start(&config(state.path(), "", &subscribers));
    acknowledged(&botgate, BOT, "status", "on");
    wait(&well, 1);
    // What could not wait is dead, and kept.
    botgate.metric_until("botgate_jobs{state=\"dead\"}", |jobs| jobs == 1.0);
    botgate.metric_until("botgate_jobs{state=\"delivered\"}", |jobs| jobs == 1.0);
    assert_eq!(gone.count(), 0);
}
