//! The two kinds of URL in a configuration: where a backend is, and how the world sees this server.

use super::parse::{self, ValueError};
use super::reader::Reading;
use crate::codec::provider::{Codec, Settings};
use http::Uri;
use http::uri::Scheme;

/// A backend's address, taken apart.
pub(crate) struct Backend {
    pub(crate) tls: bool,
    pub(crate) authority: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The path without a slash at its end.
    pub(crate) prefix: String,
    /// That slash.
    slash: bool,
    query: Option<String>,
}

impl Backend {
    /// The URL's path and query as they are written.
    pub(crate) fn whole_path(&self) -> String {
        let slash = if self.slash || self.prefix.is_empty() { "/" } else { "" };
        let query = self.query.as_deref();
        let query = query.map_or_else(String::new, |query| format!("?{query}"));
        format!("{}{slash}{query}", self.prefix)
    }

    /// Where a codec's requests go: its own end of the path, and the URL's query. A path that the codec leaves as it is keeps
    /// its slash, too.
    pub(crate) fn endpoint(&self, codec: &dyn Codec, settings: &Settings, stream: bool) -> String {
        let mut endpoint = codec.endpoint(&self.prefix, settings, stream);
        if self.slash && endpoint == self.prefix {
            endpoint.push('/');
        }
        if let Some(query) = &self.query {
            endpoint.push('?');
            endpoint.push_str(query);
        }
        endpoint
    }
}

/// `http://host:port/path`, or `https`: no user or fragment, and a query only where the whole path is the URL's to say.
pub(crate) fn backend(text: &str, with_query: bool) -> Result<Backend, ValueError> {
    let fix = "write it like \"http://127.0.0.1:5000\" or \"https://backend.example/base\"";
    let uri = absolute(text, fix)?;
    let tls = uri.scheme() == Some(&Scheme::HTTPS);
    match uri.query() {
        Some(_) if !with_query => {
            return Err(ValueError::new(
                "a backend's URL has no query",
                "leave out the question mark and what follows",
            ));
        }
        Some(query) if !query.bytes().all(|byte| byte.is_ascii_graphic()) => {
            return Err(ValueError::new(
                "a query with characters that no request line can carry",
                "percent-encode them",
            ));
        }
        _ => {}
    }
    let host = uri.host().unwrap_or_default();
    let prefix = uri.path().trim_end_matches('/');
    if !prefix.is_empty() {
        parse::path(prefix)?;
    }
    Ok(Backend {
        authority: uri.authority().map(ToString::to_string).unwrap_or_default(),
        host: host.trim_matches(['[', ']']).to_owned(),
        port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }),
        tls,
        prefix: prefix.to_owned(),
        slash: uri.path().len() > prefix.len() && !prefix.is_empty(),
        query: uri.query().map(str::to_owned),
    })
}

/// A `public_url`, its query left out with a warning.
pub(crate) fn public(
    reading: &mut Reading<'_>,
    path: &str,
    written: Option<&str>,
) -> Option<String> {
    if written.is_some_and(has_user) {
        reading.blot(path);
    }
    let text = reading.value(path, written, |text| {
        absolute(text, "write it like \"https://bots.example\"").map(|_| text.to_owned())
    })?;
    match text.split_once('?') {
        None => Some(text),
        Some((base, _)) => {
            reading.warning(
                path,
                format!("the query in `{path}` is ignored"),
                "leave it out: the query that counts is the one received",
            );
            Some(base.to_owned())
        }
    }
}

/// True where a backend's URL may hold a password or a key.
pub(crate) fn may_hold_secret(text: &str) -> bool {
    has_user(text) || text.contains('?')
}

/// True where a URL may hold a password.
pub(crate) fn has_user(text: &str) -> bool {
    text.contains('@')
}

