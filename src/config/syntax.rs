//! What is said about a text that is not TOML.

use super::redact::values_of;
use super::report::{Diagnostic, Report, Severity};
use super::schema_types::shown;
use toml_span::{Error, ErrorKind, Span};

/// A report on the first place where `text` is not TOML: what comes after it cannot be told apart.
pub(crate) fn report(origin: &str, text: &str, error: &Error) -> Report {
    let (message, fix, first) = words(&error.kind);
    let note = Diagnostic {
        severity: Severity::Error,
        message,
        fix: fix.to_owned(),
        at: Some(within(text, error.span)),
        also: first.map(|first| (within(text, first), "the first one")),
    };
    Report::new(origin, text, &values_of(text), vec![note])
}

/// A range that holds at least the character at its start, and ends inside the text.
fn within(text: &str, span: Span) -> std::ops::Range<usize> {
    let start = span.start.min(text.len());
    let next = text.get(start..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    start..span.end.max(start + next)
}

fn words(kind: &ErrorKind) -> (String, &'static str, Option<Span>) {
    match kind {
        ErrorKind::DuplicateKey { key, first } => (
            format!("the key `{}` is there twice", shown(key)),
            "leave one of them out",
            Some(*first),
        ),
        ErrorKind::DuplicateTable { name, first } => (
            format!("the table `{}` is there twice", shown(name)),
            "write all its keys under one heading",
            Some(*first),
        ),
        ErrorKind::DottedKeyInvalidType { first } => (
            "a dotted key goes through something that is not a table".to_owned(),
            "write the table first",
            Some(*first),
        ),
        ErrorKind::UnquotedString | ErrorKind::InvalidNumber => {
            ("not a value".to_owned(), "put quotes around it: \"…\"", None)
        }
        ErrorKind::UnterminatedString | ErrorKind::InvalidCharInString('\n' | '\r') => {
            ("a string without its closing quote".to_owned(), "close it on the same line", None)
        }
        ErrorKind::InvalidEscape(_)
        | ErrorKind::InvalidHexEscape(_)
        | ErrorKind::InvalidEscapeValue(_) => (
            "an escape that TOML does not know".to_owned(),
            "write a backslash twice, or use single quotes",
            None,
        ),
        ErrorKind::UnexpectedEof => (
            "the file ends in the middle of something".to_owned(),
            "close every bracket, brace and quote",
            None,
        ),
        ErrorKind::ExceededDepthLimit => (
            "tables or lists are nested too deeply".to_owned(),
            "no key here needs more than five levels",
            None,
        ),
        ErrorKind::Wanted { expected, found } => (
            format!("expected {}, found {}", shown(expected), shown(found)),
            "write one key = value a line, strings in quotes",
            None,
        ),
        other => (
            format!(
                "not TOML: {}",
                shown(
                    &Error { kind: other.clone(), span: Span::default(), line_info: None }
                        .to_string()
                )
            ),
            "write one key = value a line, strings in quotes",
            None,
        ),
    }
}
