//! What stands behind the question mark: known parameters, each once, each bounded.

use super::error::Fault;
use crate::state::jobs::{Id, JobState, MAX_PAGE};
use std::borrow::Cow;

/// The longest query, in bytes.
const MAX_QUERY: usize = 4096;
/// How many jobs a page has where nobody says.
const DEFAULT_PAGE: usize = 50;

/// The parameters of one request.
#[derive(Debug)]
pub(super) struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    /// Reads a query that may hold these parameters. One without a value counts as left out.
    pub(super) fn read(query: Option<&'a str>, known: &[&str]) -> Result<Self, Fault> {
        let query = query.unwrap_or_default();
        if query.len() > MAX_QUERY {
            return Err(Fault::invalid(format!(
                "the query has {} bytes, and at most {MAX_QUERY} are taken",
                query.len()
            )));
        }
        let mut read: Vec<(Cow<'a, str>, Cow<'a, str>)> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if !known.contains(&&*name) {
                let known = match known {
                    [] => "none is known here".to_owned(),
                    known => format!("known are {}", known.join(", ")),
                };
                let name: String = name.chars().take(40).collect();
                return Err(Fault::invalid(format!("unknown parameter {name:?}; {known}")));
            }
            if read.iter().any(|(before, _)| *before == name) {
                return Err(Fault::invalid(format!(
                    "the parameter {name} stands twice; leave one out"
                )));
            }
            read.push((name, value));
        }
        read.retain(|(_, value)| !value.is_empty());
        Ok(Self(read))
    }

    /// A parameter's value.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| &**value)
    }

    /// A parameter that must be there.
    pub(super) fn need(&self, name: &str) -> Result<&str, Fault> {
        self.get(name).ok_or_else(|| Fault::invalid(format!("the parameter {name} is missing")))
    }

    /// `status`: where a job stands.
    pub(super) fn status(&self) -> Result<Option<JobState>, Fault> {
        let find = |text: &str| JobState::ALL.into_iter().find(|state| state.word() == text);
        self.one("status", "one of accepted, answered, delivered, dead", find)
    }

    /// `cursor`: the `next` of the page before.
    pub(super) fn cursor(&self) -> Result<Option<Id>, Fault> {
        let read = |text: &str| text.parse().ok();
        self.one("cursor", "the \"next\" of the page before", read)
    }

    /// `limit`: how many go on a page.
    pub(super) fn limit(&self) -> Result<usize, Fault> {
        let fits = |count: &usize| (1..=MAX_PAGE).contains(count);
        let read = |text: &str| text.parse().ok().filter(fits);
        let fix = format!("a number from 1 to {MAX_PAGE}");
        Ok(self.one("limit", &fix, read)?.unwrap_or(DEFAULT_PAGE))
    }

    /// A parameter that is a whole hour, counted from 1970.
    pub(super) fn hour(&self, name: &str) -> Result<Option<u32>, Fault> {
        let read = |text: &str| {
            let at = text.parse::<jiff::Timestamp>().ok()?;
            let whole = at.as_second() % 3600 == 0 && at.subsec_nanosecond() == 0;
            u32::try_from(at.as_second() / 3600).ok().filter(|_| whole)
        };
        self.one(name, "a whole hour in UTC, as 2026-01-15T10:00:00Z", read)
    }

    /// A parameter that is 1 or 0.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Fault> {
        let read = |text: &str| match text {
            "1" => Some(true),
            "0" => Some(false),
            _ => None,
        };
        Ok(self.one(name, "1 or 0", read)?.unwrap_or(false))
    }

    fn one<T>(
        &self,
        name: &str,
        fix: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Fault> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        let read = read(text);
        let wrong = || Fault::invalid(format!("the parameter {name} makes no sense; write {fix}"));
        read.map(Some).ok_or_else(wrong)
    }
}
