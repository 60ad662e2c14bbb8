//! A JSON object that passes through, some of its keys left out.

use crate::codec::json::Json;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The entries of an object as they came; one key may stand there twice.
#[derive(Default)]
pub(super) struct Object<'a>(pub Vec<(Key<'a>, &'a RawValue)>);

/// A key. It is unescaped, so that no spelling of a name gets past who looks for it.
#[derive(Deserialize)]
pub(super) struct Key<'a>(#[serde(borrow)] pub Cow<'a, str>);

impl<'a> Object<'a> {
    /// The entries of `json`, which holds an object.
    pub(super) fn of(json: Option<&'a Json>) -> Self {
        json.and_then(|json| serde_json::from_str(json.get()).ok()).unwrap_or_default()
    }

    /// The entries that `stays` lets through.
    pub(super) fn entries(
        &self,
        stays: impl Fn(&str) -> bool,
    ) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(key, value)| (&*key.0, *value)).filter(move |(key, _)| stays(key))
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Object<'de>;

            fn expecting(&self, words: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                words.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Object(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}
