//! Responses of the admin side: plain text for probes, JSON for the API.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde::Serialize;

pub(super) type AdminResponse = Response<Full<Bytes>>;

pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> AdminResponse {
    response(status, "text/plain; charset=utf-8", body)
}

/// Responses may hold message texts, so they are `no-store`.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> AdminResponse {
    // Serialization fails only for maps whose keys are not strings.
    let body = serde_json::to_vec(value).unwrap_or_default();
    let mut response = response(status, "application/json", body);
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, no_store);
    response
}

pub(super) fn response(
    status: StatusCode,
    kind: &'static str,
    body: impl Into<Bytes>,
) -> AdminResponse {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
