//! Killed at any moment, on a disk that is full: what was acknowledged is kept and told, and nothing else is acknowledged.

use super::{BOT, config, report, reports, told, wait};
use crate::harness::{Backend, Botgate, TIMEOUT, sandbox, small_disk::Disk};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::time::Instant;

/// How often it is killed.
const KILLS: usize = 8;

#[test]
fn whenever_it_is_killed_each_acknowledged_report_is_stored_and_sent_to_all() {
    let (one, two) = (Backend::ok(), Backend::ok());
    let state = tempfile::tempdir().unwrap();
    let text = reports::guarded(&config(state.path(), "", &[(&one, ""), (&two, "")]));
    let mut promised = BTreeSet::new();
    for round in 0..KILLS {
        let mut botgate = Botgate::start(&text);
        let mut caller = botgate.caller();
        let mut others: Vec<_> = (0..8).map(|_| botgate.caller()).collect();
        for nth in 0..=round * 2 {
            let content = format!("{round}-{nth}");
            let reply = caller.call(&report(BOT, "status", &content));
            assert_eq!(reply.status, 200, "{reply:?}");
            promised.insert(content);
        }
        for (nth, other) in others.iter_mut().enumerate() {
            other.send(&report(BOT, "status", &format!("{round}-other-{nth}")));
        }
        botgate.signal(Signal::KILL);
        botgate.exit();
        for (nth, other) in others.iter_mut().enumerate() {
            if other.try_reply(false).is_ok_and(|reply| reply.status == 200) {
                promised.insert(format!("{round}-other-{nth}"));
            }
        }
    }
    let botgate = Botgate::start(&text);
    reports::settled(&botgate);
    let contents = |receiver: &Backend, secret: &str| -> BTreeSet<String> {
        let told = told(receiver, secret).into_iter();
        told.map(|(_, content)| content).collect()
    };
    let (one, two) = (contents(&one, "secret 0"), contents(&two, "secret 1"));
    assert!(promised.is_subset(&one), "{:?}", promised.difference(&one));
    assert_eq!(one, two, "each is told to both or to none");
    let items = reports::all(&botgate, "").into_iter();
    let items: Vec<_> = items.map(|item| item["content"].as_str().unwrap().to_owned()).collect();
    assert_eq!(items.len(), one.len());
    assert_eq!(items.into_iter().collect::<BTreeSet<_>>(), one);
}

#[test]
fn a_report_repeated_after_a_kill_is_stored_and_sent_once() {
    let receiver = Backend::ok();
    let state = tempfile::tempdir().unwrap();
    let by = "duplicates = { by = \"header:Idempotency-Key\" }";
    let text = reports::guarded(&config(state.path(), by, &[(&receiver, "")]));
    let report = String::from_utf8(report(BOT, "status", "up")).unwrap();
    let report = report.replacen("\r\n", "\r\nIdempotency-Key: a\r\n", 1);
    let mut botgate = Botgate::start(&text);
    let first = botgate.caller().call(report.as_bytes());
    assert_eq!(first.status, 200);
    botgate.signal(Signal::KILL);
    botgate.exit();
    let botgate = Botgate::start(&text);
    let again = botgate.caller().call(report.as_bytes());
    assert_eq!(again.header("botgate-duplicate"), Some("1"));
    assert_eq!(again.body, first.body);
    wait(&receiver, 1);
    reports::settled(&botgate);
    let ids: BTreeSet<_> =
        receiver.seen().iter().map(|seen| seen.header("webhook-id")[0].to_owned()).collect();
    assert_eq!(ids.len(), 1, "one event");
    assert_eq!(reports::all(&botgate, "").len(), 1);
}

#[test]
fn on_a_full_disk_nothing_is_acknowledged_stored_or_sent() {
    /// A page that is in use already takes some reports more.
    const LAST: usize = 1_000;
    sandbox::run(|| {
        sandbox::network_with(&[]);
        let (receiver, disk) = (Backend::ok(), Disk::small());
        let text = reports::guarded(&config(disk.path(), "", &[(&receiver, "")]));
        let botgate = Botgate::start(&text).expect_errors();
        let mut acknowledged = BTreeSet::new();
        let mut call = |content: &str| {
            let reply = botgate.caller().call(&report(BOT, "status", content));
            if reply.status == 200 {
                acknowledged.insert(content.to_owned());
            }
            reply
        };
        assert_eq!(call("before").status, 200);
        wait(&receiver, 1);
        reports::settled(&botgate);
        disk.fill();
        let mut refused = (0..LAST).map(|nth| call(&nth.to_string()));
        let reply = refused.find(|reply| reply.status != 200).unwrap();
        drop(refused);
        assert_eq!(reply.status, 503, "{reply:?}");
        assert_eq!(reply.header("retry-after"), Some("1"));
        let body = String::from_utf8(reply.body).unwrap();
        assert!(body.contains("\"success\":false"), "{body}");
        for _ in 0..3 {
            assert_eq!(call("lost").status, 503);
        }
        disk.clear();
        let end = Instant::now() + TIMEOUT;
        while call("after").status == 503 {
            assert!(Instant::now() < end);
        }
        wait(&receiver, acknowledged.len());
        reports::settled(&botgate);
        let contents = told(&receiver, "secret 0").into_iter();
        let contents: BTreeSet<_> = contents.map(|(_, content)| content).collect();
        assert_eq!(contents, acknowledged);
        let items = reports::all(&botgate, "").into_iter();
        let items = items.map(|item| item["content"].as_str().unwrap().to_owned());
        assert_eq!(items.collect::<BTreeSet<_>>(), acknowledged);
    });
}
