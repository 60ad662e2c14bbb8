//! A disk that is full: no 202 that is not kept, and all else goes on.

use super::{Bot, accepted, by_id, config, jobs, jobs_until, message, wait};
use crate::harness::{Backend, Botgate, TIMEOUT, ai, sandbox, small_disk::Disk};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// A page that is in use already takes some messages more.
const LAST: usize = 1_000;

#[test]
fn on_a_full_disk_nothing_is_accepted_and_what_can_be_answered_is() {
    sandbox::run(|| {
        sandbox::network_with(&[]);
        // Slower than the bot that would be quick.
        let ai = Backend::start(|seen, connection| {
            connection.closed_within(Duration::from_millis(100));
            ai::echoed(seen, connection)
        });
        let (receiver, disk) = (Backend::ok(), Disk::small());
        let sync = "reply = { mode = \"sync\" }";
        let auto = "reply = { mode = \"auto\", within = \"1ms\" }";
        let bots = [
            Bot::of("later", &receiver),
            Bot { more: sync, ..Bot::of("now", &receiver) },
            Bot { more: auto, ..Bot::of("auto", &receiver) },
        ];
        let botgate = Botgate::start(&config(&ai, disk.path(), &bots)).expect_errors();
        let (_, first) = accepted(&botgate, "later", "one", "before");
        let mut promised = BTreeSet::from([first]);
        let mut call = || {
            let reply = botgate.caller().call(&message("later", "one", "hi"));
            if reply.status == 202 {
                let body: Value = serde_json::from_slice(&reply.body).unwrap();
                promised.insert(body["messageId"].as_str().unwrap().to_owned());
            }
            reply
        };
        disk.fill();
        let refused = (0..LAST).map(|_| call()).find(|it| it.status != 202);
        let reply = refused.unwrap();
        assert_eq!((reply.status, reply.code().as_str()), (503, "overloaded"));
        assert_eq!(reply.header("retry-after"), Some("1"));
        let id = reply.header("x-request-id").unwrap();
        assert_eq!(botgate.access(id)["reason"], "journal");
        for _ in 0..3 {
            assert_eq!(call().status, 503);
        }
        // What cannot be kept is waited for, though it takes longer than a bot of this kind would.
        for bot in ["now", "auto"] {
            let reply = botgate.caller().call(&message(bot, "one", "hi"));
            assert_eq!(reply.status, 200, "{bot}: {reply:?}");
        }
        disk.clear();
        let end = Instant::now() + TIMEOUT;
        let mut reply = call();
        while reply.status == 503 {
            assert!(Instant::now() < end, "{reply:?}");
            reply = call();
        }
        assert_eq!(reply.status, 202, "{reply:?}");
        wait(&receiver, promised.len());
        jobs_until(&botgate, "delivered", promised.len() as f64);
        assert_eq!(jobs(&botgate, "accepted") + jobs(&botgate, "answered"), 0.0);
        let delivered = by_id(&receiver).into_keys().collect::<BTreeSet<_>>();
        assert_eq!(delivered, promised, "no more and no less than was told");
    });
}
