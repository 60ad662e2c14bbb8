//! What is wrong with a configuration, where, and how to put it right: shown to people and to programs.

use super::redact::{blot_out, whole_chars};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::ops::Range;

/// At most so many notes are kept; past them only their number is told.
const MAX_SHOWN: usize = 200;
/// So much of a long line is shown around a note, in bytes on each side.
const MAX_CONTEXT: usize = 200;

/// How bad a note is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The configuration is refused.
    Error,
    /// It is accepted, but its owner should know.
    Warning,
}

/// One thing to tell about a configuration.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub fix: String,
    /// The bytes of the text that it is about; absent when it is about the file as such.
    pub at: Option<Range<usize>>,
    /// A second place that matters, with what is to be said about it.
    pub also: Option<(Range<usize>, &'static str)>,
}

/// Everything there is to tell about one configuration, in the order of its text.
#[derive(Clone, Debug, Default)]
pub struct Report {
    origin: String,
    /// The text with everything that may be secret blotted out.
    text: String,
    notes: Vec<Diagnostic>,
    untold: usize,
}

impl Report {
    /// Sorts `notes` by position. `blots` are the parts of `text` that must not be shown.
    pub(crate) fn new(
        origin: &str,
        text: &str,
        blots: &[Range<usize>],
        mut notes: Vec<Diagnostic>,
    ) -> Self {
        for note in &mut notes {
            note.at = note.at.as_ref().map(|at| whole_chars(text, at));
            note.also = note.also.as_ref().map(|(at, label)| (whole_chars(text, at), *label));
        }
        notes.sort_by_key(|note| {
            (note.at.as_ref().map(|at| at.start), note.severity == Severity::Warning)
        });
        let untold = notes.len().saturating_sub(MAX_SHOWN);
        notes.truncate(MAX_SHOWN);
        Self { origin: origin.to_owned(), text: blot_out(text, blots), notes, untold }
    }

    /// A report on the file as such.
    pub(crate) fn about_file(origin: &str, message: String, fix: String) -> Self {
        let note = Diagnostic { severity: Severity::Error, message, fix, at: None, also: None };
        Self::new(origin, "", &[], vec![note])
    }

    /// The notes, errors and warnings, in the order of the text.
    pub fn notes(&self) -> &[Diagnostic] {
        &self.notes
    }

    /// True when there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.notes.is_empty()
    }

    /// `5 errors, 1 warning`.
    pub fn summary(&self) -> String {
        let count = |severity, one: &str| {
            let mut n = self.notes.iter().filter(|note| note.severity == severity).count();
            if severity == Severity::Error {
                n += self.untold;
            }
            match n {
                0 => None,
                1 => Some(format!("1 {one}")),
                n => Some(format!("{n} {one}s")),
            }
        };
        let both = [count(Severity::Error, "error"), count(Severity::Warning, "warning")];
        both.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// For people: each note with its place in the text, marked, and the fix below it. `colour`: with ANSI colours.
    pub fn human(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut out = String::new();
        for note in &self.notes {
            out.push_str(&renderer.render(&[self.group(note)]));
            out.push_str("\n\n");
        }
        out
    }

    /// For programs: one JSON object a line.
    pub fn json(&self) -> String {
        let mut out = String::new();
        for note in &self.notes {
            let mut object = serde_json::json!({
                "level": match note.severity { Severity::Error => "error", Severity::Warning => "warn" },
                "file": self.origin, "message": note.message, "fix": note.fix,
            });
            if let Some(at) = &note.at {
                let (line, column) = self.line_and_column(at.start);
                object["line"] = line.into();
                object["column"] = column.into();
            }
            out.push_str(&object.to_string());
            out.push('\n');
        }
        out
    }

    fn group<'a>(&'a self, note: &'a Diagnostic) -> Group<'a> {
        let level = match note.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(&note.message);
        let mut group = match &note.at {
            Some(at) => title.element(self.snippet(at, AnnotationKind::Primary, None)),
            None => Group::with_title(title).element(annotate_snippets::Origin::path(&self.origin)),
        };
        if let Some((at, label)) = &note.also {
            group = group.element(self.snippet(at, AnnotationKind::Context, Some(label)));
        }
        if !note.fix.is_empty() {
            group = group.element(Level::HELP.message(&note.fix));
        }
        group
    }

    /// Only the line that holds the start of `at`, so that a long file costs nothing and a value over many lines shows its first.
    fn snippet<'a>(
        &'a self,
        at: &Range<usize>,
        kind: AnnotationKind,
        label: Option<&'a str>,
    ) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let (number, _) = self.line_and_column(at.start);
        let line_start = self
            .text
            .get(..at.start)
            .and_then(|text| text.rfind('\n'))
            .map_or(0, |newline| newline + 1);
        let line = self.text.get(line_start..).unwrap_or_default();
        let line = line.lines().next().unwrap_or_default();
        let start = (at.start - line_start).min(line.len());
        let end = (at.end.saturating_sub(line_start)).clamp(start, line.len());
        // What is far from the mark is left out: the columns shown then count from the cut.
        let right = boundary(line, end.min(start + MAX_CONTEXT) + MAX_CONTEXT);
        let line = line.get(..right).unwrap_or(line);
        Snippet::source(line)
            .line_start(number)
            .path(&self.origin)
            .annotation(kind.span(start..end.min(line.len())).label(label))
    }

    /// Both count from 1; a column is a character.
    fn line_and_column(&self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }
}

/// The nearest place at or after `at` where a character begins.
fn boundary(text: &str, mut at: usize) -> usize {
    while at < text.len() && !text.is_char_boundary(at) {
        at += 1;
    }
    at.min(text.len())
}
