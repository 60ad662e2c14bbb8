//! The framing of a request: what its bytes may look like before any parser sees them.
//!
//! A pure state machine over the bytes of one HTTP/1 connection. It passes on only whole heads that are beyond doubt, and it
//! follows each body to its end, so that it knows where the next head begins. Whatever two parsers could read in two ways
//! (RFC 9112 §5, §6.3, §11.2) is a [`FramingError`], never repaired: there is no tolerant mode.

mod body;
mod head;
#[cfg(test)]
mod tests;

pub use body::ChunkDecoder;
pub use head::{MAX_FIELDS, MAX_HEAD};

/// Why a connection's bytes were refused. All of them end the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FramingError {
    /// A line feed without its carriage return, a carriage return without its line feed, NUL or another control character.
    ControlCharacter,
    /// The request line is not `METHOD SP target SP HTTP/1.x`.
    RequestLine,
    /// A version other than HTTP/1.0 and HTTP/1.1.
    Version,
    /// CONNECT, TRACE, or a target in authority or asterisk form: Botgate is no tunnel.
    Method,
    /// A field line without a colon, with an empty or senseless name, or with white space before the colon.
    FieldName,
    /// A field that goes on in the next line (obs-fold, RFC 9112 §5.2).
    ObsoleteFold,
    /// Host is missing, repeated, senseless, or not the authority of the target.
    Host,
    /// Content-Length is repeated, not digits, or beyond 2^63.
    ContentLength,
    /// Transfer-Encoding is anything but one `chunked`, or stands in HTTP/1.0.
    TransferEncoding,
    /// Content-Length together with Transfer-Encoding.
    Ambiguous,
    /// A chunk's size, its extension, its end or a trailer is malformed or too long.
    Chunk,
    /// The head is larger than [`MAX_HEAD`] or has more than [`MAX_FIELDS`] fields.
    HeadTooLarge,
    /// The head did not arrive within its deadline (told by the connection's clock, not by the bytes).
    HeadTimeout,
}

impl FramingError {
    /// The status that answers it.
    pub fn status(self) -> u16 {
        match self {
            Self::HeadTooLarge => 431,
            Self::HeadTimeout => 408,
            Self::ControlCharacter
            | Self::RequestLine
            | Self::Version
            | Self::Method
            | Self::FieldName
            | Self::ObsoleteFold
            | Self::Host
            | Self::ContentLength
            | Self::TransferEncoding
            | Self::Ambiguous
            | Self::Chunk => 400,
        }
    }

    /// The sentence for the caller.
    pub fn message(self) -> &'static str {
        match self {
            Self::ControlCharacter => {
                "The request head holds a control character or a line that does not end in CR LF"
            }
            Self::RequestLine => "The request line is malformed",
            Self::Version => "Only HTTP/1.0 and HTTP/1.1 are spoken here",
            Self::Method => "CONNECT, TRACE and targets that are no path are not served",
            Self::FieldName => "A header field has no valid name",
            Self::ObsoleteFold => "A header field goes on in the next line",
            Self::Host => "Host is missing, repeated, malformed or contradicts the target",
            Self::ContentLength => "Content-Length is malformed or repeated",
            Self::TransferEncoding => "Transfer-Encoding must be exactly chunked, in HTTP/1.1",
            Self::Ambiguous => "Content-Length and Transfer-Encoding exclude each other",
            Self::Chunk => "The chunked body is malformed",
            Self::HeadTooLarge => "The request head is too large",
            Self::HeadTimeout => "The request head did not arrive in time",
        }
    }

    /// The word for logs and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::ControlCharacter => "control_character",
            Self::RequestLine => "request_line",
            Self::Version => "version",
            Self::Method => "method",
            Self::FieldName => "field_name",
            Self::ObsoleteFold => "fold",
            Self::Host => "host",
            Self::ContentLength => "content_length",
            Self::TransferEncoding => "transfer_encoding",
            Self::Ambiguous => "ambiguous_framing",
            Self::Chunk => "chunk",
            Self::HeadTooLarge => "head_too_large",
            Self::HeadTimeout => "head_timeout",
        }
    }
}

/// How a message's body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    None,
    Length(u64),
    Chunked,
}

/// Where in the stream the next byte stands.
#[derive(Debug)]
enum Position {
    Head(head::HeadReader),
    Length(u64),
    Chunked(ChunkDecoder),
    Refused(FramingError),
}

/// What [`RequestFraming::check`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// How many of the bytes may go on to the parser; the rest belongs to a head that is not whole yet, or to the fault.
    pub bytes: usize,
    /// The first fault, if any: nothing after `bytes` may ever be used.
    pub error: Option<FramingError>,
}

/// The framing state of one connection.
#[derive(Debug)]
pub struct RequestFraming {
    position: Position,
    heads: u64,
    messages: u64,
}

impl Default for RequestFraming {
    fn default() -> Self {
        Self { position: Position::Head(head::HeadReader::default()), heads: 0, messages: 0 }
    }
}

impl RequestFraming {
    /// Looks at the bytes that come next. Bytes of an incomplete head are not passed: hand them in again, with more behind them.
    pub fn check(&mut self, bytes: &[u8]) -> Checked {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            match &mut self.position {
                Position::Refused(fault) => {
                    return Checked { bytes: at, error: Some(*fault) };
                }
                Position::Head(reader) => match reader.read(rest) {
                    Ok(None) => break,
                    Ok(Some((length, framing))) => {
                        at += length;
                        self.heads += 1;
                        self.position = match framing {
                            Framing::None | Framing::Length(0) => self.end(),
                            Framing::Length(left) => Position::Length(left),
                            Framing::Chunked => Position::Chunked(ChunkDecoder::default()),
                        };
                    }
                    Err(fault) => return self.refuse(at, fault),
                },
                Position::Length(left) => {
                    let here = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    *left -= here as u64;
                    at += here;
                    if *left == 0 {
                        self.position = self.end();
                    }
                }
                Position::Chunked(chunks) => match chunks.decode(rest, |_| {}) {
                    Ok((used, done)) => {
                        at += used;
                        if done {
                            self.position = self.end();
                        }
                    }
                    Err(used) => return self.refuse(at + used, FramingError::Chunk),
                },
            }
        }
        Checked { bytes: at, error: None }
    }

    /// Whole heads passed so far.
    pub fn heads(&self) -> u64 {
        self.heads
    }

    /// Whole messages (head and body) passed so far.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    fn end(&mut self) -> Position {
        self.messages += 1;
        Position::Head(head::HeadReader::default())
    }

    fn refuse(&mut self, bytes: usize, fault: FramingError) -> Checked {
        self.position = Position::Refused(fault);
        Checked { bytes, error: Some(fault) }
    }
}
