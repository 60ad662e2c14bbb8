//! A form as Twilio signs it: each name followed by its value, sorted, repeated pairs once
//! (<https://www.twilio.com/docs/usage/webhooks/webhooks-security>).

use super::verify_error::VerifyError;
use bytes::Bytes;
use http::HeaderMap;
use std::borrow::Cow;

/// The most fields of a form; Twilio sends some dozens.
const MAX_FIELDS: usize = 1024;

/// Whether the body is said to be a form.
pub(super) fn is_form(headers: &HeaderMap) -> bool {
    let Some(Ok(kind)) = headers.get(http::header::CONTENT_TYPE).map(|kind| kind.to_str()) else {
        return false;
    };
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// The text that is signed for this form.
pub(super) fn canonical(frames: &[Bytes]) -> Result<Vec<u8>, VerifyError> {
    let body = joined(frames);
    // Bytes and not text: a decoder that mends bad UTF-8 would give two bodies one signature.
    let mut pairs = Vec::new();
    for pair in body.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()) {
        if pairs.len() == MAX_FIELDS {
            return Err(VerifyError::MalformedForm);
        }
        let split = pair.iter().position(|&byte| byte == b'=');
        let (name, value) = pair.split_at(split.unwrap_or(pair.len()));
        pairs.push((decoded(name), decoded(value.get(1..).unwrap_or_default())));
    }
    pairs.sort_unstable();
    pairs.dedup();
    Ok(pairs.into_iter().flat_map(|(name, value)| [name, value]).collect::<Vec<_>>().concat())
}

/// All frames in one piece, without a copy where there is only one.
pub(super) fn joined(frames: &[Bytes]) -> Cow<'_, [u8]> {
    match frames {
        [] => Cow::Borrowed(&[]),
        [only] => Cow::Borrowed(only),
        many => Cow::Owned(many.concat()),
    }
}

/// Undoes the encoding of `application/x-www-form-urlencoded`; a `%` without two digits stands for itself.
fn decoded(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let code = tail.first_chunk::<2>().filter(|_| *first == b'%').and_then(|code| {
            let mut byte = [0];
            hex::decode_to_slice(code, &mut byte).ok().map(|()| byte[0])
        });
        bytes.push(code.unwrap_or(if *first == b'+' { b' ' } else { *first }));
        rest = if code.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(body: &str) -> Vec<u8> {
        canonical(&[Bytes::copy_from_slice(body.as_bytes())]).unwrap()
    }

    #[test]
    fn decoded_sorted_and_each_pair_once() {
        assert_eq!(text("b=2&a=%2B1+x&b=1&b=2&&c&d=="), b"a+1 xb1b2cd=");
        assert_eq!(text("a=%zz%4&b=%FF"), b"a%zz%4b\xff");
        assert_eq!(text(""), b"");
    }

    #[test]
    fn a_form_of_many_fields_is_refused() {
        assert_eq!(canonical(&[Bytes::from("a=1&".repeat(1025))]), Err(VerifyError::MalformedForm));
    }
}
