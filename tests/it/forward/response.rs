//! The way back: status, headers and body as the backend gave them, in the framing that the caller understands.

use crate::harness::{After, Backend, Botgate, Monitor, OPEN, caller::End, config, get, post};

#[test]
fn status_headers_and_body_come_back_as_they_were() {
    let backend = Backend::start(|seen, connection| {
        match seen.target() {
        "/hook?teapot" => connection.answer("418 I'm a teapot", "Content-Type: text/x-tea\r\n", b"\x00\xffshort"),
        "/hook?own" => connection.answer("299 Whatever", "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nServer: mine\r\n", b""),
        "/hook?hop" => connection.answer(
            "200 OK",
            "Connection: X-Inside\r\nX-Inside: 1\r\nKeep-Alive: timeout=9\r\nProxy-Authenticate: Basic\r\nX-Out: 2\r\n",
            b"ok",
        ),
        "/hook?error" => connection.answer("500 Oh", "Retry-After: 7\r\n", b"{\"their\":\"own words\"}"),
        other => panic!("{other}"),
    }
    });
    let botgate = Botgate::start(&config(backend.addr(), "", "", OPEN));
    let mut caller = botgate.caller();

    let teapot = caller.call(&get("/hook?teapot", ""));
    assert_eq!((teapot.status, teapot.header("content-type")), (418, Some("text/x-tea")));
    assert_eq!(teapot.body, b"\x00\xffshort");

    let own = caller.call(&get("/hook?own", ""));
    let cookies = own.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    let cookies: Vec<_> = cookies.map(|(_, value)| value.as_str()).collect();
    assert_eq!((own.status, cookies), (299, vec!["a=1", "b=2"]));
    assert_eq!(own.header("server"), Some("mine"));

    let hop = caller.call(&get("/hook?hop", ""));
    for gone in ["x-inside", "keep-alive", "connection"] {
        assert_eq!(hop.header(gone), None, "{gone}");
    }
    assert_eq!(hop.header("x-out"), Some("2"));

    let error = caller.call(&get("/hook?error", ""));
    assert_eq!((error.status, error.header("retry-after")), (500, Some("7")));
    assert_eq!(error.body, b"{\"their\":\"own words\"}");
}

#[test]
fn answers_without_a_body_have_none_and_the_connection_goes_on() {
    let backend = Backend::start(|seen, connection| {
        let answer: &[u8] = match seen.target() {
            "/hook?204" => b"HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n",
            "/hook?304" => b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n",
            _ => b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n",
        };
        connection.write(answer);
        After::Keep
    });
    let botgate = Botgate::start(&config(backend.addr(), "", "", OPEN));
    let mut caller = botgate.caller();
    let none = caller.call(&get("/hook?204", ""));
    assert_eq!(
        (none.status, none.header("content-length"), none.header("transfer-encoding")),
        (204, None, None)
    );
    assert_eq!(caller.call(&get("/hook?304", "")).header("etag"), Some("\"x\""));
    caller.send(b"HEAD /hook HTTP/1.1\r\nHost: h\r\n\r\n");
    let head = caller.reply_to_head();
    assert_eq!((head.status, head.header("content-length")), (200, Some("12345")));
    assert_eq!(
        caller.call(&get("/hook?204", "")).status,
        204,
        "nothing was left on the connection"
    );
}

#[test]
fn each_chunk_comes_through_before_the_next_is_made() {
    let allowed = Monitor::new(0_usize);
    let pace = allowed.clone();
    let backend = Backend::start(move |_, connection| {
        connection.begin("Content-Type: text/event-stream\r\n");
        for nth in 0..20 {
            pace.wait("the caller has read the chunk before", |allowed| *allowed >= nth);
            connection.chunk(format!("data: {nth}\n\n").as_bytes());
        }
        connection.chunk(b"");
        After::Keep
    });
    let botgate = Botgate::start(&config(backend.addr(), "", "", OPEN));
    let mut caller = botgate.caller();
    caller.send(&get("/hook", ""));
    let head = caller.head().unwrap();
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    for nth in 0..20 {
        assert_eq!(caller.chunk().unwrap().unwrap(), format!("data: {nth}\n\n").into_bytes());
        allowed.change(|allowed| *allowed = nth + 1);
    }
    assert_eq!(caller.chunk(), Ok(None));
    assert_eq!(
        caller.call(&get("/nothing", "")).status,
        404,
        "the connection goes on after a stream"
    );
}

