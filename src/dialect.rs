//! Which wire formats there are: a table, so that one more is one more file and its line.

/// A wire format of callers.
#[derive(Debug)]
pub struct Dialect {
    /// Its name in a configuration.
    pub name: &'static str,
}

/// Every dialect.
pub const DIALECTS: &[Dialect] = &[Dialect { name: "raw" }];
