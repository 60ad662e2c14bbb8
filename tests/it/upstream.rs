//! Raw answers of backends: what the caller gets of each, and that no answer ever reaches a question that is not its own.

mod case;
mod early_response;
mod truncation;

use crate::harness::{
    After, Backend, Botgate, Monitor, OPEN,
    caller::{End, Reply},
    config, get,
};
use case::Case;
use std::sync::Arc;

/// One worker, so that two questions in a row may share a connection.
fn one_worker(backend: &Backend) -> Botgate {
    let text = config(backend.addr(), "", "", OPEN).replace("workers = 2", "workers = 1");
    Botgate::start(&text).expect_errors()
}

#[test]
fn every_raw_answer_is_passed_on_as_written() {
    let cases = Arc::new(case::all());
    assert!(cases.len() >= 100, "only {} cases", cases.len());
    let written = Monitor::new(0);
    let (script, tell) = (Arc::clone(&cases), written.clone());
    let backend = Backend::start(move |seen, connection| {
        let (_, id) = seen.target().split_once('?').unwrap();
        let Ok(nth) = id.parse::<usize>() else {
            return connection.answer("200 OK", "", id.as_bytes());
        };
        let case = &script[nth];
        for piece in case.send.chunks(case.split) {
            if !connection.write(piece) {
                break;
            }
        }
        tell.change(|written| *written = nth + 1);
        if case.close { After::Close } else { After::Keep }
    });
    let botgate = one_worker(&backend);
    let mut faults = Vec::new();
    for (nth, case) in cases.iter().enumerate() {
        if let Err(fault) = judge(nth, case, &botgate, &backend, &written) {
            faults.push(format!("{}: {fault}", case.name));
        }
    }
    assert!(faults.is_empty(), "{} of {} cases:\n{}", faults.len(), cases.len(), faults.join("\n"));
}

fn judge(
    nth: usize,
    case: &Case,
    botgate: &Botgate,
    backend: &Backend,
    written: &Monitor<usize>,
) -> Result<(), String> {
    let mut caller = botgate.caller();
    let method = if case.head { "HEAD" } else { "GET" };
    let version = if case.old { "1.0" } else { "1.1" };
    let id = format!("answer-{nth}");
    caller.send(
        format!("{method} /hook?{nth} HTTP/{version}\r\nHost: h\r\nX-Request-Id: {id}\r\n\r\n")
            .as_bytes(),
    );
    match caller.try_reply(case.head) {
        Ok(_) if case.cut => return Err("a cut answer looks whole".to_owned()),
        Ok(reply) => compare(case, &reply)?,
        Err(End::Cut | End::Closed) if case.cut => {}
        Err(end) => return Err(format!("{end:?}; read so far: {:?}", caller.so_far())),
    }
    if let Some(why) = &case.why {
        let line = botgate.access(&id);
        expect("the log's word", why.as_str(), &line["upstream"])?;
        expect("the log's fate", "sent", &line["sent"])?;
    }
    // What stands behind the answer has arrived before the next question is asked.
    written.wait("the whole answer", |written| *written > nth);
    let before = backend.last().connection;
    let probe = format!("probe{nth}");
    let reply = botgate.caller().call(&get(&format!("/hook?{probe}"), ""));
    expect("the next answer", (200, probe), (reply.status, reply.text()))?;
    let same = backend.last().connection == before;
    expect("the same connection again", case.reuse, same)
}

fn compare(case: &Case, reply: &Reply) -> Result<(), String> {
    expect("status", case.status, reply.status)?;
    if case.why.is_some() {
        if !case.head {
            expect("code", "upstream_error", reply.code())?;
        }
        return expect("Botgate-Upstream", Some("sent"), reply.header("botgate-upstream"));
    }
    if let Some(body) = &case.body
        && *body != reply.body
    {
        return Err(format!("the body is {:.200?}", reply.text()));
    }
    for field in &case.present {
        let (name, value) = field.split_once(": ").unwrap();
        expect(name, Some(value), reply.header(name))?;
    }
    for name in &case.absent {
        expect(name, None, reply.header(name))?;
    }
    Ok(())
}

fn expect<W, G>(what: &str, wanted: W, got: G) -> Result<(), String>
where
    W: PartialEq<G> + std::fmt::Debug,
    G: std::fmt::Debug,
{
    if wanted == got { Ok(()) } else { Err(format!("{what}: wanted {wanted:?}, got {got:?}")) }
}
