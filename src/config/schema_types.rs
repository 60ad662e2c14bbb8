//! What a piece of a schema takes, and how that is said.

use serde_json::Value as Json;
use toml_span::value::{Value as Toml, ValueInner};

pub(crate) fn options(schema: &Json) -> &[Json] {
    let options = schema.get("anyOf").or_else(|| schema.get("oneOf"));
    options.and_then(Json::as_array).map_or(&[], Vec::as_slice)
}

/// Gathers the words that a schema lists; false when it takes other strings, too.
pub(crate) fn words_of<'a>(schema: &'a Json, out: &mut Vec<&'a str>) -> bool {
    let listed = schema["enum"].as_array().into_iter().flatten().chain(schema.get("const"));
    let before = out.len();
    out.extend(listed.filter_map(Json::as_str));
    let options = options(schema);
    if options.is_empty() {
        return out.len() > before;
    }
    options.iter().all(|option| words_of(option, out))
}

pub(crate) fn is_secret(schema: &Json) -> bool {
    schema["writeOnly"] == true
}

pub(crate) fn kind_of(value: &Toml<'_>) -> &'static str {
    match value.as_ref() {
        ValueInner::Table(_) => "object",
        ValueInner::Array(_) => "array",
        ValueInner::String(_) => "string",
        ValueInner::Integer(_) => "integer",
        ValueInner::Float(_) => "number",
        ValueInner::Boolean(_) => "boolean",
    }
}

pub(crate) fn in_words(kind: &str) -> &str {
    match kind {
        "object" => "a table",
        "array" => "a list",
        "string" => "a string",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        other => other,
    }
}

/// A path as it may be printed: no control characters, and not endless.
pub(crate) fn shown(path: &str) -> String {
    let mut chars = path.chars();
    let mut out: String = chars.by_ref().take(160).flat_map(char::escape_debug).collect();
    if chars.next().is_some() {
        out.push('…');
    }
    out
}
