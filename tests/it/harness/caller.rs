//! A raw HTTP/1.1 caller: it sends the bytes it is given and reads answers strictly, under a deadline on every read.

use super::TIMEOUT;
use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Instant,
};

/// One connection to Botgate.
pub(crate) struct Caller {
    stream: TcpStream,
    /// What was read and not yet used.
    rest: Vec<u8>,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Why no answer was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The other side closed before the first byte of an answer.
    Closed,
    /// It closed, reset or ended the chunks early inside an answer.
    Cut,
    /// It kept silent.
    Silent,
}

impl Reply {
    /// The one value of a header, `None` where it is absent.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values =
            self.headers.iter().filter(|(header, _)| header.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} stands twice in {self:?}");
        value
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The word under `code` in a refusal's body.
    #[track_caller]
    pub(crate) fn code(&self) -> String {
        let body: serde_json::Value =
            serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"));
        assert!(
            body["error"].as_str().is_some_and(|sentence| !sentence.is_empty()),
            "no sentence: {body}"
        );
        body["code"].as_str().unwrap_or_else(|| panic!("no code: {body}")).to_owned()
    }
}

impl Caller {
    #[track_caller]
    pub(crate) fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&addr, TIMEOUT).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_write_timeout(Some(TIMEOUT)).unwrap();
        Self { stream, rest: Vec::new() }
    }

    #[track_caller]
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends as much as the other side takes; `false` where it closed meanwhile.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Says that nothing more will be sent.
    pub(crate) fn finish(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Sends a request and reads its answer.
    #[track_caller]
    pub(crate) fn call(&mut self, request: &[u8]) -> Reply {
        self.send(request);
        self.reply()
    }

    /// Reads one answer.
    #[track_caller]
    pub(crate) fn reply(&mut self) -> Reply {
        self.try_reply(false)
            .unwrap_or_else(|end| panic!("no answer: {end:?}; read so far: {:?}", self.so_far()))
    }

    /// Reads one answer to HEAD, which has no body whatever its headers say.
    #[track_caller]
    pub(crate) fn reply_to_head(&mut self) -> Reply {
        self.try_reply(true)
            .unwrap_or_else(|end| panic!("no answer: {end:?}; read so far: {:?}", self.so_far()))
    }

    /// Reads one answer, or says why there was none.
    pub(crate) fn try_reply(&mut self, to_head: bool) -> Result<Reply, End> {
        let mut reply = self.head()?;
        reply.body = if to_head || reply.status < 200 || matches!(reply.status, 204 | 304) {
            Vec::new()
        } else if let Some(length) = reply.header("content-length") {
            self.take(length.parse().unwrap())?
        } else if reply.header("transfer-encoding").is_some() {
            let mut body = Vec::new();
            while let Some(chunk) = self.chunk()? {
                body.extend(chunk);
            }
            body
        } else {
            self.until_close()?
        };
        Ok(reply)
    }

    /// Reads a status line and headers; the body is left to [`Self::chunk`] or [`Self::take`].
    pub(crate) fn head(&mut self) -> Result<Reply, End> {
        let end = loop {
            if let Some(end) = find(&self.rest, b"\r\n\r\n") {
                break end;
            }
            if self.more()? == 0 {
                return Err(if self.rest.is_empty() { End::Closed } else { End::Cut });
            }
        };
        let head = String::from_utf8(self.rest.drain(..end + 4).collect()).unwrap();
        let mut lines = head.trim_end_matches("\r\n").split("\r\n");
        let first = lines.next().unwrap();
        let status = first.strip_prefix("HTTP/1.1 ").or_else(|| first.strip_prefix("HTTP/1.0 "));
        let status = status.and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok());
        let status = status.unwrap_or_else(|| panic!("not a status line: {first:?}"));
        let headers = lines.map(|line| {
            let (name, value) =
                line.split_once(':').unwrap_or_else(|| panic!("not a header: {line:?}"));
            (name.to_owned(), value.trim().to_owned())
        });
        Ok(Reply { status, headers: headers.collect(), body: Vec::new() })
    }

    /// Reads one chunk of a chunked body; `None` after the last.
    pub(crate) fn chunk(&mut self) -> Result<Option<Vec<u8>>, End> {
        let line = self.line()?;
        let size = usize::from_str_radix(line.split(';').next().unwrap().trim(), 16)
            .unwrap_or_else(|_| panic!("not a chunk's size: {line:?}"));
        if size == 0 {
            while !self.line()?.is_empty() {}
            return Ok(None);
        }
        let mut chunk = self.take(size + 2)?;
        assert_eq!(chunk.split_off(size), b"\r\n", "a chunk without its end");
        Ok(Some(chunk))
    }

    fn line(&mut self) -> Result<String, End> {
        loop {
            if let Some(end) = find(&self.rest, b"\r\n") {
                let line = self.rest.drain(..end + 2).take(end).collect();
                return Ok(String::from_utf8(line).unwrap());
            }
            if self.more()? == 0 {
                return Err(End::Cut);
            }
        }
    }

    /// Reads so many bytes.
    pub(crate) fn take(&mut self, count: usize) -> Result<Vec<u8>, End> {
        while self.rest.len() < count {
            if self.more()? == 0 {
                return Err(End::Cut);
            }
        }
        Ok(self.rest.drain(..count).collect())
    }

    /// Reads what comes until the other side closes.
    pub(crate) fn until_close(&mut self) -> Result<Vec<u8>, End> {
        while self.more()? > 0 {}
        Ok(std::mem::take(&mut self.rest))
    }

    /// Waits until the other side closes; true where nothing more came and the end did.
    pub(crate) fn closed(&mut self) -> bool {
        self.rest.is_empty() && matches!(self.more(), Ok(0))
    }

    /// What was read and is not yet part of a whole answer.
    pub(crate) fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.rest).into_owned()
    }

    fn more(&mut self) -> Result<usize, End> {
        let end = Instant::now() + TIMEOUT;
        let mut buffer = [0; 16 * 1024];
        loop {
            let left = end
                .checked_duration_since(Instant::now())
                .filter(|left| !left.is_zero())
                .ok_or(End::Silent)?;
            self.stream.set_read_timeout(Some(left)).unwrap();
            match self.stream.read(&mut buffer) {
                Ok(read) => {
                    self.rest.extend_from_slice(&buffer[..read]);
                    return Ok(read);
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    return Err(End::Silent);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(End::Cut),
            }
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
