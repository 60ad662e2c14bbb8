//! The dialects: the formats that chat platforms and their clients send. An open set, so a table: a new one is a file and its line.

mod raw;

/// One dialect. Pure data and functions: no IO, no clock.
#[derive(Debug)]
pub struct Dialect {
    /// Its name in the configuration.
    pub name: &'static str,
    /// The path a bot has unless it says otherwise; `None`: it must be set.
    pub path: Option<&'static str>,
    /// The preset that `verify` has unless it says otherwise; `None`: it must be named.
    pub preset: Option<&'static str>,
    /// What `sign`, `test` and `demo` send.
    pub sample: Sample,
}

/// A message that fits a dialect.
#[derive(Debug)]
pub struct Sample {
    /// HTTP method.
    pub method: &'static str,
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// Its body.
    pub body: &'static str,
}

/// Every dialect.
pub static DIALECTS: &[&Dialect] = &[&raw::RAW];

/// The dialect of that name.
pub fn find(name: &str) -> Option<&'static Dialect> {
    DIALECTS
        .iter()
        .copied()
        .find(|dialect| dialect.name == name)
}
