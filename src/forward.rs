//! The head of a forwarded request, rebuilt: our own framing, our own identity headers, nothing that is hop-by-hop.

use crate::bot::Bot;
use crate::client::Frames;
use http::header::{self, Entry, HeaderName};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Uri, Version, response};
use hyper::body::Body;
use smallvec::SmallVec;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// The id that one request has on both sides and in the log.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Who the caller is, as the upstream shall learn it.
#[derive(Debug)]
pub struct Identity<'a> {
    /// The socket's address.
    pub socket: &'a HeaderValue,
    /// That address is a trusted proxy's: what it says of others is believed and passed on.
    pub trusted: bool,
    /// The request's id.
    pub id: HeaderValue,
}

/// The request for the upstream. Takes the header map out of the caller's head.
pub fn rebuild(
    bot: &Bot,
    head: &mut Parts,
    identity: Identity<'_>,
    body: Frames,
) -> Result<Request<Frames>, http::Error> {
    let mut headers = std::mem::take(&mut head.headers);
    let framed = headers.contains_key(header::CONTENT_LENGTH)
        || headers.contains_key(header::TRANSFER_ENCODING);
    strip(&mut headers, |name| {
        is_ours(name) || (!identity.trusted && is_identity(name))
    });
    if framed && body.is_end_stream() {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    let host = headers.insert(header::HOST, bot.authority.clone());
    if identity.trusted {
        append_peer(&mut headers, identity.socket);
    } else {
        headers.insert(X_FORWARDED_FOR, identity.socket.clone());
    }
    if let Entry::Vacant(entry) = headers.entry(X_FORWARDED_PROTO) {
        entry.insert(HeaderValue::from_static("http"));
    }
    if let (Entry::Vacant(entry), Some(host)) = (headers.entry(X_FORWARDED_HOST), host) {
        entry.insert(host);
    }
    headers.insert(X_REQUEST_ID, identity.id);
    for (name, value) in &bot.headers {
        headers.insert(name, value.clone());
    }
    let mut request = Request::new(body);
    *request.uri_mut() = target(bot, &head.uri)?;
    std::mem::swap(request.method_mut(), &mut head.method);
    *request.headers_mut() = headers;
    Ok(request)
}

/// Makes a response's head ours: nothing hop-by-hop, and the version that we speak, whatever the upstream does.
pub fn strip_response(head: &mut response::Parts) {
    strip(&mut head.headers, |name| name == "trailer");
    head.version = Version::HTTP_11;
}

/// The upstream's path before the caller's own, which is never decoded or normalised.
fn target(bot: &Bot, uri: &Uri) -> Result<Uri, http::Error> {
    let whole = uri.path_and_query().map_or("/", |target| target.as_str());
    let rest = match &bot.strip {
        Some(prefix) => whole.strip_prefix(prefix.as_str()).unwrap_or(whole),
        None => whole,
    };
    if rest.len() == whole.len() && bot.prefix.is_empty() && uri.scheme().is_none() {
        return Ok(uri.clone());
    }
    let slash = if rest.starts_with('/') { "" } else { "/" };
    Ok(format!("{}{slash}{rest}", bot.prefix).try_into()?)
}

/// Removes the hop-by-hop fields of RFC 9110 §7.6.1, those that `Connection` names, and those that `more` names.
fn strip(headers: &mut HeaderMap, more: impl Fn(&str) -> bool) {
    let mut doomed: SmallVec<[HeaderName; 4]> = SmallVec::new();
    let mut named = false;
    for name in headers.keys() {
        named |= name == header::CONNECTION;
        if is_hop_by_hop(name.as_str()) || more(name.as_str()) {
            doomed.push(name.clone());
        }
    }
    if named {
        let values = headers.get_all(header::CONNECTION);
        let listed = |name: &&HeaderName| {
            **name != header::HOST && values.iter().any(|value| lists(value, name))
        };
        doomed.extend(headers.keys().filter(listed).cloned());
    }
    for name in doomed {
        headers.remove(name);
    }
}

fn lists(value: &HeaderValue, name: &HeaderName) -> bool {
    let tokens = value.as_bytes().split(|&b| b == b',');
    tokens
        .map(<[u8]>::trim_ascii)
        .any(|token| token.eq_ignore_ascii_case(name.as_str().as_bytes()))
}

fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

/// What the rebuilt request sets itself, or has fulfilled already. A name with an underscore could pass for one of those headers
/// in a backend that maps both to one variable (CGI, WSGI), so it is not passed on.
fn is_ours(name: &str) -> bool {
    matches!(
        name,
        "content-length" | "expect" | "trailer" | "x-request-id"
    ) || name.contains('_')
}

/// What a caller could say of itself to look like somebody else.
fn is_identity(name: &str) -> bool {
    matches!(name, "forwarded" | "x-real-ip") || name.starts_with("x-forwarded-")
}

fn append_peer(headers: &mut HeaderMap, peer: &HeaderValue) {
    let mut list = Vec::new();
    for value in headers.get_all(X_FORWARDED_FOR) {
        list.extend_from_slice(value.as_bytes());
        list.extend_from_slice(b", ");
    }
    list.extend_from_slice(peer.as_bytes());
    if let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(list)) {
        headers.insert(X_FORWARDED_FOR, value);
    }
}
