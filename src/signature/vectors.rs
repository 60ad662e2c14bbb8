//! The engine against recorded requests of every scheme, and against its own signatures with one bit turned.

use super::*;
use crate::secret::Secret;
use base64::Engine as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::Deserialize;
use std::collections::BTreeSet;

#[derive(Deserialize)]
struct Vector {
    id: String,
    scheme: String,
    secret: String,
    #[serde(default)]
    secrets: Vec<String>,
    verify_token: Option<String>,
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body_base64: String,
    now_unix: i64,
    #[serde(default)]
    expect: String,
    expect_status: Option<u16>,
    expect_body: Option<String>,
    expect_content_type: Option<String>,
}

/// A request that owns its parts.
#[derive(Clone)]
struct Request {
    method: Method,
    path: String,
    query: Option<String>,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Request {
    fn head(&self) -> RequestHead<'_> {
        RequestHead {
            method: &self.method,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.headers,
        }
    }

    /// The verdict with the body cut at `cut` into two frames.
    fn judge(
        &self,
        verifier: &Verifier,
        now: UnixTime,
        cut: usize,
    ) -> Result<(Proof, Vec<Bytes>), VerifyError> {
        let (a, b) = self.body.split_at(cut.min(self.body.len()));
        let frames = vec![Bytes::copy_from_slice(a), Bytes::copy_from_slice(b)];
        let mut check = verifier.begin(&self.head(), now, "bot")?;
        frames.iter().for_each(|frame| check.update(frame));
        Ok((check.finish(&self.head(), &frames)?, frames))
    }
}

impl Vector {
    fn request(&self) -> (Request, String) {
        let at = self.url.find("://").unwrap() + 3;
        let at = self.url[at..].find('/').map_or(self.url.len(), |slash| at + slash);
        let (origin, target) = self.url.split_at(at);
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers
                .append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let body = base64::engine::general_purpose::STANDARD.decode(&self.body_base64).unwrap();
        let method = self.method.parse().unwrap();
        (Request { method, path: path.to_owned(), query, headers, body }, origin.to_owned())
    }

    fn verifier(&self, origin: &str) -> Verifier {
        let secrets =
            if self.secrets.is_empty() { vec![self.secret.clone()] } else { self.secrets.clone() };
        let secrets: Vec<_> = secrets.iter().map(|text| dated(text)).collect();
        let token = self.verify_token.as_deref().map(Secret::new);
        Verifier::new(vec![compiled(&self.scheme, &secrets, token.as_ref(), origin)])
    }
}

fn dated(text: &str) -> DatedSecret {
    DatedSecret { value: Secret::new(text), derive: false, not_after: None }
}

fn compiled(name: &str, secrets: &[DatedSecret], token: Option<&Secret>, origin: &str) -> Scheme {
    let mut table = preset(name).unwrap();
    // Mailgun's body is covered by nothing, and its user must say so.
    table.body_unauthenticated = (name == "mailgun").then_some(true);
    table.compile(secrets, token, Some(&PublicUrl::for_server(origin))).unwrap()
}

fn vectors(text: &str) -> Vec<Vector> {
    serde_json::from_str(text).unwrap()
}

#[test]
fn every_recorded_request_is_judged_right() {
    let vectors = vectors(include_str!("../../tests/fixtures/vectors/signatures.json"));
    assert_eq!(vectors.len(), 97);
    let now = |vector: &Vector| UnixTime::from_seconds(vector.now_unix);
    for vector in &vectors {
        let (request, origin) = vector.request();
        let verifier = vector.verifier(&origin);
        for cut in [0, 1, request.body.len() / 2, request.body.len()] {
            let verdict = request.judge(&verifier, now(vector), cut).map(|(proof, _)| proof);
            assert_eq!(verdict.is_ok(), vector.expect == "accept", "{}: {verdict:?}", vector.id);
        }
    }
    // Every preset of the file has both a request to accept and one to refuse, but for those that nobody recorded.
    let seen: BTreeSet<_> = vectors.iter().map(|vector| vector.scheme.as_str()).collect();
    let unseen: Vec<_> = preset_names().filter(|name| !seen.contains(name)).collect();
    assert_eq!(unseen, ["aibutler", "basic", "bearer", "hmac", "none"]);
}

#[test]
fn every_handshake_is_answered_right() {
    for vector in vectors(include_str!("../../tests/fixtures/vectors/handshakes.json")) {
        let (request, origin) = vector.request();
        let verifier = vector.verifier(&origin);
        let now = UnixTime::from_seconds(vector.now_unix);
        let answer = match verifier.get_challenge(&request.head()) {
            Some(greeting) => greeting.map_err(|Forbidden| 403),
            None => match request.judge(&verifier, now, 3) {
                Ok((proof, frames)) => Ok(verifier.handshake(&frames, &proof, "bot").unwrap()),
                Err(_) => Err(401),
            },
        };
        match (answer, vector.expect_status.unwrap()) {
            (Err(status), expected) => assert_eq!(status, expected, "{}", vector.id),
            (Ok(answer), status) => {
                assert_eq!(answer.status, status, "{}", vector.id);
                assert_eq!(
                    answer.content_type,
                    vector.expect_content_type.as_deref(),
                    "{}",
                    vector.id
                );
                assert_eq!(answer.body, vector.expect_body.unwrap_or_default(), "{}", vector.id);
            }
        }
    }
}

