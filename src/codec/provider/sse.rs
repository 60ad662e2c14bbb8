//! Server-sent events out of a body that comes in pieces, cut anywhere (WHATWG HTML §9.2.6).

use crate::codec::message::AnswerError;

/// The longest line, and the most data of one event: 1 MiB.
pub const MAX_SSE_EVENT: usize = 1 << 20;

/// The reader of one stream. `id` and `retry` are passed over: an answer is never resumed.
#[derive(Debug, Default)]
pub struct EventReader {
    /// A line whose end has not come.
    line: Vec<u8>,
    /// The event's data so far, each line with a line feed behind it.
    data: Vec<u8>,
    /// The event's name so far.
    name: Vec<u8>,
    /// The last piece ended in a carriage return: a line feed next belongs to it.
    returned: bool,
    /// The first line is done, so that a byte order mark has no place any more.
    begun: bool,
}

impl EventReader {
    /// Takes the next piece and shows each event that it completes: its name (`""` where it has none) and its data.
    ///
    /// # Errors
    /// A line or an event over [`MAX_SSE_EVENT`], or what `see` says. After an error nothing more should be fed.
    pub fn feed(
        &mut self,
        mut piece: &[u8],
        mut see: impl FnMut(&str, &mut [u8]) -> Result<(), AnswerError>,
    ) -> Result<(), AnswerError> {
        if self.returned && !piece.is_empty() {
            piece = piece.strip_prefix(b"\n").unwrap_or(piece);
            self.returned = false;
        }
        while let Some(at) = memchr::memchr2(b'\n', b'\r', piece) {
            let (line, rest) = (&piece[..at], &piece[at + 1..]);
            if self.line.is_empty() {
                self.take(line, &mut see)?;
            } else {
                self.hold(line)?;
                let mut whole = std::mem::take(&mut self.line);
                let taken = self.take(&whole, &mut see);
                whole.clear();
                self.line = whole;
                taken?;
            }
            self.returned = piece[at] == b'\r' && rest.is_empty();
            piece = match piece[at] {
                b'\r' => rest.strip_prefix(b"\n").unwrap_or(rest),
                _ => rest,
            };
        }
        self.hold(piece)
    }

    /// Keeps the beginning of a line.
    fn hold(&mut self, piece: &[u8]) -> Result<(), AnswerError> {
        if self.line.len() + piece.len() > MAX_SSE_EVENT {
            return Err(AnswerError::Invalid("a line of the stream is over 1 MiB"));
        }
        self.line.extend_from_slice(piece);
        Ok(())
    }

    /// Takes one line, without its end.
    fn take(
        &mut self,
        mut line: &[u8],
        see: &mut impl FnMut(&str, &mut [u8]) -> Result<(), AnswerError>,
    ) -> Result<(), AnswerError> {
        if !self.begun {
            self.begun = true;
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        if line.is_empty() {
            return self.dispatch(see);
        }
        let (field, value) = match memchr::memchr(b':', line) {
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (line, &b""[..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" if self.data.len() + value.len() > MAX_SSE_EVENT => {
                return Err(AnswerError::Invalid("an event of the stream is over 1 MiB"));
            }
            b"data" => {
                self.data.extend_from_slice(value);
                self.data.push(b'\n');
            }
            b"event" => {
                self.name.clear();
                self.name.extend_from_slice(value);
            }
            _ => {}
        }
        Ok(())
    }

    /// Shows the event that an empty line ends; one without data is none.
    fn dispatch(
        &mut self,
        see: &mut impl FnMut(&str, &mut [u8]) -> Result<(), AnswerError>,
    ) -> Result<(), AnswerError> {
        let seen = match self.data.split_last_mut() {
            Some((_, data)) => see(str::from_utf8(&self.name).unwrap_or("\u{fffd}"), data),
            None => Ok(()),
        };
        self.data.clear();
        self.name.clear();
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> Result<Vec<(String, String)>, AnswerError> {
        let (mut events, mut seen) = (EventReader::default(), Vec::new());
        for piece in pieces {
            events.feed(piece, |name, data| {
                let data = String::from_utf8_lossy(data).into_owned();
                seen.push((name.to_owned(), data));
                Ok(())
            })?;
        }
        Ok(seen)
    }

    #[test]
    fn every_framing_and_every_cut_gives_the_same_events() {
        let stream = "\u{feff}data: one\n\n: a comment\nevent: two\ndata:zwei\ndata:  drei\nid: 7\nretry: 9\nwhat: ever\n\n\
                      event: without data\n\ndata\n\ndata: \u{e9}\u{1f600}\n\ndata: cut off\n";
        let expected = [("", "one"), ("two", "zwei\n drei"), ("", ""), ("", "\u{e9}\u{1f600}")]
            .map(|(name, data)| (name.to_owned(), data.to_owned()));
        for end in ["\n", "\r", "\r\n"] {
            let stream = stream.replace('\n', end);
            let bytes = stream.as_bytes();
            assert_eq!(read(&[bytes]).unwrap(), expected, "{end:?}");
            for at in 0..bytes.len() {
                let (left, right) = bytes.split_at(at);
                assert_eq!(read(&[left, right]).unwrap(), expected, "{end:?} cut at {at}");
            }
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(read(&single).unwrap(), expected, "{end:?} byte by byte");
        }
    }

    #[test]
    fn an_endless_line_and_an_endless_event_are_faults() {
        let piece = vec![b'x'; MAX_SSE_EVENT / 2];
        assert!(read(&[&piece, &piece]).is_ok());
        assert!(read(&[&piece, &piece, b"x"]).is_err());
        let line = [b"data: ", &piece[6..], b"\n"].concat();
        assert!(read(&[&line, &line]).is_ok());
        assert!(read(&[&line, &line, &line]).is_err());
    }

    #[test]
    fn what_the_reader_of_events_says_ends_it() {
        let mut events = EventReader::default();
        let said = events.feed(b"data: 1\n\ndata: 2\n\n", |_, _| Err(AnswerError::Interrupted));
        assert_eq!(said, Err(AnswerError::Interrupted));
    }
}
