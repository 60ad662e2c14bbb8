//! A forwarded request: its head rebuilt with our own framing and identity headers and nothing that is hop-by-hop, its response
//! streamed back.

use crate::net::client::{self, Frames, Outgoing};
use crate::net::hop_by_hop::{connection_lists, is_hop_by_hop};
use crate::proxy::bot::Forward;
use crate::proxy::caller::Caller;
use crate::proxy::context::RequestContext;
use crate::proxy::reject::Reject;
use crate::proxy::response::ResponseBody;
use crate::proxy::worker::ConfigSnapshot;
use crate::state::idempotency::Guard;
use http::header::{self, HeaderName};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, Uri};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// Who the caller is, as the upstream learns it.
#[derive(Debug)]
pub struct Identity<'a> {
    pub caller: &'a Caller,
    /// The caller is a trusted proxy: what it says of others is believed and passed on.
    pub trusted: bool,
    /// The request's id.
    pub id: &'a HeaderValue,
}

/// The request for the upstream, rebuilt from the caller's head, whose header map it takes.
pub fn rebuild(
    forward: &Forward,
    head: &mut Parts,
    identity: &Identity<'_>,
    body: Frames,
) -> Outgoing {
    let mut headers = std::mem::take(&mut head.headers);
    if headers.contains_key(header::CONNECTION) {
        drop_named(&mut headers);
    }
    let bodiless = head.method == Method::HEAD;
    let length = body.len();
    let write = |headers: &HeaderMap, out: &mut Vec<u8>| {
        write_head(forward, head, headers, identity, length, out)
    };
    Outgoing::new(bodiless, body, headers, write)
}

/// Sends it through the worker's pool. The response streams back, copied for a repeated delivery where there is a `guard`.
pub async fn send(
    snapshot: &ConfigSnapshot,
    forward: &Forward,
    mut request: Outgoing,
    caller: &Caller,
    ctx: &mut RequestContext,
    guard: Option<Guard>,
) -> Result<Response<ResponseBody>, Reject> {
    let pool = &snapshot.pools[forward.upstream];
    ctx.set_upstream(pool, &snapshot.registry.upstreams[forward.upstream].name);
    request.set_observer(ctx.observer());
    let response =
        client::send(pool, request, &caller.timer, None, None).await.map_err(Reject::Upstream)?;
    let (parts, body) = response.into_parts();
    let body = ResponseBody::upstream(&parts, body, guard);
    Ok(Response::from_parts(parts, body))
}

fn write_head(
    forward: &Forward,
    head: &Parts,
    headers: &HeaderMap,
    identity: &Identity<'_>,
    length: u64,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(head.method.as_str().as_bytes());
    out.push(b' ');
    write_target(forward, &head.uri, out);
    out.extend_from_slice(b" HTTP/1.1\r\nhost: ");
    out.extend_from_slice(forward.authority.as_bytes());
    let mut framed = length > 0;
    for (name, value) in headers {
        let known = name.as_str();
        framed |= known == "content-length" || known == "transfer-encoding";
        let ours = is_hop_by_hop(known)
            || is_ours(known)
            || forward.headers.iter().any(|(own, _)| own == name);
        if !ours && (identity.trusted && known != "x-forwarded-for" || !is_identity(known)) {
            field(out, known, value.as_bytes());
        }
    }
    for (name, value) in &forward.headers {
        field(out, name.as_str(), value.as_bytes());
    }
    if framed {
        field(out, "content-length", itoa::Buffer::new().format(length).as_bytes());
    }
    write_identity(headers, identity, forward, out);
    out.extend_from_slice(b"\r\n\r\n");
}

/// Who sent it: what the configuration or a trusted proxy said of that, with the proxy itself behind it, or what we see.
fn write_identity(
    headers: &HeaderMap,
    identity: &Identity<'_>,
    forward: &Forward,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"\r\nx-forwarded-for: ");
    if identity.trusted {
        for value in headers.get_all(X_FORWARDED_FOR) {
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(b", ");
        }
    }
    out.extend_from_slice(identity.caller.address_text.as_bytes());
    let own = |name: &HeaderName| forward.headers.iter().any(|(own, _)| own == name);
    let is_given = |name: &HeaderName| own(name) || identity.trusted && headers.contains_key(name);
    if !is_given(&X_FORWARDED_PROTO) {
        field(out, "x-forwarded-proto", identity.caller.scheme.as_str().as_bytes());
    }
    if let Some(host) = headers.get(header::HOST).filter(|_| !is_given(&X_FORWARDED_HOST)) {
        field(out, "x-forwarded-host", host.as_bytes());
    }
    field(out, "x-request-id", identity.id.as_bytes());
}

/// Begins a line: the one before it is not ended yet.
fn field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
}

/// The upstream's path before the caller's own, which is never decoded or normalised.
fn write_target(forward: &Forward, uri: &Uri, out: &mut Vec<u8>) {
    let whole = uri.path_and_query().map_or("/", |target| target.as_str());
    let rest = match &forward.strip {
        Some(prefix) => whole.strip_prefix(prefix.as_str()).unwrap_or(whole),
        None => whole,
    };
    out.extend_from_slice(forward.prefix.as_bytes());
    if !rest.starts_with('/') {
        out.push(b'/');
    }
    out.extend_from_slice(rest.as_bytes());
}

/// Takes out what the caller's `Connection` fields name, but not what says where the request goes.
fn drop_named(headers: &mut HeaderMap) {
    let connections = headers.get_all(header::CONNECTION);
    let listed = |name: &HeaderName| {
        connections.iter().any(|value| connection_lists(value.as_bytes(), name.as_str()))
    };
    let removed = headers.keys().filter(|name| **name != header::HOST && listed(name));
    let removed: Vec<HeaderName> = removed.cloned().collect();
    for name in removed {
        headers.remove(name);
    }
}

/// What the rebuilt request says itself, or has fulfilled already. A name with an underscore could pass for one of those headers
/// in a backend that maps both to one variable (CGI, WSGI), so it is not passed on.
fn is_ours(name: &str) -> bool {
    matches!(name, "host" | "content-length" | "expect" | "x-request-id") || name.contains('_')
}

/// What a caller could say of itself to look like somebody else.
fn is_identity(name: &str) -> bool {
    matches!(name, "forwarded" | "x-real-ip") || name.starts_with("x-forwarded-")
}

#[cfg(test)]
mod tests;
