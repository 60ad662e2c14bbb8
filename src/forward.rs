//! The head of a forwarded request, rebuilt: our own framing, our own identity headers, nothing that is hop-by-hop.

use crate::bot::Bot;
use http::header::{self, Entry, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version};

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

/// The request for the upstream, without its body.
pub fn rebuild(
    bot: &Bot,
    method: Method,
    uri: &Uri,
    mut headers: HeaderMap,
    identity: Identity<'_>,
) -> Result<Request<()>, http::Error> {
    strip(&mut headers, |name| is_ours(name) || (!identity.trusted && is_identity(name)));
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
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = target(bot, uri)?;
    *request.version_mut() = Version::HTTP_11;
    *request.headers_mut() = headers;
    Ok(request)
}

/// Takes what is hop-by-hop out of a response, as the caller shall see it.
pub fn strip_response(headers: &mut HeaderMap) {
    strip(headers, |name| name == "trailer");
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
    let mut doomed: [Option<HeaderName>; 4] = [const { None }; 4];
    loop {
        let named = headers.get_all(header::CONNECTION);
        let by_connection =
            |name: &HeaderName| named.iter().any(|value| lists(value, name)) && name != header::HOST;
        let mut found = 0;
        let any_named = named.iter().next().is_some();
        for name in headers.keys() {
            if is_hop_by_hop(name.as_str()) && name != header::CONNECTION
                || more(name.as_str())
                || any_named && by_connection(name)
            {
                doomed[found] = Some(name.clone());
                found += 1;
                if found == doomed.len() {
                    break;
                }
            }
        }
        for name in doomed.iter_mut().filter_map(Option::take) {
            headers.remove(name);
        }
        if found < doomed.len() {
            break;
        }
    }
    headers.remove(header::CONNECTION);
}

fn lists(value: &HeaderValue, name: &HeaderName) -> bool {
    let tokens = value.as_bytes().split(|&b| b == b',');
    tokens.map(<[u8]>::trim_ascii).any(|token| token.eq_ignore_ascii_case(name.as_str().as_bytes()))
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
    matches!(name, "content-length" | "expect" | "trailer" | "x-request-id") || name.contains('_')
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
