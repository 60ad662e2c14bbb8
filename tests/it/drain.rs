//! SIGTERM: what is in flight is finished within `drain`, nothing new is accepted, and a second signal ends at once.

use crate::harness::{
    After, Backend, Botgate, Caller, Monitor, OPEN, TIMEOUT, caller::End, config, get, machine,
    post,
};
use rustix::process::Signal;
use std::{
    net::TcpStream,
    time::{Duration, Instant},
};

/// A backend whose streams say `go on` when told and end when told.
fn streaming() -> (Backend, Monitor<u32>) {
    let step = Monitor::new(0);
    let told = step.clone();
    let backend = Backend::start(move |seen, connection| {
        if seen.request_line().starts_with("POST") {
            return connection.answer("200 OK", "", b"ok");
        }
        connection.begin("");
        connection.chunk(b"begun");
        told.wait("the first step", |step| *step >= 1);
        connection.chunk(b"go on");
        told.wait("the second step", |step| *step >= 2);
        connection.chunk(b"");
        After::Keep
    });
    (backend, step)
}

#[track_caller]
fn begin(botgate: &Botgate) -> Caller {
    let mut caller = botgate.caller();
    caller.send(&get("/hook", ""));
    assert_eq!(caller.head().unwrap().status, 200);
    assert_eq!(caller.chunk().unwrap().unwrap(), b"begun");
    caller
}

/// Waits until the public port refuses.
fn refuses(botgate: &Botgate) {
    let end = Instant::now() + TIMEOUT;
    while TcpStream::connect(botgate.http()).is_ok() {
        assert!(Instant::now() < end, "still accepts after SIGTERM");
    }
}

#[test]
fn two_hundred_live_streams_are_finished_and_the_exit_follows_the_last() {
    let _machine = machine::exclusive();
    let (backend, step) = streaming();
    let mut botgate = Botgate::start(&config(backend.addr(), "drain = \"600s\"", "", OPEN));
    let mut callers: Vec<_> = (0..200).map(|_| begin(&botgate)).collect();
    let mut idle = botgate.caller();
    assert_eq!(idle.call(&post("", b"hello")).status, 200);

    botgate.signal(Signal::TERM);
    refuses(&botgate);
    assert!(idle.closed(), "an idle connection is no work in flight");
    step.change(|step| *step = 1);
    for caller in &mut callers {
        assert_eq!(caller.chunk().unwrap().unwrap(), b"go on", "cut before `drain` was over");
    }
    step.change(|step| *step = 2);
    for caller in &mut callers {
        assert_eq!(caller.chunk(), Ok(None), "cut before its end");
    }
    // Long before `drain` is over.
    assert_eq!(botgate.exit().code(), Some(0));
}

#[test]
fn drain_has_an_end() {
    let _machine = machine::exclusive();
    let (backend, _step) = streaming();
    let mut botgate = Botgate::start(&config(backend.addr(), "drain = \"1s\"", "", OPEN));
    let mut caller = begin(&botgate);
    let since = Instant::now();
    botgate.signal(Signal::TERM);
    assert_eq!(caller.chunk(), Err(End::Cut));
    let cut = since.elapsed();
    assert!(cut > Duration::from_millis(900), "cut after {cut:?}, before `drain` was over");
    assert_eq!(botgate.exit().code(), Some(0));
}

#[test]
fn a_second_signal_ends_at_once() {
    let _machine = machine::exclusive();
    for second in [Signal::TERM, Signal::INT] {
        let (backend, _step) = streaming();
        let mut botgate = Botgate::start(&config(backend.addr(), "drain = \"600s\"", "", OPEN));
        let mut caller = begin(&botgate);
        botgate.signal(Signal::TERM);
        refuses(&botgate);
        botgate.signal(second);
        botgate.exit();
        assert_eq!(caller.chunk(), Err(End::Cut));
    }
}

#[test]
fn a_request_whose_body_is_on_its_way_is_served_to_its_end() {
    let (backend, _step) = streaming();
    let text = config(backend.addr(), "drain = \"600s\"", "", OPEN).replace("= 2", "= 1");
    let mut botgate = Botgate::start(&text);
    let mut idle = botgate.caller();
    assert_eq!(idle.call(&post("", b"hello")).status, 200);
    let mut caller = botgate.caller();
    caller.send(b"POST /hook HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhe");
    botgate.metric_until("botgate_in_flight", |requests| requests >= 1.0);
    botgate.signal(Signal::TERM);
    refuses(&botgate);
    // The listeners close first, the workers learn of it next.
    assert!(idle.closed(), "the one worker is draining now");
    let reply = caller.call(b"llo");
    assert_eq!((reply.status, reply.header("connection")), (200, Some("close")));
    assert_eq!(botgate.exit().code(), Some(0));
}

#[test]
fn a_request_whose_head_is_on_its_way_is_served_too() {
    let backend = Backend::ok();
    let text = config(backend.addr(), "drain = \"600s\"", "", OPEN).replace("= 2", "= 1");
    let mut botgate = Botgate::start(&text);
    let mut caller = botgate.caller();
    caller.send(b"GET /hook HTTP/1.1\r\nHo");
    let mut idle = botgate.caller();
    assert_eq!(idle.call(&get("/hook", "")).status, 200);
    botgate.signal(Signal::TERM);
    assert!(idle.closed(), "the one worker is draining now");
    let reply = caller.call(b"st: h\r\n\r\n");
    assert_eq!((reply.status, reply.header("connection")), (200, Some("close")));
    assert_eq!(botgate.exit().code(), Some(0));
}

#[test]
fn idle_connections_are_held_by_the_thousand_and_the_port_is_free_at_once() {
    let _machine = machine::exclusive();
    let backend = Backend::ok();
    let text = config(backend.addr(), "", "", OPEN);
    let botgate = Botgate::start(&text);
    let mut callers: Vec<_> = (0..2000).map(|_| botgate.caller()).collect();
    for caller in &mut callers {
        assert_eq!(caller.call(&post("", b"hello")).status, 200);
    }
    botgate.metric_until("botgate_connections", |open| open >= 2000.0);
    for caller in &mut callers {
        assert_eq!(caller.call(&post("", b"again")).status, 200, "a connection that was idle");
    }
    let port = botgate.http();
    botgate.signal(Signal::KILL);
    let mut botgate = botgate;
    botgate.exit();
    let again =
        Botgate::start(&text.replace("http = [\"127.0.0.1:0\"]", &format!("http = [\"{port}\"]")));
    assert_eq!(again.caller().call(&post("", b"hello")).status, 200);
}
