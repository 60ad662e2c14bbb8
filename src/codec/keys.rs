//! The configuration keys that a dialect or a provider brings beside those that all have: their JSON Schema, and what may be wrong
//! with their values. The types that the schema asks for are checked before a value gets here.

use schemars::{Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Written keys: names and values.
pub type Written = Map<String, Value>;

/// What is wrong with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// It is required and absent.
    Missing {
        key: &'static str,
        /// A value, as an example.
        example: &'static str,
    },
    /// It is empty, or only white space.
    Empty {
        key: &'static str,
        /// A value, as an example.
        example: &'static str,
    },
    /// It is none of these values.
    Unknown { key: &'static str, known: &'static [&'static str] },
}

/// The schema of an object whose keys these are.
pub type KeySchema = fn(&mut SchemaGenerator) -> Schema;

/// The written keys as a struct whose fields are all optional. Keys that it does not have are passed over.
pub fn read<T: DeserializeOwned + Default>(written: &Written) -> T {
    serde_json::from_value(Value::Object(written.clone())).unwrap_or_default()
}
