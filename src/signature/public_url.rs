//! The URL that a sender signed: how the world sees us, never what `Host` or `X-Forwarded-*` say.

use super::spec::UrlVariant;

/// How the world sees a path of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    base: String,
    /// How many bytes of the request's path the base stands for.
    replaces: usize,
}

impl PublicUrl {
    /// A bot's own `public_url`: it stands for the bot's path, or for what comes before its `/*`. A query in it is ignored.
    pub fn for_bot(public_url: &str, path: &str) -> Self {
        let base = without_query(public_url);
        match path.strip_suffix("/*") {
            Some(before) => {
                Self { base: base.trim_end_matches('/').to_owned(), replaces: before.len() }
            }
            None => Self { base: base.to_owned(), replaces: path.len() },
        }
    }

    /// The server's `public_url`, which the whole path follows. A query in it is ignored.
    pub fn for_server(public_url: &str) -> Self {
        Self { base: without_query(public_url).trim_end_matches('/').to_owned(), replaces: 0 }
    }

    /// A path of ours as the world sees it.
    pub fn url_of_path(&self, path: &str) -> String {
        [&self.base, self.rest(path)].concat()
    }

    /// What of the request's path follows the base.
    pub(super) fn rest<'a>(&self, path: &'a str) -> &'a str {
        path.get(self.replaces..).unwrap_or_default()
    }

    /// The base in each of the forms asked for, each once.
    pub(super) fn bases(&self, variants: &[UrlVariant]) -> Vec<String> {
        let mut bases = Vec::with_capacity(variants.len());
        for variant in variants {
            let base = match variant {
                UrlVariant::AsIs => self.base.clone(),
                UrlVariant::WithoutPort => self.with_port(false),
                UrlVariant::WithPort => self.with_port(true),
            };
            if !bases.contains(&base) {
                bases.push(base);
            }
        }
        bases
    }

    fn with_port(&self, wanted: bool) -> String {
        let Some((scheme, rest)) = self.base.split_once("://") else {
            return self.base.clone();
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        // The last colon ends a host only outside the brackets of an IPv6 address.
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                (host, Some(port))
            }
            _ => (authority, None),
        };
        let usual = if scheme == "http" { "80" } else { "443" };
        match wanted {
            true => format!("{scheme}://{host}:{}{path}", port.unwrap_or(usual)),
            false => format!("{scheme}://{host}{path}"),
        }
    }
}

fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// Writes a URL as HubSpot signs it: these percent-encodings decoded and no others
/// (<https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation>).
pub(super) fn write_hubspot(url: &str, mut sink: impl FnMut(&[u8])) {
    let mut rest = url;
    while let Some(at) = rest.find('%') {
        let (before, from) = rest.split_at(at);
        sink(before.as_bytes());
        let decoded: Option<&[u8]> = match from
            .get(1..3)
            .map(|code| [code.as_bytes()[0], code.as_bytes()[1].to_ascii_uppercase()])
        {
            Some([b'2', b'1']) => Some(b"!"),
            Some([b'2', b'4']) => Some(b"$"),
            Some([b'2', b'7']) => Some(b"'"),
            Some([b'2', b'8']) => Some(b"("),
            Some([b'2', b'9']) => Some(b")"),
            Some([b'2', b'A']) => Some(b"*"),
            Some([b'2', b'C']) => Some(b","),
            Some([b'2', b'F']) => Some(b"/"),
            Some([b'3', b'A']) => Some(b":"),
            Some([b'3', b'B']) => Some(b";"),
            Some([b'3', b'F']) => Some(b"?"),
            Some([b'4', b'0']) => Some(b"@"),
            _ => None,
        };
        sink(decoded.unwrap_or(b"%"));
        rest = from.get(if decoded.is_some() { 3 } else { 1 }..).unwrap_or_default();
    }
    sink(rest.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use UrlVariant::{AsIs, WithPort, WithoutPort};

    #[test]
    fn the_base_stands_for_the_path_or_its_front() {
        let exact = PublicUrl::for_bot("https://b.example/hook/?x=1", "/slack");
        assert_eq!(
            (exact.bases(&[AsIs]), exact.rest("/slack")),
            (vec!["https://b.example/hook/".to_owned()], "")
        );
        let prefix = PublicUrl::for_bot("https://b.example/slack/", "/slack/*");
        assert_eq!(
            (prefix.bases(&[AsIs]), prefix.rest("/slack/events")),
            (vec!["https://b.example/slack".to_owned()], "/events")
        );
        let server = PublicUrl::for_server("https://b.example/");
        assert_eq!(
            (server.bases(&[AsIs]), server.rest("/a/b")),
            (vec!["https://b.example".to_owned()], "/a/b")
        );
    }

    #[test]
    fn ports_come_and_go() {
        for (url, bases) in [
            ("https://b.example/x", vec!["https://b.example/x", "https://b.example:443/x"]),
            ("http://b.example:8080", vec!["http://b.example:8080", "http://b.example"]),
            ("https://[::1]", vec!["https://[::1]", "https://[::1]:443"]),
        ] {
            assert_eq!(
                PublicUrl::for_bot(url, "/x").bases(&[AsIs, WithoutPort, WithPort]),
                bases,
                "{url}"
            );
        }
    }

    #[test]
    fn hubspot_decodes_its_list_and_nothing_else() {
        let mut out = Vec::new();
        write_hubspot("https://x/%3a%2F%41%zz%2", |bytes| out.extend_from_slice(bytes));
        assert_eq!(out, b"https://x/:/%41%zz%2");
    }
}