#[test]
fn a_caller_of_1_0_gets_no_chunks_and_a_backend_of_1_0_is_understood() {
    let backend = Backend::start(|seen, connection| {
        if seen.target() == "/hook?old" {
            connection.write(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the close");
            return After::Close;
        }
        connection.begin("");
        connection.chunk(b"hello ");
        connection.chunk(b"world");
        connection.chunk(b"");
        After::Keep
    });
    let botgate = Botgate::start(&config(backend.addr(), "", "", OPEN));
    let mut old = botgate.caller();
    let reply = old.call(b"GET /hook HTTP/1.0\r\n\r\n");
    assert_eq!((reply.status, reply.header("transfer-encoding")), (200, None));
    assert_eq!(reply.body, b"hello world");

    let mut caller = botgate.caller();
    assert_eq!(caller.call(&get("/hook?old", "")).body, b"until the close");
    assert_eq!(caller.call(&get("/hook", "")).body, b"hello world");
}

#[test]
fn an_invalid_answer_is_a_502_and_a_truncated_one_is_truncated() {
    let backend = Backend::start(|seen, connection| {
        let answer: &[u8] = match seen.target() {
            "/hook?noise" => b"this is no HTTP\r\n\r\n",
            "/hook?lengths" => {
                b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"
            }
            "/hook?status" => b"HTTP/1.1 99 Low\r\nContent-Length: 0\r\n\r\n",
            "/hook?half" => b"HTTP/1.1 200 OK\r\nContent-Le",
            "/hook?cut" => b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
            "/hook?chunk" => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            other => panic!("{other}"),
        };
        connection.write(answer);
        After::Close
    });
    let botgate = Botgate::start(&config(backend.addr(), "", "", OPEN)).expect_errors();
    for senseless in ["noise", "lengths", "status", "half"] {
        let reply = botgate.caller().call(&get(&format!("/hook?{senseless}"), ""));
        assert_eq!((reply.status, reply.code().as_str()), (502, "upstream_error"), "{senseless}");
    }
    for cut in ["cut", "chunk"] {
        let mut caller = botgate.caller();
        caller.send(&get(&format!("/hook?{cut}"), ""));
        let end = caller.try_reply(false).unwrap_err();
        assert_ne!(end, End::Silent, "{cut}: a cut answer must not look whole");
    }
}

#[test]
fn a_caller_that_reads_slowly_holds_the_backend_back() {
    let written = Monitor::new(0_usize);
    let progress = written.clone();
    let backend = Backend::start(move |_, connection| {
        connection.begin("");
        let part = vec![b'x'; 64 * 1024];
        for _ in 0..1024 {
            connection.chunk(&part);
            progress.change(|written| *written += part.len());
        }
        connection.chunk(b"");
        After::Keep
    });
    let botgate = Botgate::start(&config(backend.addr(), "", "", OPEN));
    let before = botgate.resident();
    let mut caller = botgate.caller();
    caller.send(&post("", b"give me 64 MiB"));
    assert_eq!(caller.head().unwrap().status, 200);
    written.wait("the first megabyte", |written| *written > 1024 * 1024);
    // Whatever the kernel's buffers take is taken; then the backend must stand still.
    let stands = |limit| {
        let now = *written.lock();
        written.find_within(limit, |written| (*written != now).then_some(())).is_none()
    };
    while !stands(std::time::Duration::from_millis(500)) {}
    assert!(
        *written.lock() < 48 * 1024 * 1024,
        "no back-pressure: {} bytes written",
        *written.lock()
    );
    assert!(botgate.resident() - before < 16 * 1024 * 1024, "an answer is gathered in memory");
    let mut length = 0;
    while let Some(chunk) = caller.chunk().unwrap() {
        length += chunk.len();
    }
    assert_eq!(length, 64 * 1024 * 1024);
}
