//! The vectors as they stand in `tests/fixtures/vectors`.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;
use std::fs;

/// The request of a vector.
pub(super) struct Request {
    pub method: String,
    /// The address without its query: what a bot names as `public_url`.
    pub public_url: String,
    pub host: String,
    /// The query with its `?`, or nothing.
    pub query: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// A signed request and whether it is to be believed.
pub(super) struct Vector {
    pub id: String,
    pub scheme: String,
    pub secrets: Vec<String>,
    pub now: i64,
    pub accepted: bool,
    pub why: String,
    pub request: Request,
}

/// A platform's question whether we are there, and the right answer.
pub(super) struct Handshake {
    pub id: String,
    pub scheme: String,
    pub secret: String,
    pub token: Option<String>,
    pub now: i64,
    pub status: u16,
    pub body: Option<String>,
    pub content_type: Option<String>,
    pub request: Request,
}

fn load(name: &str) -> Vec<Value> {
    let path = format!("{}/tests/fixtures/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_slice(&text).unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}

fn request(case: &Value) -> Request {
    let url = text(&case["url"]);
    let (public_url, query) = url.split_at(url.find('?').unwrap_or(url.len()));
    let pair = |pair: &Value| (text(&pair[0]), text(&pair[1]));
    Request {
        method: text(&case["method"]),
        public_url: public_url.to_owned(),
        host: public_url.split('/').nth(2).unwrap().to_owned(),
        query: query.to_owned(),
        headers: case["headers"].as_array().unwrap().iter().map(pair).collect(),
        body: BASE64_STANDARD.decode(text(&case["body_base64"])).unwrap(),
    }
}

/// All vectors of schemes that Botgate has.
pub(super) fn signatures() -> Vec<Vector> {
    let vector = |case: &Value| Vector {
        id: text(&case["id"]),
        scheme: text(&case["scheme"]),
        secrets: case["secrets"].as_array().unwrap().iter().map(text).collect(),
        now: case["now_unix"].as_i64().unwrap(),
        accepted: text(&case["expect"]) == "accept",
        why: text(&case["why"]),
        request: request(case),
    };
    load("signatures").iter().map(vector).collect()
}

/// All handshakes.
pub(super) fn handshakes() -> Vec<Handshake> {
    let handshake = |case: &Value| Handshake {
        id: text(&case["id"]),
        scheme: text(&case["scheme"]),
        secret: text(&case["secret"]),
        token: case["verify_token"].as_str().map(str::to_owned),
        now: case["now_unix"].as_i64().unwrap(),
        status: u16::try_from(case["expect_status"].as_u64().unwrap()).unwrap(),
        body: case["expect_body"].as_str().map(str::to_owned),
        content_type: case["expect_content_type"].as_str().map(str::to_owned),
        request: request(case),
    };
    load("handshakes").iter().map(handshake).collect()
}
