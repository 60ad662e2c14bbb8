//! Which bot a path belongs to.

use super::{Bot, Path, Registry};
use crate::dialect::DIALECTS;
use crate::limit::RuleSet;
use crate::signature::Verifier;
use crate::worker::Timeouts;
use http::HeaderValue;
use std::sync::Arc;
use std::time::Duration;

/// A bot that asks for nothing, in front of `backend:80`.
pub(crate) fn bot(id: &str) -> Bot {
    Bot {
        id: id.into(),
        dialect: DIALECTS[0],
        verifier: Arc::new(Verifier::new(Vec::new())),
        rules: RuleSet::default(),
        duplicates: None,
        upstream: 0,
        authority: HeaderValue::from_static("backend:80"),
        prefix: String::new(),
        strip: None,
        headers: Vec::new(),
    }
}

/// A registry of bots whose ids are their paths.
fn registry(paths: &[&str]) -> Registry {
    let bots = paths.iter().map(|path| {
        let place = match path.strip_suffix("/*") {
            Some(prefix) => Path::Below(prefix.to_owned()),
            None => Path::Exact((*path).to_owned()),
        };
        (place, bot(path))
    });
    let wait = Duration::from_secs(1);
    let timeouts = Timeouts {
        header: wait,
        body: wait,
        idle: wait,
    };
    Registry::new(bots.collect(), Vec::new(), 1024, timeouts, Vec::new())
}

#[test]
fn an_exact_path_stands_before_the_longest_prefix() {
    let all = registry(&["/a", "/a/*", "/a/b/*", "/a/b/c", "/%61/*", "/slash/"]);
    let cases = [
        ("/a", Some("/a")),
        ("/a/", Some("/a/*")),
        ("/a/x", Some("/a/*")),
        ("/a/x/y/z", Some("/a/*")),
        ("/a//", Some("/a/*")),
        ("/a/b", Some("/a/b/*")),
        ("/a/b/", Some("/a/b/*")),
        ("/a/b/c", Some("/a/b/c")),
        ("/a/b/c/d", Some("/a/b/*")),
        ("/a/bc", Some("/a/*")),
        ("/%61/x", Some("/%61/*")),
        ("/slash/", Some("/slash/")),
        ("/slash", None),
        ("/ab", None),
        ("/A", None),
        ("/", None),
        ("", None),
        ("*", None),
        ("//a", None),
    ];
    for (path, wanted) in cases {
        let found = all.route(path).map(|(index, bot)| {
            assert_eq!(all.bots()[index].id, bot.id);
            &*bot.id
        });
        assert_eq!(found, wanted, "{path}");
    }
    let long = format!("/a{}", "/".repeat(30_000));
    assert_eq!(&*all.route(&long).unwrap().1.id, "/a/*");
}

#[test]
fn the_empty_prefix_takes_every_path() {
    let all = registry(&["/*", "/a"]);
    for (path, wanted) in [("/", "/*"), ("/x/y", "/*"), ("/a", "/a"), ("/a/", "/*")] {
        assert_eq!(&*all.route(path).unwrap().1.id, wanted, "{path}");
    }
    assert!(registry(&[]).route("/").is_none());
    assert!(registry(&["/a"]).route("/a/b").is_none());
}
