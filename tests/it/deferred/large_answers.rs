//! Answers that are larger than a job may be: asked again, an AI would say as much, so it is not.

use super::{Bot, config, jobs, jobs_until, sent, wait};
use crate::harness::{Backend, Botgate, Monitor, ai};
use botgate::state::jobs::MAX_JOB;
use serde_json::{Value, json};

const MIB: usize = 1024 * 1024;

/// Sends a message with so many bytes of metadata, which goes out with its answer.
#[track_caller]
fn send(botgate: &Botgate, bot: &str, metadata: usize) {
    let metadata = json!({"blob": "m".repeat(metadata)});
    let body = json!({"connectionId": bot, "message": "hi", "metadata": metadata});
    let headers = "Authorization: Bearer key\r\n";
    let request = ai::post("/api/webhooks/incoming", headers, &body);
    let reply = botgate.caller().call(&request);
    assert_eq!(reply.status, 202, "{reply:?}");
}

#[test]
fn an_answer_that_is_too_large_is_a_failure_at_once_and_the_ai_is_asked_once() {
    let open = Monitor::new(false);
    let gate = open.clone();
    let long = ai::answer("custom", &"a".repeat(9 * MIB / 4), 3, 2);
    let ai = Backend::start(move |_, connection| {
        gate.wait("the gate of the AI", |open| *open);
        ai::reply(connection, &long)
    });
    let receiver = Backend::ok();
    let state = tempfile::tempdir().unwrap();
    let sorry = "Sorry. ".repeat(100);
    let reply = |more: &str| format!("reply = {{ failure_text = \"{sorry}\", {more} }}");
    let [auto, later] = ["mode = \"auto\", within = \"10ms\"", "mode = \"callback\""].map(reply);
    let bot = |id, more| Bot { more, ..Bot::of(id, &receiver) };
    let bots = [bot("auto", &*auto), bot("later", &*later)];
    let text =
        config(&ai, state.path(), &bots).replace("workers = 2", "workers = 2\nmax_body = \"8MiB\"");
    let botgate = Botgate::start(&text);
    send(&botgate, "auto", 6 * MIB);
    open.change(|open| *open = true);
    wait(&receiver, 1);
    assert_eq!(sent(&receiver.last())["message"]["content"], sorry);

    // Beside this not even what is said instead has room.
    send(&botgate, "later", MAX_JOB - 600);
    let about = |line: &Value| line["message"] == "a message is dead-lettered";
    let line = botgate.line("why it is given up", about);
    let reason = line["reason"].as_str().unwrap();
    assert!(reason.contains(&MAX_JOB.to_string()), "{reason}");
    jobs_until(&botgate, "dead", 1.0);
    jobs_until(&botgate, "delivered", 1.0);
    for stands in ["accepted", "answered"] {
        assert_eq!(jobs(&botgate, stands), 0.0, "{stands}");
    }
    assert_eq!(ai.count(), 2, "each was asked once");
}
