//! The description of the API is one, and each route answers as it says.

use super::{House, TOKEN, ask};
use crate::harness::{command, peer};
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub(super) fn description() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/server/admin/openapi.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn it_is_a_description_by_the_schema_of_openapi() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/server/admin/openapi.json");
    let ran = command::to_end(peer::command("openapi.py").arg(path));
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    let dir = tempfile::tempdir().unwrap();
    let broken = dir.path().join("broken.json");
    let mut wrong = description();
    wrong["paths"]["/api/bots"]["get"]["responses"] = json!([]);
    std::fs::write(&broken, wrong.to_string()).unwrap();
    let ran = command::to_end(peer::command("openapi.py").arg(&broken));
    assert_eq!(ran.code, Some(1), "a check that takes anything");
}

#[test]
fn every_documented_route_answers_as_documented() {
    let house = House::new();
    house.message("well", "hello");
    house.message("gone", "hello");
    house.report();
    house.until("delivered", 2.0);
    house.until("dead", 1.0);
    let (delivered, dead) = (house.only("well"), house.only("gone"));
    let unknown = "0197a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";
    let whole = format!("/api/deliveries/{delivered}?body=1");
    let (one, two) = (format!("/api/deliveries/{dead}"), format!("/api/deliveries/{unknown}"));
    let retries = [&*dead, &*delivered, unknown].map(|id| format!("/api/deliveries/{id}/retry"));
    let odd = [format!("{one}?x=1"), format!("{}?x=1", retries[0])];
    // A path of the description, a target, with the token or not, and the status.
    let cases = [
        ("/healthz", "get", "/healthz", TOKEN, 200),
        ("/healthz", "get", "/healthz", "", 401),
        ("/readyz", "get", "/readyz", TOKEN, 200),
        ("/readyz", "get", "/readyz", "", 401),
        ("/metrics", "get", "/metrics", TOKEN, 200),
        ("/metrics", "get", "/metrics", "", 401),
        ("/api/openapi.json", "get", "/api/openapi.json", TOKEN, 200),
        ("/api/openapi.json", "get", "/api/openapi.json?x=1", TOKEN, 400),
        ("/api/openapi.json", "get", "/api/openapi.json", "", 401),
        ("/api/bots", "get", "/api/bots", TOKEN, 200),
        ("/api/bots", "get", "/api/bots?x=1", TOKEN, 400),
        ("/api/bots", "get", "/api/bots", "", 401),
        ("/api/bots/{id}/activate", "post", "/api/bots/well/activate", TOKEN, 200),
        ("/api/bots/{id}/activate", "post", "/api/bots/well/activate?x=1", TOKEN, 400),
        ("/api/bots/{id}/activate", "post", "/api/bots/well/activate", "", 401),
        ("/api/bots/{id}/activate", "post", "/api/bots/nobody/activate", TOKEN, 404),
        ("/api/bots/{id}/deactivate", "post", "/api/bots/well/deactivate", TOKEN, 200),
        ("/api/bots/{id}/deactivate", "post", "/api/bots/well/deactivate?x=1", TOKEN, 400),
        ("/api/bots/{id}/deactivate", "post", "/api/bots/well/deactivate", "", 401),
        ("/api/bots/{id}/deactivate", "post", "/api/bots/nobody/deactivate", TOKEN, 404),
        ("/api/bots/{id}/test", "post", "/api/bots/well/test", TOKEN, 200),
        ("/api/bots/{id}/test", "post", "/api/bots/well/test?x=1", TOKEN, 400),
        ("/api/bots/{id}/test", "post", "/api/bots/well/test", "", 401),
        ("/api/bots/{id}/test", "post", "/api/bots/nobody/test", TOKEN, 404),
        ("/api/bots/{id}/test", "post", "/api/bots/memo/test", TOKEN, 409),
        ("/api/bots/{id}/analytics", "get", "/api/bots/well/analytics", TOKEN, 200),
        ("/api/bots/{id}/analytics", "get", "/api/bots/well/analytics?from=x", TOKEN, 400),
        ("/api/bots/{id}/analytics", "get", "/api/bots/well/analytics", "", 401),
        ("/api/bots/{id}/analytics", "get", "/api/bots/nobody/analytics", TOKEN, 404),
        ("/api/deliveries", "get", "/api/deliveries", TOKEN, 200),
        ("/api/deliveries", "get", "/api/deliveries?limit=1", TOKEN, 200),
        ("/api/deliveries", "get", "/api/deliveries?limit=x", TOKEN, 400),
        ("/api/deliveries", "get", "/api/deliveries", "", 401),
        ("/api/deliveries/{id}", "get", &one, TOKEN, 200),
        ("/api/deliveries/{id}", "get", &whole, TOKEN, 200),
        ("/api/deliveries/{id}", "get", &odd[0], TOKEN, 400),
        ("/api/deliveries/{id}", "get", &one, "", 401),
        ("/api/deliveries/{id}", "get", &two, TOKEN, 404),
        ("/api/deliveries/{id}/retry", "post", &retries[0], TOKEN, 200),
        ("/api/deliveries/{id}/retry", "post", &odd[1], TOKEN, 400),
        ("/api/deliveries/{id}/retry", "post", &retries[0], "", 401),
        ("/api/deliveries/{id}/retry", "post", &retries[2], TOKEN, 404),
        ("/api/deliveries/{id}/retry", "post", &retries[1], TOKEN, 409),
        ("/api/deliveries/retry", "post", "/api/deliveries/retry?status=dead", TOKEN, 200),
        ("/api/deliveries/retry", "post", "/api/deliveries/retry", TOKEN, 400),
        ("/api/deliveries/retry", "post", "/api/deliveries/retry", "", 401),
        ("/api/messages", "get", "/api/messages?limit=1", TOKEN, 200),
        ("/api/messages", "get", "/api/messages?limit=x", TOKEN, 400),
        ("/api/messages", "get", "/api/messages", "", 401),
        ("/api/subscribers/{n}/test", "post", "/api/subscribers/0/test", TOKEN, 200),
        ("/api/subscribers/{n}/test", "post", "/api/subscribers/0/test?x=1", TOKEN, 400),
        ("/api/subscribers/{n}/test", "post", "/api/subscribers/9/test", TOKEN, 404),
        ("/api/subscribers/{n}/test", "post", "/api/subscribers/0/test", "", 401),
        ("/api/conversations", "delete", "/api/conversations?bot=memo&user=a", TOKEN, 200),
        ("/api/conversations", "delete", "/api/conversations", TOKEN, 400),
        ("/api/conversations", "delete", "/api/conversations", "", 401),
    ];
    let description = description();
    let mut seen = BTreeSet::new();
    for (path, method, target, headers, status) in cases {
        let reply = ask(&house.botgate, &method.to_uppercase(), target, headers);
        assert_eq!(reply.status, status, "{method} {target}");
        seen.insert((path, method));
        let documented = &description["paths"][path][method]["responses"][status.to_string()];
        let content = documented["content"].as_object();
        let (kind, content) = content
            .and_then(|content| content.iter().next())
            .unwrap_or_else(|| panic!("{method} {path} does not tell of a {status}"));
        let sent = reply.header("content-type").unwrap();
        assert!(sent.starts_with(kind), "{method} {target}: {sent}");
        if kind == "application/json" {
            let body: Value = serde_json::from_slice(&reply.body).unwrap();
            fits(&description, &content["schema"], &body);
            let mut more = body;
            more["surprise"] = true.into();
            let open = content["schema"]["type"] == "object";
            assert!(
                open || !valid(&description, &content["schema"], &more),
                "{path} takes anything"
            );
        }
    }
    let all: BTreeSet<_> = description["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |method| (&**path, &**method))
        })
        .collect();
    assert_eq!(seen, all, "what is documented and what is tried");
}

/// A schema of the description, with what it refers to.
fn schema(description: &Value, schema: &Value) -> jsonschema::Validator {
    let mut whole = schema.clone();
    whole["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    whole["components"] = description["components"].clone();
    jsonschema::options().should_validate_formats(true).build(&whole).unwrap()
}

pub(super) fn valid(description: &Value, of: &Value, body: &Value) -> bool {
    schema(description, of).is_valid(body)
}

#[track_caller]
fn fits(description: &Value, of: &Value, body: &Value) {
    let validator = schema(description, of);
    let errors: Vec<_> = validator.iter_errors(body).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?} in {body}");
}
