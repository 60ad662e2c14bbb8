//! Browsers' questions: may a page of this origin call? (Fetch standard, CORS protocol.)

use crate::proxy::bot::Cors;
use crate::proxy::reject::Reject;
use crate::proxy::response::ResponseBody;
use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, Response, StatusCode};

/// How long a browser may remember a preflight, in seconds.
const MAX_AGE: &str = "600";
/// Headers of ours that a page may read beside those that any may.
const EXPOSED: &str = "retry-after, x-request-id, ratelimit, ratelimit-policy, botgate-duplicate";
/// A longer list of wanted headers is no browser's, in bytes.
const MAX_LIST: usize = 2048;

/// The answer to a preflight, where this is one and `cors` answers it; an error where the origin is not listed.
pub fn preflight(
    cors: &Cors,
    head: &Parts,
    methods: &'static str,
) -> Option<Result<Response<ResponseBody>, Reject>> {
    if head.method != Method::OPTIONS
        || !head.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
    {
        return None;
    }
    let origin = head.headers.get(header::ORIGIN)?;
    if !cors.lists(origin.as_bytes()) {
        return Some(Err(Reject::Origin));
    }
    let mut response = Response::new(ResponseBody::full(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
    if let Some(wanted) = head
        .headers
        .get(header::ACCESS_CONTROL_REQUEST_HEADERS)
        .filter(|wanted| wanted.len() <= MAX_LIST)
    {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    Some(Ok(response))
}

/// Whether the request's origin, where it has one, may speak to a bot.
///
/// # Errors
/// [`Reject::Origin`] where it may not. A bot without `cors` takes none, unless it only forwards.
pub fn check(cors: Option<&Cors>, forwards: bool, headers: &HeaderMap) -> Result<(), Reject> {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(());
    };
    let listed = match cors {
        Some(cors) => cors.lists(origin.as_bytes()),
        None => forwards,
    };
    if listed { Ok(()) } else { Err(Reject::Origin) }
}

/// Lets the page of `origin` read a response, errors too.
pub fn allow(origin: &HeaderValue, headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
}
