//! The answer that a delivery got, as it is kept: a copy of its own, so that it holds no buffer that it came in.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};

/// A larger body is not kept.
pub const MAX_BODY: usize = 64 * 1024;
/// With more bytes of header fields than this nothing but the fact is kept.
pub const MAX_HEAD: usize = 16 * 1024;
/// What one delivery costs beside its answer: the key twice, tables, counts.
const OVERHEAD: usize = 256;
const PER_FIELD: usize = 80;

/// An answer, complete or only the fact that there was one.
#[derive(Debug)]
pub struct Stored {
    /// Its status.
    pub status: StatusCode,
    /// Its header fields; none where the body is not kept.
    pub headers: HeaderMap,
    /// Its body; `None` where it was streamed or is over [`MAX_BODY`].
    pub body: Option<Bytes>,
}

impl Stored {
    /// A copy of an answer. Without a body, or where body or head are too large, only the fact is kept.
    pub fn new(status: StatusCode, headers: &HeaderMap, body: Option<&[u8]>) -> Self {
        let size: usize =
            headers.iter().map(|(name, value)| name.as_str().len() + value.len() + PER_FIELD).sum();
        let Some(body) = body.filter(|body| body.len() <= MAX_BODY && size <= MAX_HEAD) else {
            return Self::fact(status);
        };
        let copied = headers.iter().map(|(name, value)| {
            let mut copy =
                HeaderValue::from_bytes(value.as_bytes()).unwrap_or(HeaderValue::from_static(""));
            copy.set_sensitive(value.is_sensitive());
            (name.clone(), copy)
        });
        let mut headers = HeaderMap::with_capacity(headers.len());
        copied.for_each(|(name, value)| {
            headers.append(name, value);
        });
        Self { status, headers, body: Some(Bytes::copy_from_slice(body)) }
    }

    /// Only that there was an answer.
    pub fn fact(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: None }
    }

    /// What it costs to keep, in bytes.
    pub(super) fn cost(&self) -> usize {
        let fields =
            self.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + PER_FIELD);
        OVERHEAD + fields.sum::<usize>() + self.body.as_ref().map_or(0, Bytes::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_kept_whole_or_as_a_fact() {
        let mut headers = HeaderMap::new();
        headers.append("x-a", HeaderValue::from_static("1"));
        headers.append("x-a", HeaderValue::from_static("2"));
        let stored = Stored::new(StatusCode::CREATED, &headers, Some(b"hello"));
        assert_eq!((stored.status, &stored.headers), (StatusCode::CREATED, &headers));
        assert_eq!(stored.body.as_deref(), Some(&b"hello"[..]));
        assert_eq!(stored.cost(), OVERHEAD + 2 * (4 + PER_FIELD) + 5);

        let edge = vec![b'x'; MAX_BODY];
        assert!(Stored::new(StatusCode::OK, &headers, Some(&edge)).body.is_some());
        let large = vec![b'x'; MAX_BODY + 1];
        let mut many = headers.clone();
        many.insert("x-b", HeaderValue::from_str(&"y".repeat(MAX_HEAD)).unwrap());
        for fact in [
            Stored::new(StatusCode::OK, &headers, None),
            Stored::new(StatusCode::OK, &headers, Some(&large)),
            Stored::new(StatusCode::OK, &many, Some(b"")),
        ] {
            assert!(fact.body.is_none() && fact.headers.is_empty());
            assert_eq!(fact.cost(), OVERHEAD);
        }
    }
}
