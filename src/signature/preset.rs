//! The presets by name, read once from `presets.toml`.

use super::spec::{Algorithm, SchemeTable};
use serde::Deserialize;
use std::sync::LazyLock;

static PRESETS: LazyLock<Vec<(String, SchemeTable)>> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the text is part of the binary and a test reads it")]
    read(include_str!("presets.toml")).expect("presets.toml is well formed")
});

/// The scheme of a preset, with what it extends already under it.
pub fn preset(name: &str) -> Option<SchemeTable> {
    let table = PRESETS.iter().find(|(known, _)| known == name)?.1.clone();
    match table.extends.clone() {
        Some(base) if base != name => Some(table.overlaid_on(preset(&base)?)),
        _ => Some(table),
    }
}

/// The names of all presets, in the order of the alphabet, `none` last.
pub fn preset_names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|(name, _)| name.as_str())
}

fn read(text: &str) -> Result<Vec<(String, SchemeTable)>, String> {
    let document = toml_span::parse(text).map_err(|error| error.to_string())?;
    let tables = document.as_table().ok_or("no table")?;
    let mut presets = Vec::with_capacity(tables.len() + 1);
    for (name, table) in tables {
        let scheme = SchemeTable::deserialize(read_value(table))
            .map_err(|error| format!("{name}: {error}"))?;
        presets.push((name.to_string(), scheme));
    }
    presets.push((
        "none".to_owned(),
        SchemeTable { algorithm: Some(Algorithm::None), ..SchemeTable::default() },
    ));
    Ok(presets)
}

/// The same value for serde, which `toml-span` does without.
pub(super) fn read_value(value: &toml_span::Value<'_>) -> serde_json::Value {
    use toml_span::value::ValueInner;
    match value.as_ref() {
        ValueInner::String(text) => text.as_ref().into(),
        ValueInner::Integer(number) => (*number).into(),
        ValueInner::Float(number) => (*number).into(),
        ValueInner::Boolean(truth) => (*truth).into(),
        ValueInner::Array(items) => items.iter().map(read_value).collect(),
        ValueInner::Table(table) => {
            table.iter().map(|(key, value)| (key.name.to_string(), read_value(value))).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_read_and_what_it_extends_is_known() {
        assert!(preset_names().count() >= 28);
        for name in preset_names() {
            assert!(preset(name).unwrap().algorithm.is_some(), "{name}");
        }
        assert!(preset("google-chat").is_none());
    }

    #[test]
    fn svix_keeps_the_window_of_what_it_extends_and_has_its_own_headers() {
        let svix = preset("svix").unwrap();
        assert_eq!(svix.timestamp.as_ref().unwrap().header.as_deref(), Some("svix-timestamp"));
        assert_eq!(svix.signed.as_deref(), Some("{id}.{timestamp}.{body}"));
    }

    #[test]
    fn a_new_place_for_the_timestamp_keeps_the_window() {
        let own = SchemeTable {
            timestamp: Some(crate::signature::spec::TimestampTable {
                header: Some("X-T".into()),
                ..Default::default()
            }),
            ..SchemeTable::default()
        };
        let stamp = own.overlaid_on(preset("stripe").unwrap()).timestamp.unwrap();
        assert_eq!((stamp.from, stamp.key), (None, None));
        assert_eq!(stamp.tolerance.unwrap().0.as_secs(), 300);
    }
}
