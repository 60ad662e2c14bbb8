//! How a request ends: its response or its error, with the headers that every response carries.

use crate::codec::dialect::{Chat, default_error};
use crate::net::request_framing::FramingError;
use crate::proxy::caller::Caller;
use crate::proxy::context::{RequestContext, X_REQUEST_ID};
use crate::proxy::cors;
use crate::proxy::reject::{Reject, describe_framing, error_body};
use crate::proxy::response::ResponseBody;
use crate::proxy::worker::Worker;
use crate::signature::Handshake;
use crate::state::limit::retry_after;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use std::rc::Rc;

const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// How much of the request the upstream saw, on every 502 and 504.
const BOTGATE_UPSTREAM: HeaderName = HeaderName::from_static("botgate-upstream");

/// The response as it leaves. Its body owns the context, which is logged when the body ends.
pub fn answer(
    ctx: Box<RequestContext>,
    mut response: Response<ResponseBody>,
) -> Response<ResponseBody> {
    let status = response.status();
    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, ctx.id.clone());
    if let Some(origin) = ctx.allowed_origin() {
        cors::allow(origin, headers);
    }
    if let (Some(standing), Some(rules)) = (ctx.standing(), ctx.rules()) {
        let fields =
            [(RATELIMIT_POLICY, rules.policy().cloned()), (RATELIMIT, rules.rate_limit(&standing))];
        for (name, value) in fields {
            if let Some(value) = value {
                // The backend may announce limits of its own: a list member is added, none is rewritten.
                headers.append(name, value);
            }
        }
    }
    response.body_mut().attach(ctx, status);
    response
}

/// The error as it leaves.
pub fn refuse(mut ctx: Box<RequestContext>, reject: &Reject) -> Response<ResponseBody> {
    ctx.rejected(reject);
    let mut response = error_response(ctx.chat(), reject);
    let headers = response.headers_mut();
    let wait = match (reject.retry_after(), reject, ctx.standing()) {
        (Some(wait), _, _) => Some(HeaderValue::from(wait.as_millis().div_ceil(1000) as u64)),
        (None, Reject::Limited, Some(standing)) => Some(retry_after(standing.wait_us)),
        _ => None,
    };
    if let Some(wait) = wait {
        headers.insert(header::RETRY_AFTER, wait);
    }
    if let Reject::Method = reject {
        headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
    }
    if let Reject::Upstream(error) = reject {
        headers.insert(BOTGATE_UPSTREAM, HeaderValue::from_static(error.sent.word()));
    }
    answer(ctx, response)
}

/// An error in the shape of the dialect, where one is known.
pub fn error_response(chat: Option<&dyn Chat>, reject: &Reject) -> Response<ResponseBody> {
    let info = reject.describe();
    let mut body = Vec::new();
    match chat {
        Some(chat) => chat.encode_error(info.status, &reject.sentence(), info.code, &mut body),
        None => default_error(&reject.sentence(), info.code, &mut body),
    }
    let status = StatusCode::from_u16(info.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    ResponseBody::response(status, "application/json", body.into())
}

/// The answer to a sender that asks whether this address is ours.
pub fn challenge_response(handshake: Handshake) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::full(handshake.body));
    *response.status_mut() = StatusCode::from_u16(handshake.status).unwrap_or(StatusCode::OK);
    if let Some(content_type) = handshake.content_type {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    response
}

/// The whole response to a head whose framing is refused, as bytes: no parser has seen the head, so none writes the response.
pub fn refuse_head(worker: &Rc<Worker>, caller: &Caller, error: FramingError) -> Vec<u8> {
    let ctx = RequestContext::headless(worker, caller.address);
    let info = describe_framing(error);
    let body = error_body(error.message(), info.code);
    let status = StatusCode::from_u16(info.status).ok();
    let phrase = status.and_then(|status| status.canonical_reason()).unwrap_or("");
    let mut bytes = format!(
        "HTTP/1.1 {} {phrase}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\nx-request-id: {}\r\n\r\n",
        info.status,
        body.len(),
        ctx.id.to_str().unwrap_or_default(),
    )
    .into_bytes();
    bytes.extend_from_slice(&body);
    ctx.head_refused(info, error);
    bytes
}
