//! What verification costs: each preset over a small and a large body, as one frame, head and verdict included.
#![expect(clippy::unwrap_used, reason = "a bench that would measure the wrong thing must stop")]

use base64::{Engine as _, engine::general_purpose::STANDARD};
use botgate::secret::Secret;
use botgate::signature::{
    DatedSecret, PublicUrl, RequestHead, Scheme, UnixTime, UnsignedRequest, Verifier, VerifyError,
    preset, preset_names,
};
use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use std::hint::black_box;
use std::time::Duration;

/// What stands before the point in a SubjectPublicKeyInfo of P-256.
const SPKI: &str = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
const NOW: i64 = 1_760_000_000;

struct Sample {
    verifier: Verifier,
    query: String,
    headers: HeaderMap,
    frames: [Bytes; 1],
}

impl Sample {
    fn new(name: &str, size: usize) -> Self {
        let (kind, body) = match name.starts_with("twilio") {
            true => (
                "application/x-www-form-urlencoded",
                format!("From=%2B1&Body={}", "x".repeat(size - 16)),
            ),
            false => (
                "application/json",
                format!(r#"{{"id":"evt_1","text":"{}"}}"#, "x".repeat(size - 24)),
            ),
        };
        let mut headers = HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(kind));
        let mut put = |name: HeaderName, value: &str| {
            headers.insert(name, value.parse().unwrap());
        };
        let random = SystemRandom::new();
        let stamped = format!("{NOW}{body}").into_bytes();
        let secret = match name {
            "discord" => {
                let document = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
                let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
                let tag = hex::encode(pair.sign(&stamped));
                put(HeaderName::from_static("x-signature-timestamp"), &NOW.to_string());
                put(HeaderName::from_static("x-signature-ed25519"), &tag);
                hex::encode(pair.public_key())
            }
            "sendgrid" => {
                let kind = &ECDSA_P256_SHA256_ASN1_SIGNING;
                let document = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
                let pair = EcdsaKeyPair::from_pkcs8(kind, document.as_ref(), &random).unwrap();
                let tag = STANDARD.encode(pair.sign(&random, &stamped).unwrap());
                let front = "x-twilio-email-event-webhook-";
                put(format!("{front}timestamp").parse().unwrap(), &NOW.to_string());
                put(format!("{front}signature").parse().unwrap(), &tag);
                STANDARD.encode([&hex::decode(SPKI).unwrap(), pair.public_key().as_ref()].concat())
            }
            "basic" => "user:password".to_owned(),
            _ => "c2VjcmV0LW9mLTMyLWJ5dGVzLS0tLS0tLS0tLS0tLS0=".to_owned(),
        };
        let scheme = compiled(name, &secret);
        let mut query = "x=1".to_owned();
        let mut frame = Bytes::from(body);
        if !scheme.asymmetric() {
            let outgoing = UnsignedRequest {
                method: &Method::POST,
                path: "/in",
                query: Some(&query),
                content_type: Some(kind),
                body: &frame,
            };
            let signed = scheme.sign(&outgoing, UnixTime::from_seconds(NOW), "bot").unwrap();
            signed.headers.into_iter().for_each(|(name, value)| put(name, &value));
            query = signed.query.unwrap_or(query);
            frame = signed.body.map_or(frame, Bytes::from);
        }
        let sample =
            Self { verifier: Verifier::new(vec![scheme]), query, headers, frames: [frame] };
        sample.judge().unwrap();
        sample
    }

    fn judge(&self) -> Result<usize, VerifyError> {
        let head = RequestHead {
            method: &Method::POST,
            path: "/in",
            query: Some(&self.query),
            headers: &self.headers,
        };
        let mut check = self.verifier.begin(&head, UnixTime::from_seconds(NOW), "bot")?;
        check.update(&self.frames[0]);
        Ok(check.finish(&head, &self.frames)?.secret())
    }
}

fn compiled(name: &str, secret: &str) -> Scheme {
    let mut table = preset(name).unwrap();
    table.body_unauthenticated = (name == "mailgun").then_some(true);
    let secret = DatedSecret { value: Secret::new(secret), derive: false, not_after: None };
    let url = PublicUrl::for_server("https://b.example");
    table.compile(&[secret], None, Some(&url)).unwrap()
}

fn verify(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("verify");
    group
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(400))
        .sample_size(20);
    for name in preset_names().filter(|name| *name != "none") {
        for size in [256, 16 * 1024] {
            let sample = Sample::new(name, size);
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(BenchmarkId::new(name, size), |bencher| {
                bencher.iter(|| black_box(&sample).judge());
            });
        }
    }
    group.finish();
}

criterion_group!(benches, verify);
criterion_main!(benches);
