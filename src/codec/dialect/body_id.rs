//! The bot's id out of a body that nobody has vouched for yet: one field at the top, found by a scan that builds nothing.
//!
//! The id picks the secret that the body is then verified with. What can be read in two ways is refused here: a field that
//! stands twice or in escapes, or is no string. What else is no JSON is left for decoding to notice.

use super::Malformed;
use super::field::{FieldError, NOT_JSON, Problem};
use bytes::Bytes;
use memchr::memchr2;
use std::borrow::Cow;

/// The longest id, in bytes.
const MAX_BOT_ID: usize = 128;

/// The text of the field `name`, an id: `[A-Za-z0-9_-]{1,128}`.
///
/// # Errors
/// The field is missing, repeated, no string, no id or written with escapes; the body is no object, or plainly no JSON.
pub fn body_id<'b>(name: &str, frames: &'b [Bytes]) -> Result<Cow<'b, str>, Malformed> {
    let mut scan = Scan { frame: &[], frames: frames.iter() };
    if scan.token()? != b'{' {
        return Err(FieldError::new("", Problem::Invalid("an object")).into());
    }
    let mut found = None;
    let mut next = scan.token()?;
    while next == b'"' {
        let ours = is(name, &scan.text()?)?;
        if scan.token()? != b':' {
            return Err(NOT_JSON);
        }
        match (ours, scan.token()?) {
            (true, _) if found.is_some() => {
                return Err(FieldError::new(name, Problem::Repeated).into());
            }
            (true, b'"') => found = Some(id(name, scan.text()?)?),
            (true, b'n') => return Err(FieldError::new(name, Problem::Missing).into()),
            (true, _) => return Err(FieldError::new(name, Problem::Invalid("a string")).into()),
            (false, first) => scan.skip(first)?,
        }
        next = scan.token()?;
        if next == b',' {
            next = scan.token()?;
        }
    }
    match next {
        b'}' => found.ok_or_else(|| FieldError::new(name, Problem::Missing).into()),
        _ => Err(NOT_JSON),
    }
}

/// Whether a key, as it is written, means `name`.
fn is(name: &str, key: &[u8]) -> Result<bool, FieldError> {
    // An escape has at most six bytes a character.
    if key == name.as_bytes() || !key.contains(&b'\\') || key.len() > 6 * name.len() {
        return Ok(key == name.as_bytes());
    }
    let quoted = [b"\"", key, b"\""].concat();
    match serde_json::from_slice::<String>(&quoted) {
        Ok(key) if key == name => Err(FieldError::new(name, Problem::Invalid(UNESCAPED))),
        _ => Ok(false),
    }
}

const UNESCAPED: &str = "written without escapes";

fn id<'b>(name: &str, text: Cow<'b, [u8]>) -> Result<Cow<'b, str>, FieldError> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let fault = match text.len() {
        0 => Problem::Empty,
        _ if text.contains(&b'\\') => Problem::Invalid(UNESCAPED),
        _ if !text.iter().all(plain) => Problem::Invalid("made of letters, digits, - and _"),
        1..=MAX_BOT_ID => {
            let text = match text {
                Cow::Borrowed(text) => std::str::from_utf8(text).ok().map(Cow::Borrowed),
                Cow::Owned(text) => String::from_utf8(text).ok().map(Cow::Owned),
            };
            return text.ok_or_else(|| FieldError::new(name, Problem::Missing));
        }
        _ => Problem::TooLong(MAX_BOT_ID),
    };
    Err(FieldError::new(name, fault))
}

/// What is left of the body.
struct Scan<'b> {
    frame: &'b [u8],
    frames: std::slice::Iter<'b, Bytes>,
}

impl<'b> Scan<'b> {
    /// What is left of the current frame; of the next one where nothing is. Never empty.
    fn frame(&mut self) -> Result<&'b [u8], Malformed> {
        while self.frame.is_empty() {
            self.frame = self.frames.next().ok_or(NOT_JSON)?;
        }
        Ok(self.frame)
    }

    /// Takes `count` bytes of what is left of the current frame.
    fn take(&mut self, count: usize) -> &'b [u8] {
        let (taken, rest) = self.frame.split_at(count);
        self.frame = rest;
        taken
    }

    /// Takes what comes before the first byte that `stop` is true for, and shows that byte.
    fn until(&mut self, stop: impl Fn(u8) -> bool) -> Result<u8, Malformed> {
        loop {
            let frame = self.frame()?;
            let at = frame.iter().position(|&byte| stop(byte));
            self.take(at.unwrap_or(frame.len()));
            if let Some(at) = at {
                return Ok(frame[at]);
            }
        }
    }

    /// Takes the next byte that is no white space.
    fn token(&mut self) -> Result<u8, Malformed> {
        let byte = self.until(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))?;
        self.take(1);
        Ok(byte)
    }

    /// Takes the rest of a string and shows its pieces, as they are written.
    fn string(&mut self, mut see: impl FnMut(&'b [u8])) -> Result<(), Malformed> {
        loop {
            let frame = self.frame()?;
            let at = memchr2(b'"', b'\\', frame);
            see(self.take(at.unwrap_or(frame.len())));
            match at.map(|at| frame[at]) {
                Some(b'"') => {
                    self.take(1);
                    return Ok(());
                }
                Some(_) => {
                    see(self.take(1));
                    // What is escaped may lie in the next frame.
                    self.frame()?;
                    see(self.take(1));
                }
                None => {}
            }
        }
    }

    /// Takes the rest of a string. Borrowed where it lies in one frame and has no escapes.
    fn text(&mut self) -> Result<Cow<'b, [u8]>, Malformed> {
        let mut text: Cow<'b, [u8]> = Cow::Borrowed(&[]);
        self.string(|piece| match text.is_empty() {
            true => text = Cow::Borrowed(piece),
            false if piece.is_empty() => {}
            false => text.to_mut().extend_from_slice(piece),
        })?;
        Ok(text)
    }

    /// Takes the rest of a value that begins with `first`.
    fn skip(&mut self, first: u8) -> Result<(), Malformed> {
        match first {
            b'"' => self.string(|_| ()),
            b'{' | b'[' => {
                let mut depth = 1_usize;
                while depth > 0 {
                    match self.until(|byte| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']'))? {
                        b'"' => {
                            self.take(1);
                            self.string(|_| ())?;
                            continue;
                        }
                        b'{' | b'[' => depth += 1,
                        _ => depth -= 1,
                    }
                    self.take(1);
                }
                Ok(())
            }
            _ => self
                .until(|byte| matches!(byte, b',' | b'}' | b' ' | b'\t' | b'\n' | b'\r'))
                .map(|_| ()),
        }
    }
}
