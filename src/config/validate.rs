//! Whether a document has the shape that the schema asks for: every key known, every value of its type, nothing missing.
//!
//! What is wrong is noted and left out; the rest comes back as JSON, references followed, with the place of every value.

use super::interpolate::Sources;
use super::report::{Diagnostic, Severity};
use super::schema_types::{in_words, is_secret, kind_of, options, shown, words_of};
use super::suggest::{as_toml, known_or_nearest};
use serde_json::{Map, Value as Json};
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use toml_span::value::{Table, Value as Toml, ValueInner};

/// Where a key and its value stand.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) key: Range<usize>,
    pub(crate) value: Range<usize>,
}

/// Where everything stands, by its path: `bots.support.limit[1].rate`.
pub(crate) type Spots = HashMap<String, Span>;

/// A walk ends after so many notes: nobody reads more.
const MAX_DIAGNOSTICS: usize = 1000;

/// A walk over a document, led by the schema.
pub(crate) struct Walk<'a> {
    definitions: &'a Json,
    sources: &'a Sources<'a>,
    pub(crate) notes: Vec<Diagnostic>,
    /// What must not be shown.
    pub(crate) blots: Vec<Range<usize>>,
    pub(crate) spots: Spots,
    /// The paths that notes are about.
    pub(crate) faulty: BTreeSet<String>,
}

