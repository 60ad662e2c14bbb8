//! A scripted backend: raw HTTP/1.1 on loopback, a thread per connection; it keeps what it saw byte for byte.

use super::{Monitor, TIMEOUT};
use std::{
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// A request as it reached the backend.
#[derive(Debug)]
pub(crate) struct Seen {
    /// From the request line to the empty line, both included.
    pub head: String,
    /// The body without its framing.
    pub body: Vec<u8>,
    /// Which connection brought it, counted from 0.
    pub connection: usize,
    /// Which request of that connection it was, counted from 0.
    pub nth: usize,
}

/// What becomes of a connection once the script has run.
pub(crate) enum After {
    Keep,
    Close,
}

/// What the backend has witnessed.
#[derive(Default)]
pub(crate) struct Witnessed {
    pub seen: Vec<Arc<Seen>>,
    /// Connections that were opened to it.
    pub opened: usize,
    /// Connections that are over, closed by either side.
    pub closed: usize,
    /// Requests whose framing made no sense: each is a defect of the proxy.
    pub senseless: Vec<String>,
    streams: Vec<TcpStream>,
    stopped: bool,
}

/// A running backend; its threads end when it is dropped.
pub(crate) struct Backend {
    addr: SocketAddr,
    witnessed: Monitor<Witnessed>,
}

impl Seen {
    pub(crate) fn request_line(&self) -> &str {
        self.head.lines().next().unwrap()
    }

    /// The path and query as they stand in the request line.
    pub(crate) fn target(&self) -> &str {
        self.request_line().split(' ').nth(1).unwrap()
    }

    /// All values of a header.
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        let lines = self.head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        lines
            .filter(|(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .collect()
    }
}

/// One connection in the hands of a script.
pub(crate) struct Connection<'a> {
    pub stream: &'a TcpStream,
}

impl Connection<'_> {
    /// Writes bytes as they are; a proxy that left is no failure of the test.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> bool {
        let mut stream = self.stream;
        stream.write_all(bytes).is_ok()
    }

    /// Writes an answer with a Content-Length; `headers` are whole lines.
    pub(crate) fn answer(&mut self, status: &str, headers: &str, body: &[u8]) -> After {
        let mut text =
            format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len())
                .into_bytes();
        text.extend_from_slice(body);
        if self.write(&text) { After::Keep } else { After::Close }
    }

    /// Writes the head of a chunked answer.
    pub(crate) fn begin(&mut self, headers: &str) {
        self.write(
            format!("HTTP/1.1 200 OK\r\n{headers}Transfer-Encoding: chunked\r\n\r\n").as_bytes(),
        );
    }

    /// Writes one chunk; an empty one ends the answer.
    pub(crate) fn chunk(&mut self, bytes: &[u8]) -> bool {
        let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
        chunk.extend_from_slice(bytes);
        chunk.extend_from_slice(b"\r\n");
        self.write(&chunk)
    }

    /// Waits until the proxy closes; false where it did not within `limit`.
    pub(crate) fn closed_within(&mut self, limit: Duration) -> bool {
        self.stream.set_read_timeout(Some(limit)).unwrap();
        let mut stream = self.stream;
        let closed = match stream.read(&mut [0; 1]) {
            Ok(0) => true,
            Ok(_) => false,
            Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        };
        self.stream.set_read_timeout(None).unwrap();
        closed
    }
}

