//! The AI, the receivers and the callers.

use crate::BOTS;
use crate::wire::{message, number};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

/// The AI and all receivers.
pub(crate) struct Others {
    pub(crate) at: SocketAddr,
    /// Whether the AI answers.
    pub(crate) open: watch::Sender<bool>,
    /// When the first delivery of each message came, by its number.
    pub(crate) came: Mutex<Vec<Option<Instant>>>,
    count: AtomicUsize,
}

impl Others {
    pub(crate) async fn start(messages: usize, open: bool) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let others = Arc::new(Self {
            at: listener.local_addr().unwrap(),
            open: watch::channel(open).0,
            came: Mutex::new(vec![None; messages]),
            count: AtomicUsize::new(0),
        });
        let serving = others.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        others
    }

    async fn serve(self: Arc<Self>, mut stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        let (mut buffer, mut open) = (Vec::new(), self.open.subscribe());
        while let Some((head, body)) = message(&mut stream, &mut buffer).await {
            let answer: &[u8] = if head.starts_with(b"POST /chat") {
                let _ = open.wait_for(|open| *open).await;
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 24\r\n\r\n{\"content\":\"Hello back\"}"
            } else {
                self.take(&body);
                b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
            };
            if stream.write_all(answer).await.is_err() {
                return;
            }
        }
    }

    fn take(&self, body: &[u8]) {
        let now = Instant::now();
        let number = number(body);
        let first = self.came.lock().unwrap()[number].replace(now);
        assert!(first.is_none(), "{number} came twice");
        self.count.fetch_add(1, Relaxed);
    }

    pub(crate) async fn until(&self, count: usize) {
        while self.count.load(Relaxed) < count {
            sleep(Duration::from_millis(5)).await;
        }
    }
}

pub(crate) struct Caller {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Caller {
    pub(crate) async fn connect(at: SocketAddr) -> Self {
        let stream = TcpStream::connect(at).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let buffer = Vec::new();
        Self { stream, buffer }
    }

    /// Sends a message of about 400 bytes, and waits for its 202.
    pub(crate) async fn send(&mut self, number: usize) {
        let body = format!(
            "{{\"connectionId\":\"b{}\",\"message\":\"{:360}\",\"metadata\":{{\"n\":{number}}}}}",
            number % BOTS,
            "Good morning!"
        );
        let request = format!(
            "POST /api/webhooks/incoming HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer key\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.write_all(request.as_bytes()).await.unwrap();
        let (head, _) = message(&mut self.stream, &mut self.buffer).await.unwrap();
        assert!(head.starts_with(b"HTTP/1.1 202"), "{}", head.escape_ascii());
    }
}