/// A value on the walk.
struct Here<'a> {
    path: String,
    spot: Span,
    schema: &'a Json,
    /// Whether the schema says that this is a secret, here or further up.
    secret: bool,
    /// The schema of all alternatives where `schema` is one of several.
    whole: Option<&'a Json>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(schema: &'a Json, sources: &'a Sources<'a>) -> Self {
        Self {
            definitions: &schema["$defs"],
            sources,
            notes: Vec::new(),
            blots: Vec::new(),
            spots: Spots::new(),
            faulty: BTreeSet::new(),
        }
    }

    /// The whole document.
    pub(crate) fn document(&mut self, document: &Toml<'_>, schema: &'a Json) -> Json {
        let here = Here {
            path: String::new(),
            spot: Span { key: 0..0, value: 0..0 },
            schema,
            secret: false,
            whole: None,
        };
        self.value(document, here).unwrap_or_default()
    }

    fn value(&mut self, value: &Toml<'_>, mut here: Here<'a>) -> Option<Json> {
        let option = here.schema;
        here.schema = self.resolve(here.schema);
        if !here.secret && (is_secret(option) || is_secret(here.schema)) {
            here.secret = true;
            self.blot(value);
        }
        let kind = kind_of(value);
        let fitting: Vec<_> =
            options(here.schema).iter().filter(|option| self.takes(option, kind)).collect();
        if let [one] = fitting.as_slice() {
            here.schema = one;
            here.whole = Some(here.whole.unwrap_or(option));
            return self.value(value, here);
        }
        if !self.takes(here.schema, kind) {
            self.wrong_type(value, &here, option);
            return None;
        }
        match value.as_ref() {
            ValueInner::Table(table) => self.table(table, &here),
            ValueInner::Array(items) => self.list(items, &here),
            ValueInner::String(text) => self.string(text, &here),
            ValueInner::Integer(number) => self.integer(*number, &here),
            ValueInner::Float(number) => self.float(*number, &here),
            ValueInner::Boolean(truth) => Some(Json::Bool(*truth)),
        }
    }

    fn table(&mut self, table: &Table<'_>, here: &Here<'a>) -> Option<Json> {
        if self.too_many(table.len(), "maxProperties", here) {
            return None;
        }
        let properties = here.schema["properties"].as_object();
        let others = here.schema.get("additionalProperties").filter(|others| others.is_object());
        let mut out = Map::new();
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span.start);
        for (key, value) in entries {
            if self.notes.len() >= MAX_DIAGNOSTICS {
                break;
            }
            let path = match here.path.as_str() {
                "" => key.name.to_string(),
                parent => format!("{parent}.{}", key.name),
            };
            let spot = Span { key: key.span.into(), value: value.span.into() };
            self.spots.insert(path.clone(), spot.clone());
            let property = properties.and_then(|known| known.get(key.name.as_ref()));
            let Some(schema) = property.or(others) else {
                // Whatever stands there, it may be a secret under a misspelt key.
                self.blot(value);
                let known: Vec<_> =
                    properties.into_iter().flat_map(Map::keys).map(String::as_str).collect();
                let fix = known_or_nearest(&key.name, &known, |name| format!("`{name}`"));
                self.note(&path, spot.key, format!("unknown key `{}`", shown(&path)), fix);
                continue;
            };
            let inside = Here { path, spot, schema, secret: here.secret, whole: None };
            if let Some(value) = self.value(value, inside) {
                out.insert(key.name.to_string(), value);
            }
        }
        for name in
            here.schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str)
        {
            if !table.contains_key(name) {
                let example = properties
                    .and_then(|known| known.get(name))
                    .and_then(|schema| self.example(schema));
                let fix = example.map_or_else(
                    || format!("add `{name}`"),
                    |example| format!("add the line: {name} = {}", as_toml(example)),
                );
                self.note(
                    &here.path,
                    here.spot.key.clone(),
                    format!("`{}` has no `{name}`", shown(&here.path)),
                    fix,
                );
            }
        }
        Some(Json::Object(out))
    }

    fn list(&mut self, items: &[Toml<'_>], here: &Here<'a>) -> Option<Json> {
        if self.too_many(items.len(), "maxItems", here) {
            return None;
        }
        if here.schema["minItems"].as_u64().is_some_and(|least| (items.len() as u64) < least) {
            let fix = "write at least one item, or leave the key out".to_owned();
            self.note(
                &here.path,
                here.spot.value.clone(),
                format!("`{}` is empty", shown(&here.path)),
                fix,
            );
            return None;
        }
        let schema = &here.schema["items"];
        let mut out = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let path = format!("{}[{index}]", here.path);
            let spot = Span { key: item.span.into(), value: item.span.into() };
            self.spots.insert(path.clone(), spot.clone());
            let inside = Here { path, spot, schema, secret: here.secret, whole: None };
            // A null keeps the place of an item that was left out, so that the others keep their paths.
            out.push(self.value(item, inside).unwrap_or_default());
        }
        out.iter().all(|item| !item.is_null()).then_some(Json::Array(out))
    }

    fn string(&mut self, text: &str, here: &Here<'a>) -> Option<Json> {
        let text = match self.sources.expand(text) {
            Ok(text) => text,
            Err(wrong) => {
                self.note(
                    &here.path,
                    here.spot.value.clone(),
                    format!("`{}`: {}", shown(&here.path), wrong.message),
                    wrong.fix,
                );
                return None;
            }
        };
        let mut words = Vec::new();
        let closed = words_of(here.schema, &mut words);
        if closed && !words.contains(&text.as_ref()) {
            let mut fix = known_or_nearest(&text, &words, |word| format!("{word:?}"));
            let mut kinds = Vec::new();
            if let Some(whole) = here.whole {
                self.kinds_of(whole, &mut kinds);
            }
            for kind in kinds.into_iter().filter(|kind| *kind != "string") {
                fix = format!("{fix} or {}", in_words(kind));
            }
            self.note(
                &here.path,
                here.spot.value.clone(),
                format!("`{}` takes no such value", shown(&here.path)),
                fix,
            );
            return None;
        }
        Some(Json::String(text.into_owned()))
    }

    fn integer(&mut self, number: i64, here: &Here<'a>) -> Option<Json> {
        let bound = |name: &str| here.schema[name].as_i64();
        let least = bound("minimum").unwrap_or(i64::MIN);
        let most = bound("maximum").unwrap_or(i64::MAX);
        if (least..=most).contains(&number) {
            return Some(number.into());
        }
        let fix = if number < least {
            format!("write at least {least}")
        } else {
            format!("write at most {most}")
        };
        self.note(
            &here.path,
            here.spot.value.clone(),
            format!("`{}` is out of range", shown(&here.path)),
            fix,
        );
        None
    }

    fn float(&mut self, number: f64, here: &Here<'a>) -> Option<Json> {
        let number = serde_json::Number::from_f64(number).map(Json::Number);
        if number.is_none() {
            self.note(
                &here.path,
                here.spot.value.clone(),
                format!("`{}` is no number", shown(&here.path)),
                "write one with digits".to_owned(),
            );
        }
        number
    }

    fn too_many(&mut self, count: usize, bound: &str, here: &Here<'a>) -> bool {
        let most = here.schema[bound].as_u64().unwrap_or(u64::MAX);
        let over = count as u64 > most;
        if over {
            self.note(
                &here.path,
                here.spot.key.clone(),
                format!("`{}` has {count} entries", shown(&here.path)),
                format!("write at most {most}"),
            );
        }
        over
    }

    fn wrong_type(&mut self, value: &Toml<'_>, here: &Here<'a>, written: &Json) {
        let mut kinds = Vec::new();
        self.kinds_of(here.schema, &mut kinds);
        let expected: Vec<_> = kinds.iter().map(|kind| in_words(kind)).collect();
        let name = here.path.rsplit('.').next().unwrap_or_default();
        let fix = match self.example(written) {
            Some(example) if !name.ends_with(']') => {
                format!("write it like this: {name} = {}", as_toml(example))
            }
            _ => format!("write {}", expected.join(" or ")),
        };
        self.blot(value);
        let message = format!(
            "`{}` is {}, not {}",
            shown(&here.path),
            expected.join(" or "),
            in_words(kind_of(value))
        );
        self.note(&here.path, here.spot.value.clone(), message, fix);
    }

    fn note(&mut self, path: &str, at: Range<usize>, message: String, fix: String) {
        self.faulty.insert(path.to_owned());
        self.notes.push(Diagnostic {
            severity: Severity::Error,
            message,
            fix,
            at: Some(at),
            also: None,
        });
    }

    /// Keeps everything that stands in `value` out of every message.
    fn blot(&mut self, value: &Toml<'_>) {
        match value.as_ref() {
            ValueInner::Table(table) => table.values().for_each(|value| self.blot(value)),
            ValueInner::Array(items) => items.iter().for_each(|item| self.blot(item)),
            _ => self.blots.push(value.span.into()),
        }
    }

    /// What a `$ref` leads to.
    fn resolve(&self, schema: &'a Json) -> &'a Json {
        let name = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/"));
        name.and_then(|name| self.definitions.get(name)).unwrap_or(schema)
    }

    fn example(&self, schema: &'a Json) -> Option<&'a Json> {
        schema["examples"].get(0).or_else(|| self.resolve(schema)["examples"].get(0))
    }

    /// The types that a schema takes; none for any.
    fn kinds_of(&self, schema: &'a Json, out: &mut Vec<&'a str>) {
        let schema = self.resolve(schema);
        for option in options(schema) {
            self.kinds_of(option, out);
        }
        match &schema["type"] {
            Json::String(kind) => out.push(kind),
            Json::Array(kinds) => out.extend(kinds.iter().filter_map(Json::as_str)),
            _ => {}
        }
        out.dedup();
    }

    fn takes(&self, schema: &'a Json, kind: &str) -> bool {
        let mut kinds = Vec::new();
        self.kinds_of(schema, &mut kinds);
        kinds.is_empty()
            || kinds.contains(&kind)
            || (kind == "integer" && kinds.contains(&"number"))
    }
}
