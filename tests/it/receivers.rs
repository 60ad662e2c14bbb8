//! Receivers that nobody should be sent to, and receivers that hang: each ends as documented, in a network from which nothing gets out.

use crate::harness::{
    After, Backend, Botgate, Caller, TIMEOUT, ai, backend::Connection, dns::DnsServer, sandbox,
};
use serde_json::{Value, json};
use std::{fmt::Write, net::IpAddr, time::Duration, time::Instant};
use tempfile::TempDir;

/// Addresses that the network apart has, each with a listener that counts: one that is public elsewhere, and some that are not.
const PUBLIC: &str = "1.2.3.4";
const PRIVATE: &str = "10.0.0.1";
const METADATA: &str = "169.254.169.254";
const UNIQUE: &str = "fd00::1";
const TRANSLATED: &str = "64:ff9b::a00:1";
const ALL: [&str; 5] = [PUBLIC, PRIVATE, METADATA, UNIQUE, TRANSLATED];

/// A Botgate apart, with a bot for each receiver.
struct House {
    botgate: Botgate,
    _ai: Backend,
    _kept: [TempDir; 2],
}

impl House {
    /// Receivers by the bot's id: the callback's URL, and what else stands in its table.
    #[track_caller]
    fn new(bots: &[(&str, String, &str)]) -> Self {
        let (ai, state) = (ai::echo(), tempfile::tempdir().unwrap());
        let mut text = format!(
            "[server]\nhttp = [\"127.0.0.1:0\"]\nworkers = 2\n\
             [admin]\nlisten = \"127.0.0.1:0\"\ntoken = \"admin word\"\n[state]\npath = {:?}\n\n{}",
            state.path().join("store"),
            ai::upstream("ai", "custom", &format!("http://{}", ai.addr()), "")
        );
        for (id, url, more) in bots {
            write!(
                text,
                "[bots.{id}]\ndialect = \"fourthchat\"\nupstream = \"ai\"\nverify = {{ secrets = [\"key\"] }}\n\
                 callback = {{ url = {url:?}, sign = {{ secret = \"s\" }}, allow_http = true, {more} }}\n\n"
            )
            .unwrap();
        }
        let names = sandbox::resolve_here();
        Self { botgate: Botgate::start(&text), _ai: ai, _kept: [state, names] }
    }

    #[track_caller]
    fn message(&self, bot: &str) {
        let body = json!({"connectionId": bot, "message": "hi", "userId": "one"});
        let authorization = "Authorization: Bearer key\r\n";
        let request = ai::post("/api/webhooks/incoming", authorization, &body);
        let reply = self.botgate.caller().call(&request);
        assert_eq!(reply.status, 202, "{reply:?}");
    }

    #[track_caller]
    fn get(&self, target: &str) -> Value {
        let request =
            format!("GET {target} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer admin word\r\n\r\n");
        let reply = Caller::connect(self.botgate.admin()).call(request.as_bytes());
        assert_eq!(reply.status, 200, "{target}: {reply:?}");
        serde_json::from_slice(&reply.body).unwrap()
    }

    /// Sends a message, and waits for what becomes of its delivery.
    #[track_caller]
    fn fate(&self, bot: &str) -> Value {
        self.message(bot);
        self.end(bot)
    }

    /// What has become of a bot's latest delivery, with its attempts.
    #[track_caller]
    fn end(&self, bot: &str) -> Value {
        let end = Instant::now() + TIMEOUT;
        loop {
            let page = self.get(&format!("/api/deliveries?bot={bot}&limit=1"));
            let item = &page["items"][0];
            if item["status"] == "delivered" || item["status"] == "dead" {
                return self.get(&format!("/api/deliveries/{}", item["id"].as_str().unwrap()));
            }
            assert!(Instant::now() < end, "{bot}: {page}");
        }
    }
}

/// A receiver at port 80 of an address.
#[track_caller]
fn at(address: &str, status: &'static str) -> Backend {
    let address = (address.parse::<IpAddr>().unwrap(), 80);
    Backend::at(address.into(), move |_, connection| connection.answer(status, "", b""))
}

