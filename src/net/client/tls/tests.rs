//! Handshakes against a server with good and bad certificates, and exchanges over them.

mod house;

use super::{HandshakeError, Roots, Tls, TlsError};
use crate::clock;
use crate::net::client::{Cause, Deadline, ERROR_WORDS, Sent};
use house::{Authority, CertificateAuthority, NOW, answer};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn a_certificate_of_a_given_authority_is_believed_and_its_connection_kept() {
    let authority = Authority::new();
    let acceptor = authority.server("back.test", NOW);
    let house = CertificateAuthority::new(authority.tls("back.test")).await;
    // More than rustls buffers and the kernel takes at once.
    let body = vec![b'x'; 8 << 20];
    let serve = async {
        let mut stream = house.accept(&acceptor).await.unwrap();
        let session = stream.get_ref().1;
        assert_eq!(session.server_name(), Some("back.test"));
        assert_eq!(session.alpn_protocol(), Some(&b"http/1.1"[..]));
        answer(&mut stream, body.len(), OK).await;
        answer(&mut stream, 1, OK).await;
        stream
    };
    let call = async {
        assert_eq!(house.call(&body).await.unwrap(), b"ok");
        assert_eq!(house.call(b"x").await.unwrap(), b"ok");
    };
    let (mut stream, ()) = tokio::join!(serve, call);
    assert_eq!(house.pool.cells().opened.get(), 1);
    assert_eq!(house.pool.cells().reused.get(), 1);
    house.pool.sweep(u64::MAX);
    let end = stream.read(&mut [0]).await;
    assert_eq!(end.unwrap(), 0, "it took its leave in the words of TLS");
}

/// What the call is told where the handshake is with this server, and what the server makes of it.
async fn refusal(acceptor: &TlsAcceptor, tls: Tls) -> HandshakeError {
    let house = CertificateAuthority::new(tls).await;
    let (accepted, called) = tokio::join!(house.accept(acceptor), house.call(b"secret"));
    assert!(accepted.is_err(), "it was believed");
    let error = called.unwrap_err();
    assert_eq!(error.sent, Sent::Unsent);
    assert_eq!(house.pool.cells().connections.get(), 0);
    match error.cause {
        Cause::Tls(refusal) => refusal,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_wrong_name_a_wrong_time_and_an_unknown_issuer_are_told_apart() {
    let (ours, theirs) = (Authority::new(), Authority::named("Another"));
    let pretended = Authority::new();
    let table = [
        (ours.server("other.test", NOW), "tls_name", "other.test"),
        (ours.server("127.0.0.1", NOW), "tls_name", "127.0.0.1"),
        (ours.server("back.test", (2001, 2002)), "tls_expired", "expired"),
        (ours.server("back.test", (2119, 2120)), "tls_expired", "not valid yet"),
        (pretended.server("back.test", NOW), "tls_issuer", "BadSignature"),
        (theirs.server("back.test", NOW), "tls_issuer", "UnknownIssuer"),
    ];
    for (acceptor, word, detail) in table {
        let refusal = refusal(&acceptor, ours.tls("back.test")).await;
        assert_eq!(refusal.word(), word, "{refusal}");
        assert!(refusal.to_string().contains(detail), "{refusal}");
        assert!(ERROR_WORDS.contains(&word));
    }
    let by_address = refusal(&ours.server("back.test", NOW), ours.tls("127.0.0.1")).await;
    assert_eq!(by_address.word(), "tls_name");
}

#[tokio::test]
async fn an_address_can_be_proven_too() {
    let authority = Authority::new();
    let acceptor = authority.server("127.0.0.1", NOW);
    let house = CertificateAuthority::new(authority.tls("127.0.0.1")).await;
    let serve = async {
        let mut stream = house.accept(&acceptor).await.unwrap();
        answer(&mut stream, 1, OK).await;
    };
    let ((), called) = tokio::join!(serve, house.call(b"x"));
    assert_eq!(called.unwrap(), b"ok");
}

#[tokio::test]
async fn a_peer_that_speaks_no_tls_or_leaves_is_a_failed_handshake() {
    for words in [&b""[..], b"HTTP/1.1 400 Bad Request\r\n\r\n"] {
        let house = CertificateAuthority::new(Authority::new().tls("back.test")).await;
        let serve = async {
            let mut socket = house.listener.accept().await.unwrap().0;
            socket.read_u8().await.unwrap();
            socket.write_all(words).await.unwrap();
        };
        let ((), called) = tokio::join!(serve, house.call(b"x"));
        let error = called.unwrap_err();
        assert!(matches!(error.cause, Cause::Tls(HandshakeError::Other(_))), "{error}");
        assert_eq!(error.sent, Sent::Unsent);
    }
}

#[tokio::test]
async fn a_handshake_that_hangs_falls_under_the_deadline_of_the_connection() {
    let house = CertificateAuthority::new(Authority::new().tls("back.test")).await;
    let hang = async {
        let mut socket = house.listener.accept().await.unwrap().0;
        // The hello is there, so the client is inside its handshake.
        socket.read_u8().await.unwrap();
        house.timers.sweep(clock::now() + clock::nanos(Duration::from_secs(3601)));
        socket
    };
    let (_socket, called) = tokio::join!(hang, house.call(b"x"));
    let error = called.unwrap_err();
    assert!(matches!(error.cause, Cause::Deadline(Deadline::Connect)), "{error}");
    assert_eq!(error.sent, Sent::Unsent);
}

#[tokio::test]
async fn a_second_connection_resumes_the_session_of_the_first() {
    let authority = Authority::new();
    let acceptor = authority.server("back.test", NOW);
    let house = CertificateAuthority::new(authority.tls("back.test")).await;
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let serve = async {
            let mut stream = house.accept(&acceptor).await.unwrap();
            answer(
                &mut stream,
                1,
                b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
            )
            .await;
            stream.get_ref().1.handshake_kind().unwrap()
        };
        let (kind, called) = tokio::join!(serve, house.call(b"x"));
        assert_eq!(called.unwrap(), b"ok");
        kinds.push(kind);
    }
    assert_eq!(kinds, [rustls::HandshakeKind::Full, rustls::HandshakeKind::Resumed]);
}

#[tokio::test]
async fn a_body_that_ends_with_the_connection_needs_its_last_word() {
    let authority = Authority::new();
    let acceptor = authority.server("back.test", NOW);
    let table: [(&[u8], bool, bool); 4] = [
        (b"HTTP/1.1 200 OK\r\n\r\nok", true, true),
        (b"HTTP/1.1 200 OK\r\n\r\nok", false, false),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok", false, true),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok", true, false),
    ];
    for (response, goodbye, fine) in table {
        let house = CertificateAuthority::new(authority.tls("back.test")).await;
        let serve = async {
            let mut stream = house.accept(&acceptor).await.unwrap();
            answer(&mut stream, 1, response).await;
            if goodbye {
                stream.shutdown().await.unwrap();
            }
        };
        let ((), called) = tokio::join!(serve, house.call(b"x"));
        match called {
            Ok(body) => assert!(fine && body == b"ok", "{goodbye}"),
            Err(error) => {
                assert!(!fine, "{error}");
                assert!(matches!(error.cause, Cause::Broken(_) | Cause::Closed), "{error}");
                assert_eq!(error.sent, Sent::Sent);
            }
        }
    }
}