impl Backend {
    /// Runs `script` for each request.
    pub(crate) fn start(
        script: impl Fn(&Seen, &mut Connection<'_>) -> After + Send + Sync + 'static,
    ) -> Self {
        Self::serve(TcpListener::bind("127.0.0.1:0").unwrap(), script)
    }

    /// Runs `script` for each request at this address.
    pub(crate) fn at(
        addr: SocketAddr,
        script: impl Fn(&Seen, &mut Connection<'_>) -> After + Send + Sync + 'static,
    ) -> Self {
        Self::serve(TcpListener::bind(addr).unwrap(), script)
    }

    /// Runs `script` where another backend was until it was dropped.
    pub(crate) fn start_again(
        addr: SocketAddr,
        script: impl Fn(&Seen, &mut Connection<'_>) -> After + Send + Sync + 'static,
    ) -> Self {
        let end = Instant::now() + TIMEOUT;
        loop {
            match TcpListener::bind(addr) {
                Ok(listener) => return Self::serve(listener, script),
                Err(error) => assert!(Instant::now() < end, "{addr}: {error}"),
            }
            thread::yield_now();
        }
    }

    fn serve(
        listener: TcpListener,
        script: impl Fn(&Seen, &mut Connection<'_>) -> After + Send + Sync + 'static,
    ) -> Self {
        let addr = listener.local_addr().unwrap();
        let witnessed = Monitor::new(Witnessed::default());
        let shared = witnessed.clone();
        let script = Arc::new(script);
        thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                let Ok(stream) = stream else { continue };
                let copy = stream.try_clone().unwrap();
                let stopped = shared.change(|witnessed| {
                    witnessed.opened += 1;
                    witnessed.streams.push(copy);
                    witnessed.stopped
                });
                if stopped {
                    return;
                }
                let (shared, script) = (shared.clone(), Arc::clone(&script));
                let serving = move || {
                    serve(&stream, connection, &shared, &*script);
                    // The copy that is kept for the end would hold the socket open: shut it down by word.
                    let _ = stream.shutdown(Shutdown::Both);
                    shared.change(|witnessed| witnessed.closed += 1);
                };
                thread::Builder::new().stack_size(256 * 1024).spawn(serving).unwrap();
            }
        });
        Self { addr, witnessed }
    }

    /// Answers each request with 200 and `ok`.
    pub(crate) fn ok() -> Self {
        Self::start(|_, connection| connection.answer("200 OK", "", b"ok"))
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What it has witnessed so far, to be waited on.
    pub(crate) fn witnessed(&self) -> &Monitor<Witnessed> {
        &self.witnessed
    }

    /// How many requests it has seen.
    pub(crate) fn count(&self) -> usize {
        self.witnessed.lock().seen.len()
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Arc<Seen>> {
        self.witnessed.lock().seen.clone()
    }

    /// The request that came last.
    #[track_caller]
    pub(crate) fn last(&self) -> Arc<Seen> {
        self.witnessed.lock().seen.last().expect("the backend has seen nothing").clone()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let (streams, senseless) = self.witnessed.change(|witnessed| {
            witnessed.stopped = true;
            (std::mem::take(&mut witnessed.streams), std::mem::take(&mut witnessed.senseless))
        });
        for stream in streams {
            let _ = stream.shutdown(Shutdown::Both);
        }
        // Wakes the acceptor, which then sees that it is over.
        let _ = TcpStream::connect(self.addr);
        assert!(
            thread::panicking() || senseless.is_empty(),
            "the backend was sent nonsense: {senseless:#?}"
        );
    }
}

fn serve(
    stream: &TcpStream,
    connection: usize,
    witnessed: &Monitor<Witnessed>,
    script: &(impl Fn(&Seen, &mut Connection<'_>) -> After + ?Sized),
) {
    let _ = stream.set_nodelay(true);
    let mut reader = BufReader::new(stream);
    for nth in 0.. {
        let (head, body) = match request(&mut reader) {
            Ok(Some(request)) => request,
            Ok(None) => return,
            Err(nonsense) => {
                return witnessed.change(|witnessed| witnessed.senseless.push(nonsense));
            }
        };
        let seen = Arc::new(Seen { head, body, connection, nth });
        witnessed.change(|witnessed| witnessed.seen.push(Arc::clone(&seen)));
        if let After::Close = script(&seen, &mut Connection { stream }) {
            return;
        }
    }
}

/// Reads a request; `None` where the proxy left before or inside it, `Err` where the framing is not to be understood.
fn request(reader: &mut impl BufRead) -> Result<Option<(String, Vec<u8>)>, String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match reader.read_until(b'\n', &mut head) {
            Ok(read) if read > 0 && head.ends_with(b"\r\n") => {}
            Ok(read) if read > 0 => {
                return Err(format!("a line without CRLF: {:?}", String::from_utf8_lossy(&head)));
            }
            Ok(_) | Err(_) => return Ok(None),
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let values = |name: &str| -> Vec<String> {
        let lines = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        lines
            .filter(|(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
            .collect()
    };
    let (lengths, codings) = (values("content-length"), values("transfer-encoding"));
    let body = match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => Some(Vec::new()),
        ([length], []) => {
            let length = length.parse().map_err(|_| format!("an odd length: {head:?}"))?;
            let mut body = vec![0; length];
            reader.read_exact(&mut body).ok().map(|()| body)
        }
        ([], [coding]) if coding == "chunked" => chunks(reader)?,
        _ => return Err(format!("two framings: {head:?}")),
    };
    Ok(body.map(|body| (head, body)))
}

fn chunks(reader: &mut impl BufRead) -> Result<Option<Vec<u8>>, String> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        if !reader.read_line(&mut line).is_ok_and(|read| read > 0) {
            return Ok(None);
        }
        let size = usize::from_str_radix(line.trim_end(), 16)
            .map_err(|_| format!("an odd chunk: {line:?}"))?;
        let mut chunk = vec![0; size + 2];
        if reader.read_exact(&mut chunk).is_err() {
            return Ok(None);
        }
        if chunk.split_off(size) != b"\r\n" {
            return Err("a chunk without its end".to_owned());
        }
        if size == 0 {
            return Ok(Some(body));
        }
        body.extend(chunk);
    }
}