/// How many connections were made to a receiver.
fn opened(receiver: &Backend) -> usize {
    receiver.witnessed().lock().opened
}

fn parsed(addresses: &[&str]) -> Vec<IpAddr> {
    let parsed = addresses.iter().map(|address| address.parse().unwrap());
    parsed.collect()
}

/// Each attempt: the status that came back, else what went wrong.
fn tries(delivery: &Value) -> Vec<String> {
    let tries = delivery["tries"].as_array().unwrap().iter();
    let told = tries.map(|tried| match tried["status"].as_u64() {
        Some(status) => status.to_string(),
        None => tried["error"].as_str().unwrap().to_owned(),
    });
    told.collect()
}

/// Says this, one byte a second, as long as somebody reads.
fn slowly(connection: &mut Connection<'_>, text: &str) -> After {
    for byte in text.bytes() {
        let second = Duration::from_secs(1);
        if !connection.write(&[byte]) || connection.closed_within(second) {
            break;
        }
    }
    After::Close
}

#[test]
fn each_hostile_receiver_ends_as_documented() {
    sandbox::run(|| {
        sandbox::network_with(&ALL);
        let private = [PRIVATE, METADATA].map(|address| at(address, "200 OK"));
        let names = DnsServer::start(|_, before| match before {
            0 => parsed(&[PUBLIC]),
            _ => parsed(&[PRIVATE]),
        });
        // Its connection is not kept, so the second attempt looks its name up again.
        let first = Backend::at((parsed(&[PUBLIC])[0], 80).into(), |_, connection| {
            connection.answer("500 No", "Connection: close\r\n", b"");
            After::Close
        });
        let silent = Backend::start(|_, connection| {
            connection.closed_within(TIMEOUT);
            After::Close
        });
        let slow = Backend::start(|_, connection| slowly(connection, "HTTP/1.1 200 OK\r\n"));
        let moved = Backend::start(|_, connection| {
            let to = format!("Location: http://{METADATA}/latest/meta-data/\r\n");
            connection.answer("302 There", &to, b"")
        });
        let endless = Backend::start(|_, connection| {
            connection.begin("");
            while connection.chunk(&[b'x'; 1024]) {}
            After::Close
        });
        let url = |receiver: &Backend| format!("http://{}/in", receiver.addr());
        let here = "timeout = \"3s\", retries = [\"1ms\"], allow = [\"127.0.0.0/8\"]";
        let house = House::new(&[
            ("silent", url(&silent), here),
            ("slow", url(&slow), here),
            ("moved", url(&moved), here),
            ("endless", url(&endless), here),
            ("turns", "http://turns.example/in".into(), here),
        ]);
        let bots = ["silent", "slow", "moved", "endless", "turns"];
        bots.into_iter().for_each(|bot| house.message(bot));
        let [silent, slow, moved, endless, turns] = bots.map(|bot| house.end(bot));
        for (delivery, tried) in [
            (&silent, "the total deadline passed"),
            (&slow, "the total deadline passed"),
            (&moved, "302"),
        ] {
            assert_eq!(delivery["status"], "dead", "{delivery}");
            assert_eq!(tries(delivery), [tried, tried]);
            let reason = delivery["reason"].as_str().unwrap();
            assert!(reason.ends_with(tried), "{reason}");
        }
        assert_eq!(endless["status"], "delivered", "{endless}");
        assert_eq!(tries(&endless), ["200"]);
        let kept = endless["tries"][0]["response"].as_str().unwrap();
        assert_eq!(kept.len(), 1024);

        assert_eq!(turns["status"], "dead", "{turns}");
        let [failed, refused] = &tries(&turns)[..] else {
            panic!("{turns}");
        };
        assert_eq!(failed, "500");
        let line = format!("\"turns.example\" leads to {PRIVATE}, which is not public");
        assert!(refused.starts_with(&line), "{refused}");
        let fix = format!("add allow = [\"{PRIVATE}/32\"]");
        assert!(refused.ends_with(&fix), "{refused}");
        let reason = turns["reason"].as_str().unwrap();
        assert!(reason.contains(&line), "{reason}");
        assert_eq!((opened(&first), names.asked("turns.example")), (1, 2));
        for private in &private {
            assert_eq!(opened(private), 0, "{}", private.addr());
        }
    });
}

