//! SIGHUP: a valid file takes effect without disturbing anyone, a broken one is reported and changes nothing.

use crate::harness::{After, BEARER, Backend, Botgate, Monitor, config, get};
use rustix::process::Signal;
use std::fs;
use std::net::{SocketAddr, TcpListener};

const RIGHT: &str = "Authorization: Bearer right\r\n";
const NEW: &str = "Authorization: Bearer new\r\n";

#[track_caller]
fn reload(botgate: &Botgate, text: &str) {
    let before = botgate.metric("botgate_reload_total");
    fs::write(botgate.file(), text).unwrap();
    botgate.signal(Signal::HUP);
    botgate.metric_until("botgate_reload_total", |count| count > before);
}

#[test]
fn a_valid_file_takes_effect_on_connections_that_are_open() {
    let backend = Backend::ok();
    let botgate = Botgate::start(&config(backend.addr(), "", "", BEARER));
    let mut open = botgate.caller();
    assert_eq!(open.call(&get("/hook", RIGHT)).status, 200);
    let added = "[bots.added]\ndialect = \"raw\"\npath = \"/added\"\nupstream = \"back\"\nverify = { preset = \"none\" }";
    let bot = format!("{}\n{added}", BEARER.replace("right", "new"));
    reload(&botgate, &config(backend.addr(), "", "", &bot));
    assert_eq!(open.call(&get("/hook", RIGHT)).status, 401, "the old token");
    assert_eq!(open.call(&get("/hook", NEW)).status, 200);
    assert_eq!(open.call(&get("/added", "")).status, 200);
    reload(&botgate, &config(backend.addr(), "", "", BEARER));
    assert_eq!(open.call(&get("/added", "")).status, 404);
}

#[test]
fn a_broken_file_is_reported_and_the_old_one_stays() {
    let backend = Backend::ok();
    let good = config(backend.addr(), "", "", BEARER);
    let botgate = Botgate::start(&good).expect_errors();
    let mut open = botgate.caller();
    for broken in ["this is no TOML", &good.replace("upstream =", "upsteam =")] {
        reload(&botgate, broken);
        assert_eq!(open.call(&get("/hook", RIGHT)).status, 200, "after {broken:?}");
    }
    botgate.line("what is wrong with the new file", |line| {
        line["level"].as_str().is_some_and(|level| level.eq_ignore_ascii_case("error"))
            && line.to_string().contains("upsteam")
    });
    fs::remove_file(botgate.file()).unwrap();
    let before = botgate.metric("botgate_reload_total");
    botgate.signal(Signal::HUP);
    botgate.metric_until("botgate_reload_total", |count| count > before);
    assert_eq!(open.call(&get("/hook", RIGHT)).status, 200, "after the file was removed");
    reload(&botgate, &good.replace("right", "new"));
    assert_eq!(open.call(&get("/hook", NEW)).status, 200, "it recovers");
}

#[test]
fn an_unchanged_limit_keeps_its_bucket_and_a_changed_one_starts_anew() {
    let backend = Backend::ok();
    let bot = |burst: u32| format!("{BEARER}\nlimit = {{ rate = \"1/h\", burst = {burst} }}");
    let botgate = Botgate::start(&config(backend.addr(), "", "", &bot(2)));
    let mut caller = botgate.caller();
    let mut call = || caller.call(&get("/hook", RIGHT)).status;
    assert_eq!([call(), call(), call()], [200, 200, 429]);
    reload(&botgate, &config(backend.addr(), "max_body = \"2MiB\"", "", &bot(2)));
    assert_eq!(call(), 429, "a reload must not hand out a fresh burst");
    reload(&botgate, &config(backend.addr(), "", "", &bot(3)));
    assert_eq!([call(), call(), call(), call()], [200, 200, 200, 429]);
}

#[test]
fn a_stream_that_began_before_goes_on() {
    let go = Monitor::new(false);
    let told = go.clone();
    let backend = Backend::start(move |_, connection| {
        connection.begin("");
        connection.chunk(b"before");
        told.wait("the reload", |go| *go);
        connection.chunk(b"after");
        connection.chunk(b"");
        After::Keep
    });
    let text = config(backend.addr(), "", "", BEARER);
    let botgate = Botgate::start(&text);
    let mut caller = botgate.caller();
    caller.send(&get("/hook", RIGHT));
    assert_eq!(caller.head().unwrap().status, 200);
    assert_eq!(caller.chunk().unwrap().unwrap(), b"before");
    reload(&botgate, &text.replace("right", "new"));
    go.change(|go| *go = true);
    assert_eq!(caller.chunk().unwrap().unwrap(), b"after");
    assert_eq!(caller.chunk(), Ok(None));
}

#[test]
fn an_ai_that_has_moved_is_not_left_alone_for_what_failed_where_it_was() {
    let live =
        Backend::start(|_, connection| connection.answer("200 OK", "", b"{\"content\":\"here\"}"));
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = free.local_addr().unwrap();
    drop(free);
    let at = |addr: SocketAddr| {
        format!(
            "[server]\nhttp = [\"127.0.0.1:0\"]\n\n[admin]\nlisten = \"127.0.0.1:0\"\n\n\
             [upstreams.ai]\nkind = \"custom\"\nurl = \"http://{addr}/\"\nretries = 0\n\n\
             [bots.b]\ndialect = \"chatbot-platform\"\nupstream = \"ai\"\nverify = {{ preset = \"none\" }}\n"
        )
    };
    let botgate = Botgate::start(&at(dead));
    let body = "{\"messages\":[{\"role\":\"user\",\"content\":\"t\"}]}";
    let request =
        format!("POST /chat/b HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let ask = || botgate.caller().call(request.as_bytes()).status;
    assert_eq!([(); 6].map(|()| ask()), [502, 502, 502, 502, 502, 503]);
    let opened = "botgate_upstream_breaker{upstream=\"ai\"}";
    reload(&botgate, &at(dead));
    assert_eq!((ask(), botgate.metric(opened)), (503, 1.0), "it is where it was");
    reload(&botgate, &at(live.addr()));
    assert_eq!((ask(), botgate.metric(opened)), (200, 0.0));
}
