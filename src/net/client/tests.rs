//! One exchange against a scripted backend: what bounds it in time and in size.

use super::{
    Cause, Deadline, ERROR_WORDS, Outgoing, Pool, Sent, Target, Timeouts, UpstreamBody,
    UpstreamError, collect, send,
};
use crate::clock;
use crate::net::timers::Timers;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::observer::{Observer, Step};
use http::HeaderMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const SECOND: Duration = Duration::from_secs(1);

/// A backend, the way to it, and timers that stand still until they are moved.
struct Fixture {
    listener: TcpListener,
    pool: Rc<Pool>,
    timers: Rc<Timers>,
}

impl Fixture {
    async fn new(timeouts: Timeouts) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target {
            host: "127.0.0.1".to_owned(),
            port: listener.local_addr().unwrap().port(),
            tls: None,
            address_policy: None,
            max_connections: 4,
            timeouts,
        };
        let metrics = Metrics::new(1, &[], &ERROR_WORDS);
        let cells = metrics.upstream(&metrics.workers()[0], "back");
        Self { listener, pool: Pool::new(target, 1, cells), timers: Rc::default() }
    }

    async fn call(&self, by: Option<u64>, max: usize) -> Result<Vec<u8>, UpstreamError> {
        let request = Outgoing::new(false, super::Frames::default(), HeaderMap::new(), |_, out| {
            out.extend_from_slice(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n");
        });
        let timer = Rc::new(self.timers.timer());
        let response = send(&self.pool, request, &timer, by, None).await?;
        let mut got = Vec::new();
        collect(response.into_body(), max, &mut got).await?;
        Ok(got)
    }

    /// Takes one request and begins its answer.
    async fn begin(&self, answer: &[u8]) -> TcpStream {
        let mut socket = self.listener.accept().await.unwrap().0;
        socket.read_u8().await.unwrap();
        socket.write_all(answer).await.unwrap();
        socket
    }

    /// A call whose backend begins this answer and then keeps silent, in a time that is always so far ahead.
    async fn silent(&self, answer: &[u8], by: Option<u64>, ahead: Duration) -> UpstreamError {
        let time = async {
            loop {
                self.timers.sweep(clock::now() + clock::nanos(ahead));
                tokio::task::yield_now().await;
            }
        };
        let backend = async {
            let mut socket = self.listener.accept().await.unwrap().0;
            if socket.read_u8().await.is_ok() {
                socket.write_all(answer).await.unwrap();
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            called = self.call(by, 99) => called.unwrap_err(),
            () = backend => unreachable!("it keeps silent"),
            () = time => unreachable!("time goes on"),
        }
    }
}

fn timeouts(each: Duration) -> Timeouts {
    Timeouts { connect: each, first_byte: each, idle: each, total: 3600 * SECOND }
}

#[tokio::test]
async fn only_a_request_that_carries_an_observer_is_observed() {
    const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
    let fixture = Fixture::new(timeouts(3600 * SECOND)).await;
    let (observer, mut observations) = Observer::new();
    for observer in [None, Some(observer.for_upstream("back")), None] {
        let observed = observer.is_some();
        let mut request =
            Outgoing::new(true, super::Frames::default(), HeaderMap::new(), |_, out| {
                out.extend_from_slice(b"HEAD / HTTP/1.1\r\nhost: h\r\n\r\n");
            });
        request.set_observer(observer);
        let timer = Rc::new(fixture.timers.timer());
        let call = send(&fixture.pool, request, &timer, None, None);
        let (called, _socket) = tokio::join!(call, fixture.begin(ANSWER));
        called.unwrap();
        let mut steps = Vec::new();
        while let Ok(observation) = observations.try_recv() {
            assert_eq!(&*observation.upstream, "back");
            steps.push(observation.step);
        }
        match &steps[..] {
            [] => assert!(!observed),
            [Step::Resolved(_), Step::Connected(_), Step::RequestStarted(_), rest @ ..] => {
                assert!(observed);
                assert_eq!(rest, [Step::ResponseStarted(204), Step::ResponseEnded]);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_body_is_gathered_up_to_its_bound() {
    let chunked = |body: &str| {
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{body}").into_bytes()
    };
    let announced =
        |length: usize| format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").into_bytes();
    let table = [
        ([announced(5), b"hello".to_vec()].concat(), true),
        ([announced(6), b"hello!".to_vec()].concat(), false),
        (announced(1 << 40), false),
        (chunked("2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"), true),
        (chunked("2\r\nhe\r\n4\r\nllo!\r\n"), false),
        (b"HTTP/1.1 200 OK\r\n\r\nhello".to_vec(), true),
        (b"HTTP/1.1 200 OK\r\n\r\nhello!".to_vec(), false),
    ];
    for (answer, fits) in table {
        let house = Fixture::new(timeouts(3600 * SECOND)).await;
        let serve = async {
            let mut socket = house.begin(&answer).await;
            socket.shutdown().await.unwrap();
        };
        let ((), called) = tokio::join!(serve, house.call(None, 5));
        let shown = String::from_utf8_lossy(&answer);
        match called {
            Ok(body) => assert!(fits && body == b"hello", "{shown}"),
            Err(error) => {
                assert!(!fits, "{shown}: {error}");
                assert!(error.to_string().contains("its body is too large"), "{shown}: {error}");
            }
        }
    }
}

#[tokio::test]
async fn a_body_that_stops_falls_under_the_idle_deadline() {
    let house = Fixture::new(Timeouts { idle: SECOND, ..timeouts(3600 * SECOND) }).await;
    let answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n";
    let error = house.silent(answer, None, 2 * SECOND).await;
    assert!(matches!(error.cause, Cause::Deadline(Deadline::Idle)), "{error}");
    assert_eq!(error.sent, Sent::Sent);
}

#[tokio::test]
async fn the_time_that_is_left_caps_the_total_and_blames_nobody() {
    let house = Fixture::new(timeouts(3600 * SECOND)).await;
    for answer in [&b""[..], b"HTTP/1.1 200 OK\r\n\r\nhe"] {
        let by = Some(clock::now() + clock::nanos(SECOND / 20));
        let error = house.silent(answer, by, Duration::ZERO).await;
        assert!(matches!(error.cause, Cause::Deadline(Deadline::Remaining)), "{error}");
        assert_eq!(error.cause.word(), "total");
    }
    // Nor does a little of it excuse the target: it had its time.
    let house = Fixture::new(Timeouts { total: 2 * SECOND, ..timeouts(2 * SECOND) }).await;
    let by = Some(clock::now() + clock::nanos(2 * SECOND - SECOND / 1000));
    let error = house.silent(b"", by, Duration::ZERO).await;
    assert!(matches!(error.cause, Cause::Deadline(Deadline::Total)), "{error}");
    // More than the target's own total changes nothing.
    let house = Fixture::new(Timeouts { total: Duration::ZERO, ..timeouts(SECOND) }).await;
    let error = house.silent(b"", Some(u64::MAX), Duration::ZERO).await;
    assert!(matches!(error.cause, Cause::Deadline(Deadline::Total)), "{error}");
}

#[tokio::test]
async fn nothing_is_sent_once_the_time_is_over() {
    let house = Fixture::new(timeouts(3600 * SECOND)).await;
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhe";
    let (mut socket, called) = tokio::join!(house.begin(answer), house.call(None, 2));
    assert_eq!(called.unwrap(), b"he");
    let mut first = vec![0; 99];
    let _ = socket.read(&mut first).await.unwrap();
    // The connection lies idle, so that nothing but the clock is in the way.
    let over = Some(clock::now() - clock::nanos(SECOND));
    let time = async {
        loop {
            house.timers.sweep(clock::now());
            tokio::task::yield_now().await;
        }
    };
    let error = tokio::select! {
        called = house.call(over, 2) => called.unwrap_err(),
        () = time => unreachable!("time goes on"),
    };
    assert!(matches!(error.cause, Cause::Deadline(Deadline::Remaining)), "{error}");
    assert_eq!(error.sent, Sent::Unsent);
    drop(house);
    assert_eq!(socket.read(&mut first).await.unwrap(), 0);
}

#[tokio::test]
async fn a_body_that_another_task_waits_for_in_the_end_still_has_its_deadline() {
    let house = Fixture::new(Timeouts { idle: SECOND, ..timeouts(3600 * SECOND) }).await;
    let timer = Rc::new(house.timers.timer());
    let request = Outgoing::new(false, super::Frames::default(), HeaderMap::new(), |_, out| {
        out.extend_from_slice(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    });
    let serve = async {
        let mut socket = house.listener.accept().await.unwrap().0;
        socket.read_u8().await.unwrap();
        socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        socket
    };
    let (mut socket, response) =
        tokio::join!(serve, send(&house.pool, request, &timer, None, None));
    let UpstreamBody::Streaming(mut body) = response.unwrap().into_body() else {
        panic!("its end is not known");
    };
    // The first wait is nobody's: its waker goes nowhere. A piece then moves the deadline.
    let nobody = &mut Context::from_waker(Waker::noop());
    assert!(body.poll_data(nobody).is_pending());
    socket.write_all(b"he").await.unwrap();
    let piece = poll_fn(|cx| body.poll_data(cx)).await;
    assert_eq!(piece.unwrap().unwrap(), b"he"[..]);
    assert!(body.poll_data(nobody).is_pending());
    house.timers.sweep(clock::now());
    let mut last = Box::pin(poll_fn(|cx| body.poll_data(cx)));
    let early = poll_fn(|cx| Poll::Ready(last.as_mut().poll(cx).is_ready())).await;
    assert!(!early, "its time has not come");
    let pass = async { house.timers.sweep(clock::now() + clock::nanos(2 * SECOND)) };
    let (end, ()) = tokio::join!(last, pass);
    let error = end.unwrap().unwrap_err();
    assert!(matches!(error.cause, Cause::Deadline(Deadline::Idle)), "{error}");
}
