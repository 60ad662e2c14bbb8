//! What the sections share while they are read: where everything stands, and the notes taken so far.

use super::parse::ValueError;
use super::report::{Diagnostic, Severity};
use super::schema_types::shown;
use super::validate::{Span, Spots};
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A configuration that is being read.
pub(crate) struct Reading<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) spots: Spots,
    pub(crate) notes: Vec<Diagnostic>,
    pub(crate) blots: Vec<Range<usize>>,
    pub(crate) faulty: BTreeSet<String>,
    /// What was warned of, and about which path.
    pub(crate) warned: Vec<(String, String)>,
}

impl Reading<'_> {
    /// Notes an error about the value at `path`.
    pub(crate) fn error(&mut self, path: &str, message: impl Into<String>, fix: impl Into<String>) {
        self.faulty.insert(path.to_owned());
        let at = self.spot(path).map(|spot| spot.value);
        self.note(Severity::Error, at, message.into(), fix.into(), None);
    }

    /// Notes an error about the name at the end of `path`.
    pub(crate) fn error_at_key(
        &mut self,
        path: &str,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.faulty.insert(path.to_owned());
        let at = self.spot(path).map(|spot| spot.key);
        self.note(Severity::Error, at, message.into(), fix.into(), None);
    }

    /// Notes an error about a value that does not go with the one at `other`.
    pub(crate) fn clash(
        &mut self,
        path: &str,
        other: &str,
        label: &'static str,
        message: String,
        fix: String,
    ) {
        self.faulty.insert(path.to_owned());
        let at = self.spot(path).map(|spot| spot.value);
        let other = self.spot(other).map(|spot| (spot.value, label));
        self.note(Severity::Error, at, message, fix, other);
    }

    /// Notes a warning about the value at `path`.
    pub(crate) fn warning(
        &mut self,
        path: &str,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        let at = self.spot(path).map(|spot| spot.value);
        let (message, fix) = (message.into(), fix.into());
        let sentence = format!("{message}; {fix}");
        self.warned.push((path.to_owned(), sentence));
        self.note(Severity::Warning, at, message, fix, None);
    }

    /// What was warned of about `path` and what stands in it, with the fixes.
    pub(crate) fn warnings(&self, path: &str) -> Vec<String> {
        let within = |at: &str| {
            let rest = at.strip_prefix(path);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let warned = self.warned.iter();
        let about = warned.filter(|(at, _)| within(at));
        about.map(|(_, sentence)| sentence.clone()).collect()
    }

    /// What `parse` makes of a value that is there; nothing, with a note, where it is wrong.
    pub(crate) fn value<T>(
        &mut self,
        path: &str,
        written: Option<&str>,
        parse: impl FnOnce(&str) -> Result<T, ValueError>,
    ) -> Option<T> {
        match parse(written?) {
            Ok(value) => Some(value),
            Err(wrong) => {
                self.error(path, format!("`{}`: {}", shown(path), wrong.message), wrong.fix);
                None
            }
        }
    }

    /// What `parse` makes of each item of a list.
    pub(crate) fn values<T>(
        &mut self,
        path: &str,
        written: &[String],
        parse: impl Fn(&str) -> Result<T, ValueError>,
    ) -> Vec<T> {
        let items = written.iter().enumerate();
        items
            .filter_map(|(index, item)| self.value(&format!("{path}[{index}]"), Some(item), &parse))
            .collect()
    }

    /// True where nothing wrong was found in what stands at `path`.
    pub(crate) fn is_sound(&self, path: &str) -> bool {
        let inside = |mark: char| {
            let start = format!("{path}{mark}");
            let first = self.faulty.range(start.clone()..).next();
            first.is_some_and(|faulty| faulty.starts_with(&start))
        };
        !(self.faulty.contains(path) || inside('.') || inside('['))
    }

    /// True where something stands at `path`, right or wrong.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.spots.contains_key(path)
    }

    /// Keeps the value at `path` out of every message.
    pub(crate) fn blot(&mut self, path: &str) {
        self.blots.extend(self.spots.get(path).map(|spot| spot.value.clone()));
    }

    /// Where `path` stands, or the nearest table around it: what a preset brought in has no place of its own.
    fn spot(&self, path: &str) -> Option<Span> {
        let mut path = path;
        loop {
            match self.spots.get(path) {
                Some(spot) => return Some(spot.clone()),
                None => path = path.get(..path.rfind(['.', '['])?)?,
            }
        }
    }

    /// The start of a table's text, for putting tables in the order of the file.
    pub(crate) fn position(&self, path: &str) -> usize {
        self.spot(path).map_or(0, |spot| spot.key.start)
    }

    /// A relative path starts at the configuration file.
    pub(crate) fn file(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    fn note(
        &mut self,
        severity: Severity,
        at: Option<Range<usize>>,
        message: String,
        fix: String,
        also: Option<(Range<usize>, &'static str)>,
    ) {
        self.notes.push(Diagnostic { severity, message, fix, at, also });
    }
}
