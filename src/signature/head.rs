//! What the request's head says, borrowed, and the rule that a header which proves something stands alone.

use super::verify_error::VerifyError;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

/// What the request's head says.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path as received.
    pub path: &'a str,
    /// The query as received, without its `?`.
    pub query: Option<&'a str>,
    /// The headers.
    pub headers: &'a HeaderMap,
}

/// The one value of a header: frameworks differ on which of two they take, so two are refused, equal ones too.
pub(super) fn single_value<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<&'h HeaderValue, VerifyError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or(VerifyError::MissingHeader)?;
    if values.next().is_some() { Err(VerifyError::RepeatedHeader) } else { Ok(value) }
}

/// The one value of a header as visible ASCII.
pub(super) fn single_text<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
    malformed: VerifyError,
) -> Result<&'h str, VerifyError> {
    single_value(headers, name)?.to_str().map_err(|_| malformed)
}