/// A public key has no business here; each of the others signs, and is refused with any one bit turned.
#[test]
fn one_bit_turned_is_refused_by_every_scheme_that_signs() {
    let now = UnixTime::from_seconds(1_760_000_000);
    for name in preset_names().filter(|name| !["discord", "sendgrid", "none"].contains(name)) {
        let secrets = [dated("dGVzdC1zZWNyZXQ:+++="), dated("c2Vjb25kLXNlY3JldA:==")];
        let plain = [
            dated("b2xkLXNlY3JldC1vZi0zMi1ieXRlcy0tLS0t"),
            dated("dGVzdC1zZWNyZXQtb2YtMzItYnl0ZXMtLS0t"),
        ];
        let secrets = if name == "basic" { &secrets } else { &plain };
        let signer = compiled(name, &secrets[1..], None, "https://b.example");
        let verifier = Verifier::new(vec![compiled(name, secrets, None, "https://b.example")]);
        for (kind, body) in [
            ("application/json", r#"{"id":"evt_1","n":1}"#),
            ("application/x-www-form-urlencoded", "b=2&a=1"),
        ] {
            let outgoing = UnsignedRequest {
                method: &Method::POST,
                path: "/in",
                query: Some("x=1"),
                content_type: Some(kind),
                body: body.as_bytes(),
            };
            let Ok(signed) = signer.sign(&outgoing, now, "bot") else {
                assert!(
                    matches!(name, "linear" | "mailgun") && kind.ends_with("urlencoded"),
                    "{name}"
                );
                continue;
            };
            let mut headers: HeaderMap = signed
                .headers
                .iter()
                .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()))
                .collect();
            headers.insert("content-type", HeaderValue::from_static(kind));
            let body = signed.body.clone().unwrap_or(body.into());
            let query = signed.query.clone().or(Some("x=1".into()));
            let request =
                Request { method: Method::POST, path: "/in".into(), query, headers, body };
            let (proof, _) = request
                .judge(&verifier, now, 5)
                .unwrap_or_else(|failure| panic!("{name}: {failure}"));
            assert_eq!(proof.secret(), 1, "{name}");
            refuse_changes(name, &verifier, &request, now);
        }
    }
}

fn refuse_changes(name: &str, verifier: &Verifier, request: &Request, now: UnixTime) {
    let scheme = &verifier.schemes()[0];
    if !scheme.decided_by_head() && name != "mailgun" {
        for at in 0..request.body.len() {
            let mut changed = request.clone();
            changed.body[at] ^= 1;
            assert!(changed.judge(verifier, now, 5).is_err(), "{name}: byte {at} of the body");
        }
    }
    // Every byte of the signature's header; ids are only covered where they are signed.
    for (header, value) in &request.headers {
        let unsigned =
            scheme.id_source() == Some(&IdSource::Header(header.clone())) && !scheme.signs_id();
        if header == "content-type" || unsigned {
            continue;
        }
        for at in 0..value.len() {
            let mut bytes = value.as_bytes().to_vec();
            bytes[at] ^= 1;
            let Ok(value) = HeaderValue::from_bytes(&bytes) else {
                continue;
            };
            let mut changed = request.clone();
            changed.headers.insert(header, value);
            let verdict = changed.judge(verifier, now, 5);
            // The lowest bit: the one that turns a capital letter of `Bearer`, which may be small, is another.
            assert!(verdict.is_err(), "{name}: byte {at} of {header}");
        }
        let mut twice = request.clone();
        twice.headers.append(header, value.clone());
        assert_eq!(
            twice.judge(verifier, now, 5).unwrap_err(),
            VerifyError::RepeatedHeader,
            "{name}: {header}"
        );
        let mut without = request.clone();
        without.headers.remove(header);
        assert!(without.judge(verifier, now, 5).is_err(), "{name}: without {header}");
    }
    if let Some(tolerance) = scheme.tolerance() {
        for (past, failure) in [(1, VerifyError::Stale), (-1, VerifyError::Future)] {
            let then =
                UnixTime::from_millis(now.millis() + past * (tolerance.as_millis() as i64 + 1000));
            assert_eq!(request.judge(verifier, then, 5).unwrap_err(), failure, "{name}");
        }
    }
}

#[test]
fn a_secret_past_its_date_counts_no_more() {
    let day = "2025-10-09T08:53:20Z".parse().unwrap();
    let secrets = [
        DatedSecret { value: Secret::new("old"), derive: false, not_after: Some(day) },
        dated("new"),
    ];
    let now = UnixTime::from_seconds(1_760_000_000);
    let verifier = Verifier::new(vec![compiled("bearer", &secrets, None, "")]);
    let mut headers = HeaderMap::new();
    let judge = |verifier: &Verifier, headers: &HeaderMap, now| {
        let head = RequestHead { method: &Method::GET, path: "/", query: None, headers };
        verifier.begin(&head, now, "bot")?.finish(&head, &[]).map(|proof| proof.secret())
    };
    headers.insert("authorization", HeaderValue::from_static("bearer old"));
    assert_eq!(judge(&verifier, &headers, now), Ok(0));
    let later = UnixTime::from_millis(now.millis() + 1);
    assert_eq!(judge(&verifier, &headers, later), Err(VerifyError::Mismatch));
    headers.insert("authorization", HeaderValue::from_static("Bearer new"));
    assert_eq!(judge(&verifier, &headers, later), Ok(1));
    let only_old = Verifier::new(vec![compiled("bearer", &secrets[..1], None, "")]);
    assert_eq!(judge(&only_old, &headers, later), Err(VerifyError::Expired));
    // All schemes must pass.
    let both = Verifier::new(vec![
        compiled("none", &[], None, ""),
        compiled("bearer", &secrets, None, ""),
    ]);
    headers.remove("authorization");
    assert_eq!(judge(&both, &headers, now), Err(VerifyError::MissingHeader));
}