#[test]
fn one_bad_address_of_a_name_refuses_all_of_them_unless_it_is_listed() {
    sandbox::run(|| {
        sandbox::network_with(&ALL);
        let all = ALL.map(|address| at(address, "200 OK"));
        let _names = DnsServer::start(|name, _| match name {
            "both.example" => parsed(&[PUBLIC, PRIVATE]),
            "either.example" => parsed(&[PUBLIC, UNIQUE]),
            _ => parsed(&[PRIVATE]),
        });
        let url = |name: &str| format!("http://{name}.example/in");
        let house = House::new(&[
            ("both", url("both"), "retries = []"),
            ("either", url("either"), "retries = []"),
            // What is listed for one is listed for nobody else.
            ("listed", url("inside"), "retries = [], allow = [\"10.0.0.0/24\"]"),
            ("inside", url("inside"), "retries = []"),
        ]);
        for (bot, bad) in
            [("both", "10.0.0.1/32"), ("either", "fd00::1/128"), ("inside", "10.0.0.1/32")]
        {
            let delivery = house.fate(bot);
            assert_eq!(delivery["status"], "dead", "{delivery}");
            let fix = format!("add allow = [\"{bad}\"]");
            assert!(tries(&delivery)[0].ends_with(&fix), "{delivery}");
        }
        assert!(all.iter().all(|receiver| opened(receiver) == 0));
        assert_eq!(house.fate("listed")["status"], "delivered");
        assert_eq!(all.map(|receiver| opened(&receiver)), [0, 1, 0, 0, 0]);
    });
}

#[test]
fn no_spelling_of_an_address_reaches_an_internal_one() {
    sandbox::run(|| {
        sandbox::network_with(&ALL);
        let here = ["127.0.0.1", "::1"].map(|address| at(address, "200 OK"));
        let all = ALL.map(|address| at(address, "200 OK"));
        let bad = [
            "127.0.0.1",
            "0.0.0.0",
            "localhost",
            PRIVATE,
            METADATA,
            "[::1]",
            "[::]",
            "[fd00::1]",
            "[::ffff:10.0.0.1]",
            "[::ffff:a9fe:a9fe]",
            "[64:ff9b::a00:1]",
            "[64:ff9b::169.254.169.254]",
        ];
        let ids: Vec<_> = (0..bad.len()).map(|nth| format!("b{nth}")).collect();
        let mut bots: Vec<_> = (ids.iter().zip(bad))
            .map(|(id, host)| (&**id, format!("http://{host}/in"), "retries = []"))
            .collect();
        bots.push(("good", format!("http://{PUBLIC}/in"), "retries = []"));
        let house = House::new(&bots);
        for (id, host) in ids.iter().zip(bad) {
            let delivery = house.fate(id);
            assert_eq!(delivery["status"], "dead", "{host}: {delivery}");
            let refused = &tries(&delivery)[0];
            assert!(refused.contains("which is not public"), "{host}: {refused}");
            assert!(refused.contains("add allow = ["), "{host}: {refused}");
        }
        assert!(here.iter().all(|receiver| opened(receiver) == 0));
        assert!(all.iter().all(|receiver| opened(receiver) == 0));
        assert_eq!(house.fate("good")["status"], "delivered");
    });
}

#[test]
fn a_connection_is_kept_while_its_address_is_good() {
    sandbox::run(|| {
        sandbox::network_with(&ALL);
        let receiver = at(PUBLIC, "200 OK");
        let names = DnsServer::start(|_, _| parsed(&[PUBLIC]));
        let url = "http://kept.example/in".to_owned();
        let house = House::new(&[("kept", url, "retries = []")]);
        for _ in 0..3 {
            assert_eq!(house.fate("kept")["status"], "delivered");
        }
        assert_eq!(receiver.count(), 3);
        assert_eq!((opened(&receiver), names.asked("kept.example")), (1, 1));
    });
}
