//! One field out of a JSON body, by its path.

use bytes::Bytes;
use simd_json::prelude::*;
use std::fmt;

/// The longest text that is taken out of a body, in bytes: ids, timestamps, tokens and signatures all fit.
pub const MAX_FIELD: usize = 256;
const MAX_DEPTH: usize = 16;

/// Where a field stands: `a.b.0` or, as RFC 6901 writes it, `/a/b/0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldPath {
    text: String,
    steps: Vec<String>,
}

/// The body is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotJson;

impl FieldPath {
    /// Reads a path of up to 16 steps and 256 bytes; `None` where it has an empty dotted step, a bad `~` or nothing at all.
    pub fn parse(text: &str) -> Option<Self> {
        let steps: Vec<String> = match text.strip_prefix('/') {
            Some(pointer) => pointer.split('/').map(unescaped).collect::<Option<_>>()?,
            None if text.split('.').any(str::is_empty) => return None,
            None => text.split('.').map(str::to_owned).collect(),
        };
        (text.len() <= MAX_FIELD && steps.len() <= MAX_DEPTH)
            .then(|| Self { text: text.to_owned(), steps })
    }

    /// The path as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn steps(&self) -> &[String] {
        &self.steps
    }

    /// The field's text: a string of up to 256 bytes or a whole number; anything else, and its absence, is `None`.
    ///
    /// `scratch` holds a copy of the body while it is parsed, because the parser writes into it.
    pub fn read(&self, frames: &[Bytes], scratch: &mut Vec<u8>) -> Result<Option<String>, NotJson> {
        Ok(read_all(std::slice::from_ref(self), frames, scratch)?.pop().flatten())
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Several fields in one pass, in the order of their paths.
pub(super) fn read_all(
    paths: &[FieldPath],
    frames: &[Bytes],
    scratch: &mut Vec<u8>,
) -> Result<Vec<Option<String>>, NotJson> {
    scratch.clear();
    for frame in frames {
        scratch.extend_from_slice(frame);
    }
    let tape = simd_json::to_tape(scratch).map_err(|_| NotJson)?;
    Ok(paths.iter().map(|path| find(&tape, path)).collect())
}

fn find(tape: &simd_json::Tape<'_>, path: &FieldPath) -> Option<String> {
    let mut value = tape.as_value();
    for step in &path.steps {
        value = match value.as_array() {
            Some(items) => items.get(index(step)?)?,
            None => value.as_object()?.get(step.as_str())?,
        };
    }
    match value.as_str() {
        Some(text) => (text.len() <= MAX_FIELD).then(|| text.to_owned()),
        None => value
            .as_u64()
            .map(|number| number.to_string())
            .or_else(|| value.as_i64().map(|number| number.to_string())),
    }
}

/// An index as RFC 6901 §4 writes it: digits, no zero in front.
pub(super) fn index(step: &str) -> Option<usize> {
    let plain =
        step.bytes().all(|byte| byte.is_ascii_digit()) && (step == "0" || !step.starts_with('0'));
    plain.then(|| step.parse().ok()).flatten()
}

/// A pointer's step with `~1` and `~0` read (RFC 6901 §3).
fn unescaped(step: &str) -> Option<String> {
    let mut text = String::with_capacity(step.len());
    let mut rest = step.chars();
    while let Some(c) = rest.next() {
        text.push(match c {
            '~' => match rest.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            c => c,
        });
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str, body: &str) -> Option<String> {
        // Two frames, so that a field across their border is found too.
        let (a, b) = body.split_at(body.len() / 2);
        let frames = [Bytes::copy_from_slice(a.as_bytes()), Bytes::copy_from_slice(b.as_bytes())];
        FieldPath::parse(path).unwrap().read(&frames, &mut Vec::new()).unwrap()
    }

    #[test]
    fn finds_strings_and_whole_numbers_and_nothing_else() {
        let body = r#"{"a":{"b":["x","y"]},"n":-5,"u":18446744073709551615,"f":1.5,"t":true,"o":{},"s/~":"z","":"e"}"#;
        for (path, text) in [
            ("a.b.1", Some("y")),
            ("/a/b/0", Some("x")),
            ("n", Some("-5")),
            ("u", Some("18446744073709551615")),
            ("/s~1~0", Some("z")),
            ("/", Some("e")),
            ("f", None),
            ("t", None),
            ("o", None),
            ("a.b.01", None),
            ("a.b.2", None),
            ("a.b.x", None),
            ("n.x", None),
        ] {
            assert_eq!(read(path, body).as_deref(), text, "{path}");
        }
        assert_eq!(read("a", &format!(r#"{{"a":"{}"}}"#, "x".repeat(257))), None);
    }

    #[test]
    fn bad_paths_and_bad_bodies_are_refused() {
        for path in ["", ".", "a..b", "/~", "/~2", &"a.".repeat(20), &"a".repeat(300)] {
            assert_eq!(FieldPath::parse(path), None, "{path}");
        }
        let path = FieldPath::parse("a").unwrap();
        for body in ["", "not json", "{\"a\":", &"[".repeat(100_000)] {
            assert_eq!(
                path.read(&[Bytes::copy_from_slice(body.as_bytes())], &mut Vec::new()),
                Err(NotJson)
            );
        }
    }
}
