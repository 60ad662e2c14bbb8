//! What comes over a connection.

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// The next message on a connection, its head and its body.
pub(crate) async fn message(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
) -> Option<(Vec<u8>, Vec<u8>)> {
    loop {
        if let Some(end) = memchr::memmem::find(buffer, b"\r\n\r\n") {
            let (head, body) = (&buffer[..end], end + 4);
            let line = head.split(|byte| *byte == b'\n').find(|line| {
                let name = line.get(..15).unwrap_or_default();
                name.eq_ignore_ascii_case(b"content-length:")
            });
            let length = std::str::from_utf8(&line?[15..]).unwrap();
            let whole = body + length.trim().parse::<usize>().unwrap();
            if buffer.len() >= whole {
                let head = head.to_vec();
                let body = buffer[body..whole].to_vec();
                buffer.drain(..whole);
                return Some((head, body));
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

/// The number of the message that a delivery is about.
pub(crate) fn number(body: &[u8]) -> usize {
    let begin = memchr::memmem::rfind(body, b"\"n\":").unwrap() + 4;
    let digits = body[begin..].iter().take_while(|it| it.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'))
}
