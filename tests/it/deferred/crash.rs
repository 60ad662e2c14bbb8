//! Killed at any moment: what was accepted is delivered after the next start.

use super::{Bot, by_id, config, jobs, message};
use crate::harness::{Backend, Botgate, ai};
use rustix::process::Signal;
use serde_json::Value;

/// How often it is killed.
const KILLS: usize = 12;

#[test]
fn whenever_it_is_killed_each_accepted_message_is_delivered() {
    let (ai, receiver) = (ai::echo(), Backend::ok());
    let state = tempfile::tempdir().unwrap();
    let text = config(&ai, state.path(), &[Bot::of("bot", &receiver)]);
    let mut promised = Vec::new();
    for round in 0..KILLS {
        let mut botgate = Botgate::start(&text);
        let mut caller = botgate.caller();
        let mut others: Vec<_> = (0..8).map(|_| botgate.caller()).collect();
        // Some are answered, some are on their way in whatever state the round has come to.
        for nth in 0..=round * 3 {
            let text = format!("{round}-{nth}");
            let reply = caller.call(&message("bot", &format!("u{nth}"), &text));
            assert_eq!(reply.status, 202, "{reply:?}");
            promised.push((id(&reply.body), format!("re: {text}")));
        }
        for (nth, other) in others.iter_mut().enumerate() {
            other.send(&message("bot", &format!("v{nth}"), &format!("{round}-other-{nth}")));
        }
        botgate.signal(Signal::KILL);
        botgate.exit();
        for (nth, other) in others.iter_mut().enumerate() {
            if let Ok(reply) = other.try_reply(false)
                && reply.status == 202
            {
                promised.push((id(&reply.body), format!("re: {round}-other-{nth}")));
            }
        }
    }
    let botgate = Botgate::start(&text);
    for state in ["accepted", "answered"] {
        botgate.metric_until(&format!("botgate_jobs{{state={state:?}}}"), |left| left == 0.0);
    }
    let delivered = by_id(&receiver);
    for (id, text) in &promised {
        let texts = delivered.get(id).unwrap_or_else(|| panic!("{text} is lost"));
        assert!(texts.iter().all(|it| it == text), "{id}: {texts:?}");
    }
    // Every message that there ever was is delivered, told or not; none twice as another job.
    assert_eq!(jobs(&botgate, "dead"), 0.0);
    assert_eq!(jobs(&botgate, "delivered"), delivered.len() as f64);
    assert!(delivered.len() >= promised.len());
}

fn id(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap();
    body["messageId"].as_str().unwrap().to_owned()
}
