//! Which AI answers: by weight and sticky, the next one where the first is down, and a breaker between them that probes.

use crate::harness::{After, Backend, Botgate, Monitor, TIMEOUT, ai, caller::Reply, machine};
use rustix::process::Signal;
use std::{
    fs,
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

/// An AI that says its own name.
fn named(name: &'static str) -> Backend {
    Backend::start(move |_, connection| answered(name, connection))
}

fn answered(name: &str, connection: &mut crate::harness::backend::Connection<'_>) -> After {
    ai::reply(connection, &ai::answer("custom", name, 1, 1))
}

/// One bot in front of the named upstreams; `route` are its lines `upstream` and `fallback`.
fn config(upstreams: &[(&str, SocketAddr)], each: &str, route: &str) -> String {
    let mut text =
        "[server]\nhttp = [\"127.0.0.1:0\"]\nworkers = 2\n\n[admin]\nlisten = \"127.0.0.1:0\"\n\n"
            .to_owned();
    for (name, addr) in upstreams {
        text += &ai::upstream(name, "custom", &format!("http://{addr}"), each);
    }
    text + &format!(
        "[bots.desk]\ndialect = \"aerostack\"\nverify = {{ preset = \"none\" }}\n\
         limit = {{ rate = \"1000000/s\", burst = 1000000 }}\n{route}\n"
    )
}

fn call(botgate: &Botgate, user: &str) -> Reply {
    botgate.caller().call(&ai::message("desk", user, "hello"))
}

/// Who answers each of a thousand users.
fn answers(botgate: &Botgate) -> Vec<String> {
    let mut caller = botgate.caller();
    let ask = |nth| ai::said(&caller.call(&ai::message("desk", &format!("user-{nth}"), "hi")));
    (0..1000).map(ask).collect()
}

#[test]
fn a_weight_that_changes_by_ten_points_moves_only_those_that_must_move() {
    let (a, b) = (named("a"), named("b"));
    let weighed = |a_weight: u32, b_weight: u32| {
        config(
            &[("a", a.addr()), ("b", b.addr())],
            "",
            &format!(
                "upstream = [{{ name = \"a\", weight = {a_weight} }}, {{ name = \"b\", weight = {b_weight} }}]"
            ),
        )
    };
    let botgate = Botgate::start(&weighed(90, 10));
    let before = answers(&botgate);
    assert_eq!(answers(&botgate), before, "each user keeps their AI");
    let with_b = before.iter().filter(|name| *name == "b").count();
    assert!((60..=140).contains(&with_b), "10 % of 1000 are not {with_b}");

    fs::write(botgate.file(), weighed(80, 20)).unwrap();
    botgate.signal(Signal::HUP);
    botgate.metric_until("botgate_reload_total", |count| count > 0.0);
    let after = answers(&botgate);
    let moved: Vec<_> = before.iter().zip(&after).filter(|(b, a)| a != b).collect();
    assert!(
        moved.iter().all(|(before, _)| *before == "a"),
        "who was with the AI that gained stays"
    );
    assert!((60..=140).contains(&moved.len()), "10 points of weight moved {} of 1000", moved.len());
}

#[test]
fn an_ai_that_dies_under_load_costs_no_request_and_is_probed_until_it_is_back() {
    let _machine = machine::exclusive();
    let (mut a, b, c) = (Some(named("a")), named("b"), named("c"));
    let addr = a.as_ref().unwrap().addr();
    let botgate = Botgate::start(&config(
        &[("a", addr), ("b", b.addr()), ("c", c.addr())],
        "",
        "upstream = [{ name = \"a\", weight = 90 }, { name = \"b\", weight = 10 }]\nfallback = [\"c\"]",
    ));
    let (asked, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let until = |count: usize| {
        while asked.load(Ordering::Relaxed) < count {
            thread::yield_now();
        }
    };
    thread::scope(|scope| {
        let callers: Vec<_> = (0..8)
            .map(|nth| {
                let (asked, over, botgate) = (&asked, &over, &botgate);
                scope.spawn(move || {
                    let mut caller = botgate.caller();
                    for turn in 0.. {
                        if over.load(Ordering::Relaxed) {
                            return;
                        }
                        let user = format!("user-{nth}-{turn}");
                        // Every one is answered, those that the AI was cut off in too: another one could.
                        ai::said(&caller.call(&ai::message("desk", &user, "hello")));
                        asked.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        until(500);
        drop(a.take());
        until(2500);
        over.store(true, Ordering::Relaxed);
        callers.into_iter().for_each(|caller| caller.join().unwrap());
    });
    assert!(b.count() > 0, "the other weighted one is asked");
    assert_eq!(botgate.metric("botgate_upstream_breaker_opened_total{upstream=\"a\"}"), 1.0);

    // It is back, and slow: one request finds that out, the others do not wait for it.
    let open = Monitor::new(false);
    let gate = open.clone();
    let a = Backend::start_again(addr, move |_, connection| {
        gate.wait("the probe to be let go", |open| *open);
        answered("a", connection)
    });
    let probed = || {
        a.witnessed().find_within(Duration::from_millis(50), |witnessed| {
            (!witnessed.seen.is_empty()).then_some(())
        })
    };
    thread::scope(|scope| {
        let end = std::time::Instant::now() + TIMEOUT;
        let mut waiting = Vec::new();
        while probed().is_none() {
            assert!(std::time::Instant::now() < end, "never probed");
            // Whoever probes waits, so each has a thread of its own; and a conversation of its own, or it would wait for the probe.
            let (botgate, user) = (&botgate, format!("prober-{}", waiting.len()));
            waiting.push(scope.spawn(move || ai::said(&call(botgate, &user))));
        }
        let mut others = botgate.caller();
        for nth in 0..200 {
            let message = ai::message("desk", &format!("user-{nth}"), "hello");
            assert_ne!(ai::said(&others.call(&message)), "a");
        }
        assert_eq!(a.count(), 1, "one probe");
        open.change(|open| *open = true);
        let answers: Vec<_> = waiting.into_iter().map(|waiting| waiting.join().unwrap()).collect();
        assert_eq!(answers.iter().filter(|name| *name == "a").count(), 1, "{answers:?}");
    });
    let with_a = answers(&botgate).iter().filter(|name| *name == "a").count();
    assert!(with_a > 800, "it is asked again, by {with_a} of 1000");
}

#[test]
fn what_one_ai_cannot_do_the_next_one_is_asked_for() {
    let b = named("b");
    for (status, body) in [
        ("401 No", "{\"error\":{\"message\":\"bad key\"}}"),
        ("429 Slow", "{\"error\":{\"code\":\"insufficient_quota\",\"message\":\"\"}}"),
        ("500 Oh", "oh"),
        ("529 Busy", ""),
        ("200 OK", "not JSON"),
        ("200 OK", "{\"content\":\"\"}"),
    ] {
        let a = Backend::start(move |_, connection| {
            connection.answer(status, "Content-Type: application/json\r\n", body.as_bytes())
        });
        let botgate = Botgate::start(&config(
            &[("a", a.addr()), ("b", b.addr())],
            "",
            "upstream = \"a\"\nfallback = [\"b\"]",
        ));
        assert_eq!(ai::said(&call(&botgate, "one")), "b", "{status}");
        assert_eq!(a.count(), 1, "{status}: asked once");
    }
}

#[test]
fn a_silent_ai_leaves_time_for_the_next() {
    let (a, b) = (
        Backend::start(|_, connection| {
            connection.closed_within(TIMEOUT);
            After::Close
        }),
        named("b"),
    );
    let botgate = Botgate::start(&config(
        &[("a", a.addr()), ("b", b.addr())],
        "timeout = { first_byte = \"2s\", total = \"60s\" }",
        "upstream = \"a\"\nfallback = [\"b\"]",
    ));
    assert_eq!(ai::said(&call(&botgate, "one")), "b");
}

#[test]
fn a_retry_after_of_an_ai_is_followed_within_the_total() {
    let ai = Backend::start(|seen, connection| {
        if seen.nth == 0 {
            return connection.answer("429 Slow", "Retry-After: 1\r\n", b"{}");
        }
        answered("patient", connection)
    });
    let botgate = Botgate::start(&config(&[("a", ai.addr())], "", "upstream = \"a\""));
    assert_eq!(ai::said(&call(&botgate, "one")), "patient");
    assert_eq!(ai.count(), 2);
    // Longer than all the time there is: told at once, with its own word.
    let ai = Backend::start(|_, connection| {
        connection.answer("429 Slow", "Retry-After: 100\r\n", b"{}")
    });
    let botgate = Botgate::start(&config(&[("a", ai.addr())], "", "upstream = \"a\""));
    let reply = call(&botgate, "one");
    assert_eq!((reply.status, reply.code().as_str()), (429, "rate_limit"));
    assert_eq!(reply.header("retry-after"), Some("100"));
    assert_eq!(ai.count(), 1);
}
