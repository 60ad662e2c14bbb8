//! The fields of a JSON body, read by name: required or optional, of one type, within a size, at most once.
//!
//! What every dialect has in common: a field that stands twice is refused, `null` is as if absent, so is an empty optional
//! string, and fields that nobody asked for are ignored.

use super::Malformed;
use crate::codec::json::{self, Json, Value};
use simd_json::prelude::*;
use simd_json::tape::Array;
use std::borrow::Cow;
use std::fmt::Write as _;

/// The longest id, name or other short text, in bytes.
const MAX_WORD: usize = 256;

/// What is wrong with a field, and where it stands.
#[derive(Debug)]
pub(super) struct FieldError {
    path: String,
    what: Problem,
}

/// What is wrong with a field.
#[derive(Debug)]
pub(super) enum Problem {
    /// It is required and absent, or `null`.
    Missing,
    /// It stands twice in its object.
    Repeated,
    /// It is required and an empty string or array.
    Empty,
    /// It is longer than so many bytes.
    TooLong(usize),
    /// It has more elements than so many.
    TooMany(usize),
    /// It is not what it must be.
    Invalid(&'static str),
    /// It is not one of these words.
    Unknown(&'static [&'static str]),
}

impl FieldError {
    /// A fault of the field of that name.
    pub(super) fn new(name: &str, what: Problem) -> Self {
        let path = name.to_owned();
        Self { path, what }
    }

    /// The same fault, seen from the object that holds `name`.
    pub(super) fn within(mut self, name: &str) -> Self {
        let dot = match self.path.chars().next() {
            None | Some('[') => "",
            Some(_) => ".",
        };
        self.path = format!("{name}{dot}{}", self.path);
        self
    }

    /// The same fault, seen from the array whose element `index` it is in.
    pub(super) fn at(self, index: usize) -> Self {
        self.within(&format!("[{index}]"))
    }
}

impl From<FieldError> for Malformed {
    /// In the words of seed 004: `Missing botId in webhook payload`.
    fn from(FieldError { path, what }: FieldError) -> Self {
        if path.is_empty() {
            return Self(Cow::Borrowed("The body must be a JSON object"));
        }
        let mut text = match what {
            Problem::Missing => "Missing ",
            Problem::Repeated => "Repeated ",
            Problem::Empty => "Empty ",
            Problem::TooLong(_) => "Too long ",
            Problem::TooMany(_) => "Too many ",
            Problem::Invalid(_) => "Invalid ",
            Problem::Unknown(_) => "Unknown ",
        }
        .to_owned();
        text.push_str(&path);
        text.push_str(" in webhook payload");
        // Writing to a String does not fail.
        let _ = match what {
            Problem::Missing | Problem::Repeated | Problem::Empty => Ok(()),
            Problem::TooLong(most) => write!(text, ": at most {most} bytes"),
            Problem::TooMany(most) => write!(text, ": at most {most}"),
            Problem::Invalid(rule) => write!(text, ": it must be {rule}"),
            Problem::Unknown(words) => write!(text, ": it must be one of {}", words.join(", ")),
        };
        Self(Cow::Owned(text))
    }
}

/// What is said of a body that is broken, nested deeper than 127 levels, or not UTF-8.
pub(super) const NOT_JSON: Malformed = Malformed(Cow::Borrowed("The body is not valid JSON"));

/// Parses a body in place and reads its root.
pub(super) fn read<'t, T>(
    body: &'t mut [u8],
    see: impl FnOnce(Value<'_, 't>) -> Result<T, FieldError>,
) -> Result<T, Malformed> {
    match json::read(body, see) {
        Ok(seen) => Ok(seen?),
        Err(_) => Err(NOT_JSON),
    }
}