fn absolute(text: &str, fix: &str) -> Result<Uri, ValueError> {
    if has_user(text) {
        return Err(ValueError::new(
            "a URL with a user in it",
            "leave out what stands before the \"@\"",
        ));
    }
    if text.contains('#') {
        return Err(ValueError::new(
            "a URL with a fragment",
            "leave out the \"#\" and what follows",
        ));
    }
    let not_one = || ValueError::new("not a URL", fix);
    let uri: Uri = text.parse().map_err(|_| not_one())?;
    let web = uri.scheme() == Some(&Scheme::HTTP) || uri.scheme() == Some(&Scheme::HTTPS);
    let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    let host = uri.host().unwrap_or_default();
    // "host:" and "host:99999" pass as authorities.
    let port_is_right =
        authority.len() == host.len() || uri.port_u16().is_some_and(|port| port > 0);
    let is_ipv6 = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .map(|host| host.parse::<std::net::Ipv6Addr>().is_ok());
    let is_name = || {
        !host.is_empty()
            && host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
    };
    if !(web && port_is_right && is_ipv6.unwrap_or_else(is_name)) {
        return Err(not_one());
    }
    if is_ipv6.is_none() && ends_in_number(host) && host.parse::<std::net::Ipv4Addr>().is_err() {
        return Err(ValueError::new(
            "an IPv4 address in a form that not everybody reads alike",
            "write it as four decimal numbers, like \"127.0.0.1\"",
        ));
    }
    Ok(uri)
}

/// True where a host is an IPv4 address to browsers and to the system's resolver, in whatever form: `2130706433`, `0x7f.1`
/// (the URL standard, "ends in a number").
fn ends_in_number(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let last = host.rsplit('.').next().unwrap_or_default();
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    match hex {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backends() {
        for (text, authority, host, port, prefix) in [
            ("http://127.0.0.1:5000", "127.0.0.1:5000", "127.0.0.1", 5000, ""),
            ("http://backend", "backend", "backend", 80, ""),
            ("http://[::1]:81/base/", "[::1]:81", "::1", 81, "/base"),
            ("https://a", "a", "a", 443, ""),
            // The forms of one address or name that are left to the resolver, and to the guard behind it.
            ("http://a.", "a.", "a.", 80, ""),
            ("http://1.2.3.4.a", "1.2.3.4.a", "1.2.3.4.a", 80, ""),
            ("http://0xa.fade", "0xa.fade", "0xa.fade", 80, ""),
            ("http://[::FFFF:127.0.0.1]", "[::FFFF:127.0.0.1]", "::FFFF:127.0.0.1", 80, ""),
            ("http://xn--e1afmkfd.example", "xn--e1afmkfd.example", "xn--e1afmkfd.example", 80, ""),
            ("https://a:80/v1", "a:80", "a", 80, "/v1"),
        ] {
            let read = backend(text, false).ok().unwrap();
            assert_eq!(read.tls, text.starts_with("https"));
            assert_eq!(
                (read.authority.as_str(), read.host.as_str(), read.port, read.prefix.as_str()),
                (authority, host, port, prefix)
            );
        }
        for text in [
            "",
            "backend:80",
            "/path",
            "ftp://a",
            "http://",
            "http://a:",
            "http://a:0",
            "http://a:99999",
            "http://u:p@a",
            "http://a?q",
            "http://a/#f",
            "http://a/../b",
            "http://[::1",
            "http://[x]",
            "http://a b",
            "http://é",
            "http://127.0.0.1@10.0.0.1",
            "http://backend\\@10.0.0.1",
            "http://127。0。0。1",
            "http://①②⑦.0.0.1",
            "http://%31%32%37.0.0.1",
            "http://[fe80::1%eth0]",
            "http://[fe80::1%25eth0]",
            "http://[127.0.0.1]",
            "http://::1",
            "http://2130706433",
            "http://017700000001/",
            "http://0177.0.0.1",
            "http://127.1",
            "http://0x7f.1",
            "http://0X7F000001:80",
            "http://127.0.0.0x1",
            "http://0x",
            "http://127.0.0.1.",
            "http://1.2.3.4.5",
            "http://256.1.1.1",
        ] {
            assert!(backend(text, false).is_err(), "{text}");
        }
    }

    #[test]
    fn a_path_is_kept_as_it_is_written() {
        for (text, path) in [
            ("http://a", "/"),
            ("http://a/", "/"),
            ("http://a?q=1", "/?q=1"),
            ("http://a/b", "/b"),
            ("http://a/b/", "/b/"),
            ("http://a/b/?q=%20&r=/", "/b/?q=%20&r=/"),
        ] {
            assert_eq!(backend(text, true).ok().unwrap().whole_path(), path);
        }
    }
}
