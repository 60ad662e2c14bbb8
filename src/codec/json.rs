//! JSON as callers and AIs send it: read in place into reused buffers, kept as text where nobody here needs to understand it.

pub mod javascript;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use simd_json::prelude::*;
use simd_json::{Buffers, Tape};
use std::cell::RefCell;

pub use simd_json::tape::Value;

/// A JSON value as text, known to be valid: what passes through without being understood.
pub type Json = Box<RawValue>;

/// The text is no JSON: broken, nested deeper than 127 levels, or not UTF-8 (lone surrogates included).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not valid JSON")]
pub struct NotJson;

/// As deep as a text may nest: the deepest that serde_json, and with it every later reader here, reads too.
const MAX_DEPTH: usize = 127;
/// The longest text whose buffers are kept for the next: they take up to 30 times as much.
const MAX_KEPT_CAPACITY: usize = 64 * 1024;

/// Where a text is parsed.
type Room = (Buffers, Tape<'static>);

thread_local! {
    /// Not there while it is in use. New buffers allocate, so there are none unless it must be.
    static ROOM: RefCell<Option<Room>> = const { RefCell::new(None) };
}

/// Parses `text` in place and shows its root to `see`. Strings borrow from `text`; everything else lives as long as the call.
///
/// A key that stands twice in an object is found at its first place by [`Value`]'s `get`; who cares iterates.
pub fn read<'t, T>(text: &'t mut [u8], see: impl FnOnce(Value<'_, 't>) -> T) -> Result<T, NotJson> {
    // Taken out, not borrowed, so that `see` may read another text.
    let (mut buffers, tape) =
        ROOM.take().unwrap_or_else(|| (Buffers::with_max_depth(0, MAX_DEPTH), Tape(Vec::new())));
    let mut tape = tape.reset();
    let length = text.len();
    let seen = match simd_json::fill_tape(text, &mut buffers, &mut tape) {
        Ok(()) => Ok(see(tape.as_value())),
        Err(_) => Err(NotJson),
    };
    if length <= MAX_KEPT_CAPACITY {
        ROOM.set(Some((buffers, tape.reset())));
    }
    seen
}

/// The text of a string, borrowed from where it was read.
pub fn str_of<'t>(value: Value<'_, 't>) -> Option<&'t str> {
    value.into_string()
}

/// A value as text of its own, without white space. `None` where it cannot be written, which no parsed value is.
pub fn text_of(value: &Value<'_, '_>) -> Option<Json> {
    serde_json::value::to_raw_value(&Written(value)).ok()
}

/// A parsed value, written again as it came but for white space.
#[derive(Clone, Copy)]
pub struct Written<'v, 'w, 't>(pub &'v Value<'w, 't>);

impl Serialize for Written<'_, '_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = self.0;
        if let Some(object) = value.as_object() {
            serializer.collect_map(object.iter().map(|(key, value)| (key, Owned(value))))
        } else if let Some(array) = value.as_array() {
            serializer.collect_seq(array.iter().map(Owned))
        } else if let Some(text) = value.as_str() {
            serializer.serialize_str(text)
        } else if let Some(number) = value.as_u64() {
            serializer.serialize_u64(number)
        } else if let Some(number) = value.as_i64() {
            serializer.serialize_i64(number)
        } else if let Some(number) = value.as_f64() {
            serializer.serialize_f64(number)
        } else if let Some(truth) = value.as_bool() {
            serializer.serialize_bool(truth)
        } else {
            serializer.serialize_unit()
        }
    }
}

/// The same, of a value at hand.
#[derive(Clone, Copy)]
pub struct Owned<'w, 't>(pub Value<'w, 't>);

impl Serialize for Owned<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written(&self.0).serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_again() {
        let text = r#"{"a":[1,-2,1.5,true,false,null,"\u2028é\n\"",{}],"":{"b":[]},"n":18446744073709551615}"#;
        let mut bytes = text.as_bytes().to_vec();
        let again = read(&mut bytes, |value| text_of(&value)).unwrap().unwrap();
        let (one, other): (serde_json::Value, serde_json::Value) =
            (serde_json::from_str(text).unwrap(), serde_json::from_str(again.get()).unwrap());
        assert_eq!(one, other);
    }

    #[test]
    fn what_is_no_json_is_said_so() {
        for text in ["", "{", "nul", "{\"a\":\"\\ud800\"}", &nested(128)] {
            assert_eq!(read(&mut text.as_bytes().to_vec(), |_| ()), Err(NotJson), "{text}");
        }
        assert_eq!(read(&mut b"\"\xff\"".to_vec(), |_| ()), Err(NotJson));
    }

    fn nested(levels: usize) -> String {
        format!("{}{}", "[".repeat(levels), "]".repeat(levels))
    }

    #[test]
    fn what_nests_as_deep_as_allowed_is_read_by_all() {
        let text = nested(127);
        let again = read(&mut text.clone().into_bytes(), |value| text_of(&value));
        assert_eq!(again.unwrap().unwrap().get(), text);
        serde_json::from_str::<serde_json::Value>(&text).unwrap();
        assert!(serde_json::from_str::<serde_json::Value>(&nested(128)).is_err());
    }

    #[test]
    fn a_text_may_be_read_while_another_is() {
        let mut outer = b"[1,[2]]".to_vec();
        let sum = read(&mut outer, |outer| {
            let inner = read(&mut b"[3]".to_vec(), |inner| inner.get_idx(0).as_u64());
            (outer.get_idx(0).as_u64(), inner)
        });
        assert_eq!(sum, Ok((Some(1), Ok(Some(3)))));
    }
}
