//! What a `data:` URL holds (RFC 2397).

/// The bytes within a URL, still in base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DataUrl<'a> {
    /// The media type as it stands there, its parameters left out; `text/plain` where there is none.
    pub media_type: &'a str,
    /// Base64.
    pub data: &'a str,
}

/// Reads a `data:` URL; `None` where it is another URL.
///
/// # Errors
/// It is not in base64, or its base64 is percent-encoded: no AI takes that, and what is wrong is easily put right at its source.
pub(super) fn parse(url: &str) -> Option<Result<DataUrl<'_>, &'static str>> {
    if !starts(url, "data:") {
        return None;
    }
    let rest = &url["data:".len()..];
    let Some((head, data)) = rest.split_once(',') else {
        return Some(Err("its data: URL has no comma before the data"));
    };
    let Some((kind, last)) = head.rsplit_once(';') else {
        return Some(Err("its data: URL must be in base64"));
    };
    if !last.trim().eq_ignore_ascii_case("base64")
        || memchr::memchr(b'%', data.as_bytes()).is_some()
    {
        return Some(Err("its data: URL must be in base64"));
    }
    let media_type = kind.split(';').next().unwrap_or_default().trim();
    Some(Ok(DataUrl {
        media_type: if media_type.is_empty() { "text/plain" } else { media_type },
        data,
    }))
}

impl DataUrl<'_> {
    /// The image's media type as both APIs spell it, where it is one that they take.
    pub(super) fn image(&self) -> Option<&'static str> {
        let known = ["image/png", "image/jpeg", "image/gif", "image/webp"];
        let media_type = match self.media_type {
            // Not registered, and yet common.
            jpg if jpg.eq_ignore_ascii_case("image/jpg") => "image/jpeg",
            other => other,
        };
        known.into_iter().find(|known| media_type.eq_ignore_ascii_case(known))
    }
}

/// Whether a URL leads to the web.
pub(super) fn is_web(url: &str) -> bool {
    is_https(url) || starts(url, "http://")
}

/// Whether a URL leads to the web in private.
pub(super) fn is_https(url: &str) -> bool {
    starts(url, "https://")
}

/// Whether a media type is an image's.
pub(super) fn is_image(media_type: &str) -> bool {
    starts(media_type, "image/")
}

/// Whether a media type is a text's.
pub(super) fn is_text(media_type: &str) -> bool {
    starts(media_type, "text/") || media_type.eq_ignore_ascii_case("application/json")
}

fn starts(text: &str, with: &str) -> bool {
    text.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_case_and_other_encodings() {
        let read = |url| parse(url).map(|read| read.map(|it| (it.media_type, it.image(), it.data)));
        let png = Some("image/png");
        for (url, media_type, image) in [
            ("data:image/png;base64,AA==", "image/png", png),
            ("DATA:Image/PNG;charset=utf-8;BASE64,AA==", "Image/PNG", png),
            ("data:image/jpg;base64,AA==", "image/jpg", Some("image/jpeg")),
            ("data:;base64,AA==", "text/plain", None),
            ("data:image/svg+xml;base64,AA==", "image/svg+xml", None),
        ] {
            assert_eq!(read(url), Some(Ok((media_type, image, "AA=="))), "{url}");
        }
        for url in [
            "data:text/plain,hello%20world",
            "data:image/png;base64,AA%3D%3D",
            "data:image/png;base64",
            "data:,",
            "data:base64,AA==",
        ] {
            assert!(matches!(read(url), Some(Err(_))), "{url}");
        }
        assert_eq!(read("https://example.com/a.png"), None);
        assert_eq!(read("d\u{e4}ta:"), None);
    }
}
