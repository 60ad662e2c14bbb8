//! JSON as JavaScript's `JSON.stringify` writes what its `JSON.parse` has read (ECMA-262 §25.5), so that a receiver that does
//! both gets the same bytes.

use super::Value;
use simd_json::prelude::*;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Writes a whole text again. One that nests too deep to be read, which only an AI's own words inside it can make it do, stays.
pub fn rewrite(text: &mut Vec<u8>) {
    let mut room = text.clone();
    let mut out = Vec::with_capacity(text.len());
    if super::read(&mut room, |value| write(&value, &mut out)).is_ok() {
        *text = out;
    }
}

/// Appends the value.
pub fn write(value: &Value<'_, '_>, out: &mut Vec<u8>) {
    if let Some(object) = value.as_object() {
        let mut before = b'{';
        for (key, value) in members(object.iter()) {
            out.push(before);
            text(key, out);
            out.push(b':');
            write(&value, out);
            before = b',';
        }
        close(before, b"{}", out);
    } else if let Some(array) = value.as_array() {
        let mut before = b'[';
        for value in &array {
            out.push(before);
            write(&value, out);
            before = b',';
        }
        close(before, b"[]", out);
    } else if let Some(string) = value.as_str() {
        text(string, out);
    } else if let Some(whole) = value.as_u64() {
        number(whole as f64, out);
    } else if let Some(whole) = value.as_i64() {
        number(whole as f64, out);
    } else if let Some(float) = value.as_f64() {
        number(float, out);
    } else {
        let word: &[u8] = match value.as_bool() {
            Some(true) => b"true",
            Some(false) => b"false",
            None => b"null",
        };
        out.extend_from_slice(word);
    }
}

fn close(before: u8, brackets: &[u8; 2], out: &mut Vec<u8>) {
    if before == brackets[0] {
        out.push(before);
    }
    out.push(brackets[1]);
}

/// Keys that are array indices come first, in ascending order, then all others as they stood (§10.1.11.1). Of a repeated key the
/// last value stands at the first place.
fn members<'w, 't>(
    written: impl Iterator<Item = (&'t str, Value<'w, 't>)>,
) -> Vec<(&'t str, Value<'w, 't>)> {
    let mut members: Vec<(&str, Value<'_, '_>)> = Vec::new();
    let mut places = HashMap::new();
    for (key, value) in written {
        match places.entry(key) {
            Entry::Vacant(place) => {
                place.insert(members.len());
                members.push((key, value));
            }
            Entry::Occupied(place) => members[*place.get()].1 = value,
        }
    }
    members.sort_by_key(|(key, _)| index(key).unwrap_or(u32::MAX));
    members
}

/// An array index: 0 to 2³² − 2, written without a zero in front.
fn index(key: &str) -> Option<u32> {
    let plain = key.len() <= 10 && (key == "0" || !key.starts_with('0'));
    let digits = plain && key.bytes().all(|byte| byte.is_ascii_digit());
    let index = digits.then(|| key.parse().ok()).flatten();
    index.filter(|&index| index != u32::MAX)
}

/// A string. Both escape the same characters in the same way.
fn text(text: &str, out: &mut Vec<u8>) {
    let _ = serde_json::to_writer(out, text);
}

/// A number as `Number::toString` writes it (§6.1.6.1.20); JSON has no word for what is not finite.
fn number(value: f64, out: &mut Vec<u8>) {
    if value.is_finite() {
        out.extend_from_slice(ryu_js::Buffer::new().format_finite(value).as_bytes());
    } else {
        out.extend_from_slice(b"null");
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::write;

    /// Lines in pairs: a text, and what `JSON.stringify(JSON.parse(text))` gave in Node 20.
    const PAIRS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/json/javascript.txt");

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        read(&mut text.as_bytes().to_vec(), |value| {
            write(&value, &mut out);
        })
        .unwrap_or_else(|_| panic!("{text}"));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_node_wrote_is_written() {
        let pairs = std::env::var("BOTGATE_JAVASCRIPT").unwrap_or_else(|_| PAIRS.to_owned());
        let text = std::fs::read_to_string(pairs).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines.len() >= 1000);
        for pair in lines.chunks_exact(2) {
            assert_eq!(written(pair[0]), pair[1], "{}", pair[0]);
            assert_eq!(written(pair[1]), pair[1]);
        }
    }
}
