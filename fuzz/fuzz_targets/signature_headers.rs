//! Hostile heads and bodies against every preset: never a panic, and never a proof, since nobody here knows the secret.
//!
//! Input: the preset's number, the query, then `name: value` lines, an empty line and the body.
#![no_main]

use botgate::secret::Secret;
use botgate::signature::{
    DatedSecret, PublicUrl, RequestHead, UnixTime, Verifier, preset, preset_names,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

// Public keys whose private halves were thrown away.
const ED25519: &str = "bebfda0fdcee37bbb7246c6f0753450c718348ca36ce357afef4d55a63b44ffc";
const P256: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEVs1pjpyx5c0BjeXyeBVurpj2CrqPTe2pqKDdMrNsLjLMZDriRO2VRq\
    vBW94ds3Aez9v/kgZyu/N0HZHEUslHcg==";

static VERIFIERS: LazyLock<Vec<Verifier>> = LazyLock::new(|| {
    let key = |name: &str| match name {
        "discord" => ED25519,
        "sendgrid" => P256,
        "basic" => "user:4u1qSx7bE0vWmC9T",
        // Base64 of 32 bytes, which is text too.
        _ => "d7Qm2vX0pYb9Jc4LrTz8WnKe1HsAf6GuBiVo3CxDyRM=",
    };
    let names = preset_names().filter(|name| *name != "none");
    names
        .map(|name| {
            let mut table = preset(name).expect("a listed preset");
            table.body_unauthenticated = Some(true);
            let secret =
                DatedSecret { value: Secret::new(key(name)), derive: false, not_after: None };
            let url = PublicUrl::for_bot("https://b.example:8443/in", "/in/*");
            Verifier::new(vec![
                table.compile(&[secret], None, Some(&url)).expect("a preset compiles"),
            ])
        })
        .collect()
});

fuzz_target!(|data: &[u8]| {
    let Some((&number, rest)) = data.split_first() else {
        return;
    };
    let verifier = &VERIFIERS[usize::from(number) % VERIFIERS.len()];
    let (lines, body) = match rest.windows(2).position(|two| two == b"\n\n") {
        Some(at) => (&rest[..at], &rest[at + 2..]),
        None => (rest, &[][..]),
    };
    let mut lines = lines.split(|&byte| byte == b'\n');
    let query = lines.next().and_then(|query| std::str::from_utf8(query).ok());
    let mut headers = HeaderMap::new();
    for line in lines.take(64) {
        let at = line.iter().position(|&byte| byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at(at);
        let value = HeaderValue::from_bytes(value.get(1..).unwrap_or_default().trim_ascii());
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), value) {
            headers.append(name, value);
        }
    }
    let head = RequestHead { method: &Method::POST, path: "/in/a%2Fb", query, headers: &headers };
    let frames: Vec<Bytes> = body.chunks(7).map(Bytes::copy_from_slice).collect();
    let _ = verifier.get_challenge(&head);
    let Ok(mut check) = verifier.begin(&head, UnixTime::from_seconds(1_760_000_000), "bot") else {
        return;
    };
    frames.iter().for_each(|frame| check.update(frame));
    assert!(check.finish(&head, &frames).is_err(), "a proof without the secret");
});