#[test]
fn equal_roots_share_one_configuration_and_make_equal_targets() {
    let (one, other) = (Authority::new().pem(), Authority::new().pem());
    let mut roots = Roots::default();
    let mut tls = |ca: &str, host| roots.connector(Some(ca.as_bytes()), host).unwrap();
    let (a, b, c) = (tls(&one, "a.test"), tls(&one, "b.test"), tls(&other, "a.test"));
    assert!(Arc::ptr_eq(&a.config, &b.config));
    assert!(!Arc::ptr_eq(&a.config, &c.config));
    assert!(a != b && a != c && a == tls(&one, "A.TEST"));
    // Read anew, as at a reload.
    let again = Roots::default().connector(Some(one.as_bytes()), "a.test").unwrap();
    assert!(a == again);
}

#[test]
fn what_is_no_authority_is_refused_in_plain_words() {
    let mut roots = Roots::default();
    let good = Authority::new().pem();
    for (ca, host, words) in [
        ("", "a.test", "no certificate in `ca`"),
        ("-----BEGIN CERTIFICATE-----\nnonsense", "a.test", "certificate 1 in `ca`"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "a.test",
            "certificate 1 in `ca`",
        ),
        (&*good, "not a host", "`not a host`"),
    ] {
        let fault = roots.connector(Some(ca.as_bytes()), host).unwrap_err();
        assert!(fault.to_string().contains(words), "{fault}");
    }
    let half = format!("{good}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let fault = roots.connector(Some(half.as_bytes()), "a.test").unwrap_err();
    assert!(matches!(fault, TlsError::Unreadable(2)), "{fault}");
}

#[tokio::test]
async fn what_was_handed_over_before_a_break_counts_as_seen() {
    let authority = Authority::new();
    let acceptor = authority.server("back.test", NOW);
    let house = CertificateAuthority::new(authority.tls("back.test")).await;
    let body = vec![b'x'; 8 << 20];
    let serve = async {
        let mut stream = house.accept(&acceptor).await.unwrap();
        stream.read_u8().await.unwrap();
    };
    let ((), called) = tokio::join!(serve, house.call(&body));
    let error = called.unwrap_err();
    assert!(matches!(error.cause, Cause::Broken(_) | Cause::Closed), "{error}");
    assert_eq!(error.sent, Sent::Partial);
}
