//! Query parameters: only known ones, each once, each bounded.

use super::error::ApiError;
use crate::state::jobs::{Id, JobState, MAX_PAGE};
use std::borrow::Cow;

/// The longest query, in bytes.
const MAX_QUERY: usize = 4096;
/// The default of `limit`.
const DEFAULT_PAGE: usize = 50;

/// The parameters of one request.
#[derive(Debug)]
pub(super) struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    /// Parses a query that may have the `known` parameters. An empty value counts as absent.
    pub(super) fn read(query: Option<&'a str>, known: &[&str]) -> Result<Self, ApiError> {
        let query = query.unwrap_or_default();
        if query.len() > MAX_QUERY {
            return Err(ApiError::invalid(format!(
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
                return Err(ApiError::invalid(format!("unknown parameter {name:?}; {known}")));
            }
            if read.iter().any(|(before, _)| *before == name) {
                return Err(ApiError::invalid(format!(
                    "the parameter {name} stands twice; leave one out"
                )));
            }
            read.push((name, value));
        }
        read.retain(|(_, value)| !value.is_empty());
        Ok(Self(read))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| &**value)
    }

    pub(super) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.get(name).ok_or_else(|| ApiError::invalid(format!("the parameter {name} is missing")))
    }

    /// `status`: a job's state.
    pub(super) fn status(&self) -> Result<Option<JobState>, ApiError> {
        let find = |text: &str| JobState::ALL.into_iter().find(|state| state.word() == text);
        self.parsed("status", "one of accepted, answered, delivered, dead", find)
    }

    /// `cursor`: the `next` of the page before.
    pub(super) fn cursor(&self) -> Result<Option<Id>, ApiError> {
        let read = |text: &str| text.parse().ok();
        self.parsed("cursor", "the \"next\" of the page before", read)
    }

    /// `limit`: the length of a page.
    pub(super) fn limit(&self) -> Result<usize, ApiError> {
        let fits = |count: &usize| (1..=MAX_PAGE).contains(count);
        let read = |text: &str| text.parse().ok().filter(fits);
        let fix = format!("a number from 1 to {MAX_PAGE}");
        Ok(self.parsed("limit", &fix, read)?.unwrap_or(DEFAULT_PAGE))
    }

    /// A whole hour, counted from 1970.
    pub(super) fn hour(&self, name: &str) -> Result<Option<u32>, ApiError> {
        let read = |text: &str| {
            let at = text.parse::<jiff::Timestamp>().ok()?;
            let whole = at.as_second() % 3600 == 0 && at.subsec_nanosecond() == 0;
            u32::try_from(at.as_second() / 3600).ok().filter(|_| whole)
        };
        self.parsed(name, "a whole hour in UTC, as 2026-01-15T10:00:00Z", read)
    }

    /// 1 or 0.
    pub(super) fn flag(&self, name: &str) -> Result<bool, ApiError> {
        let read = |text: &str| match text {
            "1" => Some(true),
            "0" => Some(false),
            _ => None,
        };
        Ok(self.parsed(name, "1 or 0", read)?.unwrap_or(false))
    }

    fn parsed<T>(
        &self,
        name: &str,
        fix: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        let read = read(text);
        let wrong = || ApiError::invalid(format!("the parameter {name} is invalid; write {fix}"));
        read.map(Some).ok_or_else(wrong)
    }
}