/// The fields of an object that have these names, in their order. One pass.
pub(super) fn fields<'w, 't, const N: usize>(
    object: Value<'w, 't>,
    names: [&'static str; N],
) -> Result<[Field<'w, 't>; N], FieldError> {
    let object =
        object.as_object().ok_or_else(|| FieldError::new("", Problem::Invalid("an object")))?;
    let mut fields = names.map(|name| Field { name, value: None });
    for (key, value) in &object {
        if let Some(field) = fields.iter_mut().find(|field| field.name == key) {
            if field.value.is_some() {
                return Err(field.fault(Problem::Repeated));
            }
            field.value = Some(value);
        }
    }
    for field in &mut fields {
        field.value = field.value.filter(|value| value.as_null().is_none());
    }
    Ok(fields)
}

/// A field by its name, and its value where it is there.
#[derive(Clone, Copy)]
pub(super) struct Field<'w, 't> {
    name: &'static str,
    value: Option<Value<'w, 't>>,
}

impl<'w, 't> Field<'w, 't> {
    /// A fault of this field.
    pub(super) fn fault(&self, what: Problem) -> FieldError {
        FieldError::new(self.name, what)
    }

    /// The value, whatever it is.
    pub(super) fn value(&self) -> Option<Value<'w, 't>> {
        self.value
    }

    /// The value of a required field.
    pub(super) fn required(&self) -> Result<Value<'w, 't>, FieldError> {
        self.value.ok_or_else(|| self.fault(Problem::Missing))
    }

    /// A string of any length, perhaps empty, perhaps absent.
    pub(super) fn any_text(&self) -> Result<Option<&'t str>, FieldError> {
        let Some(value) = self.value else {
            return Ok(None);
        };
        match json::str_of(value) {
            Some(text) => Ok(Some(text)),
            None => Err(self.fault(Problem::Invalid("a string"))),
        }
    }

    /// A required string that is not empty, of any length.
    pub(super) fn text(&self) -> Result<Cow<'t, str>, FieldError> {
        match self.any_text()? {
            None => Err(self.fault(Problem::Missing)),
            Some("") => Err(self.fault(Problem::Empty)),
            Some(text) => Ok(Cow::Borrowed(text)),
        }
    }

    /// A required string that is not empty and has at most 256 bytes.
    pub(super) fn word(&self) -> Result<Cow<'t, str>, FieldError> {
        let text = self.text()?;
        if text.len() > MAX_WORD {
            return Err(self.fault(Problem::TooLong(MAX_WORD)));
        }
        Ok(text)
    }

    /// The same, where it is there and not empty.
    pub(super) fn optional_word(&self) -> Result<Option<Cow<'t, str>>, FieldError> {
        match self.any_text()? {
            None | Some("") => Ok(None),
            Some(_) => self.word().map(Some),
        }
    }

    /// An optional string that is not empty, of any length.
    pub(super) fn optional_text(&self) -> Result<Option<Cow<'t, str>>, FieldError> {
        let text = self.any_text()?.filter(|text| !text.is_empty());
        Ok(text.map(Cow::Borrowed))
    }

    /// A short string inside an object that is otherwise free: what is none there is no fault.
    pub(super) fn loose_word(&self, name: &str) -> Option<Cow<'t, str>> {
        let text = json::str_of(self.value?.get(name)?)?;
        (1..=MAX_WORD).contains(&text.len()).then_some(Cow::Borrowed(text))
    }

    /// An optional object, kept as text.
    pub(super) fn object(&self) -> Result<Option<Json>, FieldError> {
        let Some(value) = self.value else {
            return Ok(None);
        };
        let object = value.is_object().then(|| json::text_of(&value)).flatten();
        match object {
            Some(object) => Ok(Some(object)),
            None => Err(self.fault(Problem::Invalid("an object"))),
        }
    }

    /// The fields of an optional object, or of none.
    pub(super) fn within<const N: usize>(
        &self,
        names: [&'static str; N],
    ) -> Result<[Field<'w, 't>; N], FieldError> {
        match self.value {
            Some(object) => fields(object, names).map_err(|fault| fault.within(self.name)),
            None => Ok(names.map(|name| Field { name, value: None })),
        }
    }

    /// An optional array of at most so many elements.
    pub(super) fn array(&self, most: usize) -> Result<Option<Array<'w, 't>>, FieldError> {
        let Some(value) = self.value else {
            return Ok(None);
        };
        let array = value.as_array().ok_or_else(|| self.fault(Problem::Invalid("an array")))?;
        if array.len() > most {
            return Err(self.fault(Problem::TooMany(most)));
        }
        Ok(Some(array))
    }
}
