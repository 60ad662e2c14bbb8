//! Hostile scheme tables: never a panic, and a scheme that compiles believes what it signs itself, however the body is cut.
//!
//! Input: a table as JSON, an empty line and the body.
#![no_main]

use botgate::secret::Secret;
use botgate::signature::{
    DatedSecret, PublicUrl, RequestHead, SchemeTable, UnixTime, UnsignedRequest, Verifier,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (table, body) = match data.windows(2).position(|two| two == b"\n\n") {
        Some(at) => (&data[..at], &data[at + 2..]),
        None => (data, &[][..]),
    };
    let Ok(table) = serde_json::from_slice::<SchemeTable>(table) else {
        return;
    };
    let secret = DatedSecret { value: Secret::new("dTpzZWNyZXQ="), derive: false, not_after: None };
    let url = PublicUrl::for_server("https://b.example");
    let scheme = match table.compile(&[secret], None, Some(&url)) {
        Ok(scheme) => scheme,
        Err(faults) => return assert!(!faults.is_empty()),
    };
    let now = UnixTime::from_seconds(1_760_000_000);
    let outgoing = UnsignedRequest {
        method: &Method::POST,
        path: "/in",
        query: None,
        content_type: Some("application/x-www-form-urlencoded"),
        body,
    };
    let Ok(signed) = scheme.sign(&outgoing, now, "bot") else {
        return;
    };
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
    for (name, value) in signed.headers {
        let Ok(value) = HeaderValue::from_str(&value) else {
            return;
        };
        // A table may put two things into one header; no request can then be right.
        if headers.insert(name, value).is_some() {
            return;
        }
    }
    let body = signed.body.unwrap_or_else(|| body.to_vec());
    let verifier = Verifier::new(vec![scheme]);
    let head = RequestHead {
        method: &Method::POST,
        path: "/in",
        query: signed.query.as_deref(),
        headers: &headers,
    };
    let mut verdicts = [1, 64, usize::MAX].map(|size| {
        let frames: Vec<Bytes> = body.chunks(size).map(Bytes::copy_from_slice).collect();
        let mut check = verifier.begin(&head, now, "bot")?;
        frames.iter().for_each(|frame| check.update(frame));
        check.finish(&head, &frames)
    });
    verdicts.sort_by_key(Result::is_ok);
    assert_eq!(verdicts[0], verdicts[2], "the verdict hangs on how the body was cut");
});
