//! Raw HTTP/1 cases: what each byte sequence is answered, how many requests the backend saw, whether the connection lives.

mod case;

use crate::harness::{After, Backend, Botgate, Caller, OPEN, caller::End, config, get};
use case::Case;

const SMALL: &str = "max_body = \"64KiB\"";

/// The further bots that the cases name.
const BOTS: &str = r#"
[bots.open]
dialect = "raw"
path = "/open/*"
upstream = "back"
verify = { preset = "none" }

[bots.door]
dialect = "raw"
path = "/door"
upstream = "back"
verify = { preset = "bearer", secrets = ["right"] }
"#;

/// The backend's requests that are not our own question whether a connection lives.
fn count(backend: &Backend) -> usize {
    backend.seen().iter().filter(|seen| !seen.target().contains("probe")).count()
}

fn backend() -> Backend {
    Backend::start(|seen, connection| {
        if seen.request_line().starts_with("HEAD ") {
            connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n");
            return After::Keep;
        }
        connection.answer("200 OK", "", b"seen")
    })
}

#[test]
fn every_raw_case_is_answered_as_written() {
    let cases = case::all();
    assert!(cases.len() >= 120, "only {} cases", cases.len());
    let backend = backend();
    let botgate = Botgate::start(&config(backend.addr(), SMALL, "", &format!("{OPEN}\n{BOTS}")));
    let mut faults = Vec::new();
    for case in &cases {
        if let Err(fault) = judge(case, &botgate, &backend) {
            faults.push(format!("{}: {fault}", case.name));
        }
    }
    assert!(faults.is_empty(), "{} of {} cases:\n{}", faults.len(), cases.len(), faults.join("\n"));
    let smuggled = backend.seen().into_iter().filter(|seen| seen.target().contains("smuggled"));
    // One case sends that line as a request of its own, after a head that frames no body.
    assert!(smuggled.count() <= 1, "a body was served as a request");
}

fn judge(case: &Case, botgate: &Botgate, backend: &Backend) -> Result<(), String> {
    let before = count(backend);
    let mut caller = botgate.caller();
    for part in case.send.chunks(case.split.unwrap_or(usize::MAX)) {
        // Botgate may refuse and close while the rest is still on its way.
        if !caller.try_send(part) {
            break;
        }
    }
    if case.finish {
        caller.finish();
    }
    let mut other = false;
    for (index, &wanted) in case.status.iter().enumerate() {
        let got = answer(case, &mut caller, wanted, case.head)?;
        other = index == 0 && got != wanted && case.or == Some(got);
        if other {
            break;
        }
        expect("status", wanted, got)?;
    }
    if case.finish && case.status.is_empty() {
        match caller.try_reply(false) {
            Ok(reply) => expect("status", case.or, Some(reply.status))?,
            Err(End::Closed | End::Cut) => {}
            Err(End::Silent) => return Err("silence, though the caller had left".to_owned()),
        }
        return expect("requests at the backend", case.backend, count(backend) - before);
    }
    if other {
        lives(None, &mut caller)?;
        return expect("requests at the backend", 0, count(backend) - before);
    }
    if let Some(then) = &case.then {
        expect("requests at the backend before `then`", case.backend, count(backend) - before)?;
        caller.send(then);
        expect(
            "status of `then`",
            case.then_status,
            answer(case, &mut caller, case.then_status, false)?,
        )?;
    }
    lives(case.lives, &mut caller)?;
    expect("requests at the backend", case.backend + case.then_backend, count(backend) - before)?;
    case.compare(
        backend
            .seen()
            .iter()
            .rev()
            .find(|seen| !seen.target().contains("probe"))
            .map(AsRef::as_ref),
    )
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, wanted: T, got: T) -> Result<(), String> {
    if wanted == got { Ok(()) } else { Err(format!("{what}: wanted {wanted:?}, got {got:?}")) }
}

/// Reads the next answer, over a 100 that was not asked about, and checks what every answer has in common.
fn answer(case: &Case, caller: &mut Caller, wanted: u16, to_head: bool) -> Result<u16, String> {
    let reply = loop {
        let reply =
            caller.try_reply(to_head).map_err(|end| format!("wanted {wanted}, got {end:?}"))?;
        if reply.status == 100 && wanted == 100 {
            return Ok(100);
        }
        if reply.status != 100 {
            break reply;
        }
        if case.no_continue {
            return Err("a 100 on 1.0".to_owned());
        }
    };
    if reply.header("x-request-id").is_none_or(str::is_empty) {
        return Err(format!("no X-Request-Id: {reply:?}"));
    }
    let closes =
        reply.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    if case.lives == Some(false) && reply.status >= 400 && !closes {
        return Err(format!("the answer before the close does not announce it: {reply:?}"));
    }
    let word = match reply.status {
        _ if to_head => return Ok(reply.status),
        400 => "invalid_request",
        401 => "unauthorized",
        404 => "not_found",
        405 => "method_not_allowed",
        413 => "too_large",
        431 => "headers_too_large",
        other => return Ok(other),
    };
    expect("the code in the body", word, &reply.code())?;
    Ok(reply.status)
}

/// Asks whether a connection serves another request: it must (`Some(true)`), must not, or may, but never with more than one answer.
fn lives(wanted: Option<bool>, caller: &mut Caller) -> Result<(), String> {
    if wanted != Some(false) && caller.try_send(&get("/hook?probe", "Connection: close\r\n")) {
        match (wanted, caller.try_reply(false)) {
            (_, Ok(reply)) => expect("status of the question whether it lives", 200, reply.status)?,
            (None, Err(End::Closed | End::Cut)) => return Ok(()),
            (_, Err(end)) => return Err(format!("the connection does not live: {end:?}")),
        }
    }
    match caller.try_reply(false) {
        Err(End::Closed | End::Cut) if caller.so_far().is_empty() => Ok(()),
        Err(End::Silent) => Err("the connection stays open".to_owned()),
        other => Err(format!("more than was asked for: {other:?} {:?}", caller.so_far())),
    }
}
