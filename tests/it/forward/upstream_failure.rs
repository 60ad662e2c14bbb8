//! What became of a request whose backend or caller went away: at most once at the backend, and the 502 says how far it got.

use crate::harness::{
    After, Backend, Botgate, Caller, Monitor, OPEN, TIMEOUT, caller::Reply, config, get, machine,
    post,
};
use std::{collections::HashMap, net::TcpListener, thread};

/// The word of a 502 or 504 for how far the request got.
fn fate(reply: &Reply) -> &str {
    reply.header("botgate-upstream").unwrap_or_default()
}

/// A number that looks drawn by chance and is the same in each run.
fn chance(nth: usize) -> usize {
    (nth.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407)) >> 33
}

#[test]
fn a_backend_that_closes_at_random_gets_each_post_at_most_once() {
    const CALLERS: usize = 8;
    const EACH: usize = 250;
    let backend = Backend::start(|seen, connection| {
        let id: usize = seen.target().split_once("id=").unwrap().1.parse().unwrap();
        connection.answer("200 OK", "", b"done");
        // One in four: closed although nothing announced it, as a server does whose idle time is over.
        if chance(id).is_multiple_of(4) { After::Close } else { After::Keep }
    });
    let botgate = Botgate::start(&config(backend.addr(), "", "", OPEN)).expect_errors();
    let addr = botgate.http();
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            thread::spawn(move || {
                let mut connection = Caller::connect(addr);
                let ids = caller * EACH..(caller + 1) * EACH;
                ids.map(|id| {
                    let body = id.to_string();
                    let head = format!(
                        "POST /hook?id={id} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n",
                        body.len()
                    );
                    (id, connection.call(format!("{head}{body}").as_bytes()))
                })
                .collect::<Vec<_>>()
            })
        })
        .collect();
    let replies: Vec<_> = callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect();
    let mut seen: HashMap<String, usize> = HashMap::new();
    for request in backend.seen() {
        *seen.entry(String::from_utf8(request.body.clone()).unwrap()).or_default() += 1;
    }
    assert_eq!(replies.len(), CALLERS * EACH);
    for (id, reply) in &replies {
        let count = seen.get(&id.to_string()).copied().unwrap_or(0);
        match reply.status {
            200 => assert_eq!(count, 1, "{id} was answered"),
            502 => assert!(
                count <= 1 && fate(reply) == "sent",
                "{id}: {count} at the backend, {reply:?}"
            ),
            other => panic!("{id}: {other}"),
        }
    }
    let refused = replies.iter().filter(|(_, reply)| reply.status == 502).count();
    assert!(refused <= replies.len() / 100, "{refused} of {} saw an error", replies.len());
}

#[test]
fn a_close_before_the_dispatch_is_no_ones_error() {
    let backend = Backend::start(|_, connection| {
        connection.answer("200 OK", "", b"done");
        After::Close
    });
    let botgate = Botgate::start(&config(backend.addr(), "", "", OPEN));
    let mut caller = botgate.caller();
    for nth in 1..=200 {
        let reply = caller.call(&post("", b"hello"));
        assert_eq!(reply.status, 200, "request {nth}: {reply:?}");
        backend.witnessed().wait("the backend has closed", |witnessed| witnessed.closed == nth);
    }
    assert_eq!(backend.count(), 200);
}

#[test]
fn a_backend_that_closes_without_an_answer_is_a_502_that_says_sent() {
    let backend = Backend::start(|seen, connection| {
        if seen.nth == 0 && seen.body == b"first" {
            connection.answer("200 OK", "", b"")
        } else {
            After::Close
        }
    });
    let botgate = Botgate::start(&config(backend.addr(), "", "", OPEN)).expect_errors();
    let mut caller = botgate.caller();
    // On a fresh connection, and on one that was used before: there a replay is tempting, and wrong.
    for body in ["lost", "first", "again"] {
        let reply = caller.call(&post(&format!("X-Request-Id: {body}\r\n"), body.as_bytes()));
        if body == "first" {
            assert_eq!(reply.status, 200);
            continue;
        }
        assert_eq!(
            (reply.status, reply.code().as_str(), fate(&reply)),
            (502, "upstream_error", "sent")
        );
        assert_eq!(botgate.access(body)["sent"], "sent");
    }
    assert_eq!(backend.count(), 3, "each came once");
}

#[test]
fn a_backend_that_is_not_there_is_a_502_that_says_unsent() {
    // A port that was just free: nobody listens there.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let botgate = Botgate::start(&config(nobody, "", "", OPEN)).expect_errors();
    let mut caller = botgate.caller();
    for _ in 0..3 {
        let reply = caller.call(&post("", b"hello"));
        assert_eq!(
            (reply.status, reply.code().as_str(), fate(&reply)),
            (502, "upstream_unreachable", "unsent")
        );
        assert!(
            !reply.text().contains(&nobody.port().to_string()),
            "an internal address leaks: {}",
            reply.text()
        );
    }
    assert!(botgate.metric("botgate_upstream_errors_total") >= 3.0);
}

/// A backend that waits until the proxy closes, and tells of that; `begun` makes it start an answer first.
fn waiting(begun: bool) -> (Backend, Monitor<bool>, Monitor<bool>) {
    let (reached, closed) = (Monitor::new(false), Monitor::new(false));
    let (tell, tell_closed) = (reached.clone(), closed.clone());
    let backend = Backend::start(move |_, connection| {
        if begun {
            connection.begin("");
            connection.chunk(b"first");
        }
        tell.change(|reached| *reached = true);
        let has_closed = connection.closed_within(TIMEOUT);
        tell_closed.change(|closed| *closed = has_closed);
        After::Close
    });
    (backend, reached, closed)
}

#[test]
fn a_caller_that_leaves_ends_the_upstream_request() {
    let _machine = machine::exclusive();
    for begun in [false, true] {
        let (backend, reached, closed) = waiting(begun);
        let botgate = Botgate::start(&config(backend.addr(), "", "timeout = \"600s\"", OPEN));
        let mut caller = botgate.caller();
        caller.send(&get("/hook", ""));
        reached.wait("the request at the backend", |reached| *reached);
        if begun {
            assert_eq!(caller.head().unwrap().status, 200);
        }
        drop(caller);
        // No deadline is near that could close it instead.
        closed.wait("the close at the backend", |closed| *closed);
    }
}
