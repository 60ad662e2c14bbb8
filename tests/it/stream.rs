//! Server-sent events come one by one, as the backend paces them.

use crate::harness::{After, Backend, Botgate, OPEN, config, get, turn};
use std::time::{Duration, Instant};

const EVENTS: usize = 40;
const PACE: Duration = Duration::from_millis(50);

#[test]
fn events_of_64_bytes_every_50_ms_arrive_one_by_one() {
    let _turn = turn::alone();
    let backend = Backend::start(|_, connection| {
        connection.begin("Content-Type: text/event-stream\r\n");
        for nth in 0..EVENTS {
            connection.chunk(format!("data: {nth:056}\n\n").as_bytes());
            if connection.closed_within(PACE).is_some() {
                return After::Close;
            }
        }
        connection.chunk(b"");
        After::Keep
    });
    let botgate = Botgate::start(&config(backend.addr(), "", "", OPEN));
    let mut caller = botgate.caller();
    caller.send(&get("/hook", "Accept: text/event-stream\r\n"));
    let head = caller.head().unwrap();
    assert_eq!(
        (head.status, head.header("content-type")),
        (200, Some("text/event-stream"))
    );
    let mut before = Instant::now();
    for nth in 0..EVENTS {
        let event = caller.chunk().unwrap().unwrap();
        assert_eq!(
            event,
            format!("data: {nth:056}\n\n").into_bytes(),
            "one event, whole and alone"
        );
        let gap = before.elapsed();
        assert!(
            gap < PACE + Duration::from_millis(100),
            "{gap:?} before event {nth}"
        );
        before = Instant::now();
    }
    assert_eq!(caller.chunk(), Ok(None));
}
