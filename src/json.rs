//! Single fields of a JSON body, for keys and ids. simd-json works in place, so it gets a scratch copy: the bytes that were
//! verified stay as they are.

use bytes::Bytes;
use simd_json::prelude::{TypedScalarValue, Writable};
use simd_json::value::borrowed::Value;
use simd_json::prelude::{ValueAsScalar, ValueAsArray, ValueAsObject};

/// The parsed body, borrowed from the scratch it was copied to; nothing where it is no JSON.
#[derive(Debug)]
pub struct Fields<'a>(Option<Value<'a>>);

impl<'a> Fields<'a> {
    /// Copies the body and parses it.
    pub fn read(frames: &[Bytes], scratch: &'a mut Vec<u8>) -> Self {
        scratch.clear();
        frames.iter().for_each(|frame| scratch.extend_from_slice(frame));
        Self(simd_json::to_borrowed_value(scratch).ok())
    }

    /// Appends the scalar at an RFC 6901 pointer, as JSON writes it; nothing where there is none.
    pub fn append(&self, pointer: &str, out: &mut Vec<u8>) {
        let mut at = self.0.as_ref();
        for token in pointer.split('/').skip(1) {
            let Some(value) = at else { return };
            let name = token.replace("~1", "/").replace("~0", "~");
            at = match value.as_array() {
                Some(list) => name.parse::<usize>().ok().and_then(|index| list.get(index)),
                None => value.as_object().and_then(|object| object.get(name.as_str())),
            };
        }
        match at {
            Some(value) if value.as_str().is_some() => out.extend_from_slice(value.as_str().unwrap_or_default().as_bytes()),
            Some(value) if value.as_array().is_none() && value.as_object().is_none() => {
                out.extend_from_slice(value.encode().as_bytes());
            }
            _ => {}
        }
    }
}
