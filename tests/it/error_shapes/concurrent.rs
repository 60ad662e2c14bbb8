//! Refusals that it takes more than one message to provoke: an AI behind a gate holds the first, the next one is refused for it.

use super::{Faces, dialect::Dialect};
use crate::harness::{Backend, Botgate, Caller, Monitor, ai, caller::Reply};
use rustix::process::Signal;
use std::{fs, sync::mpsc, thread};

/// What is in the body beside the message: so much that two do not fit in the buffer together.
const PADDING: usize = 50_000;

/// One bot of each kind: its name, lines of its own and of its upstream.
const BOTS: [(&str, &str, &str); 5] = [
    ("twice", "duplicates = { by = \"header:Idempotency-Key\", window = \"10m\" }", ""),
    ("narrow", "", "max_connections = 1\ntimeout = { connect = \"1s\", total = \"60s\" }"),
    ("large", "", ""),
    ("crowded", "", ""),
    ("late", "", ""),
];

fn config(dialect: &Dialect, ai: &Backend) -> String {
    let mut text = "[server]\nhttp = [\"127.0.0.1:0\"]\nworkers = 1\nmax_body = \"64KiB\"\nbuffer = \"64KiB\"\n\n\
                    [admin]\nlisten = \"127.0.0.1:0\"\n\n"
        .to_owned();
    for (bot, more, upstream) in BOTS {
        let url = format!("http://{}", ai.addr());
        text += &ai::upstream(&format!("to-{bot}"), "openai", &url, upstream);
        let lines = format!(
            "upstream = \"to-{bot}\"\nlimit = {{ rate = \"1000/s\", burst = 1000 }}\n{more}"
        );
        text += &dialect.bot(bot, &lines);
    }
    text
}

/// Sends a message that the AI then holds.
fn hold(botgate: &Botgate, ai: &Backend, request: &[u8]) -> Caller {
    let before = ai.count();
    let mut caller = botgate.caller();
    caller.send(request);
    ai.witnessed().wait("the message to be held", |witnessed| witnessed.seen.len() > before);
    caller
}

/// Sends eighteen messages of one conversation: one is held, sixteen wait, and the one whose answer comes first is refused.
fn crowd(botgate: &Botgate, request: &[u8]) -> (Reply, mpsc::Receiver<Reply>) {
    let (sender, replies) = mpsc::channel();
    for _ in 0..18 {
        let (mut caller, sender, request) = (botgate.caller(), sender.clone(), request.to_vec());
        thread::spawn(move || {
            let _ = sender.send(caller.call(&request));
        });
    }
    (replies.recv().unwrap(), replies)
}

/// All of them, for one dialect.
pub(super) fn refusals(dialect: &Dialect) -> Vec<String> {
    let open = Monitor::new(false);
    let gate = open.clone();
    let ai = Backend::start(move |_, connection| {
        gate.wait("the gate of the AI", |open| *open);
        ai::reply(connection, &ai::answer("openai", "fine", 1, 1))
    });
    let text = config(dialect, &ai);
    let botgate = Botgate::start(&text);
    let mut faces = Faces::of(dialect, &botgate);
    let request = |bot: &str, headers: &str, user: &str, padding: usize| {
        let body = dialect.body(bot, user) + &" ".repeat(padding);
        dialect.request(bot, headers, &body)
    };
    let call = |request: &[u8]| botgate.caller().call(request);
    let mut held = Vec::new();

    let once = request("twice", "Idempotency-Key: one\r\n", "one", 0);
    held.push(hold(&botgate, &ai, &once));
    let reply = call(&once);
    faces.see("a second delivery", &reply, 409, "conflict", "duplicate");
    assert_eq!(reply.header("retry-after"), Some("1"));

    held.push(hold(&botgate, &ai, &request("narrow", "", "one", 0)));
    let reply = call(&request("narrow", "", "two", 0));
    faces.see("no seat", &reply, 503, "overloaded", "upstream_queue");

    held.push(hold(&botgate, &ai, &request("large", "", "one", PADDING)));
    let reply = call(&request("large", "", "two", PADDING));
    faces.see("no room", &reply, 503, "overloaded", "buffer_full");

    let mut waiting = None;
    if dialect.keeps {
        let (reply, others) = crowd(&botgate, &request("crowded", "", "one", 0));
        faces.see("a crowd", &reply, 429, "rate_limit", "conversation_full");
        assert_eq!(reply.header("retry-after"), Some("1"));
        waiting = Some(others);

        // Its first message may take its time, those after the reload may not.
        let late = request("late", "", "one", 0);
        held.push(hold(&botgate, &ai, &late));
        let table = "[upstreams.to-late]\n";
        let hasty = text.replace(table, &format!("{table}timeout = \"300ms\"\n"));
        fs::write(botgate.file(), hasty).unwrap();
        botgate.signal(Signal::HUP);
        botgate.metric_until("botgate_reload_total", |count| count > 0.0);
        let reply = call(&late);
        faces.see(
            "a turn that does not come",
            &reply,
            504,
            "upstream_timeout",
            "conversation_timeout",
        );
    }

    open.change(|open| *open = true);
    let first = held.iter_mut().map(Caller::reply).collect::<Vec<_>>();
    let rest = waiting.iter().flat_map(|waiting| waiting.iter().take(17));
    for reply in first.iter().map(|reply| reply.status).chain(rest.map(|reply| reply.status)) {
        assert_eq!(reply, 200, "{}: one that was held or waited", dialect.name);
    }
    let again = call(&once);
    assert_eq!(again.body, first[0].body, "the first answer again");
    faces.logged()
}
