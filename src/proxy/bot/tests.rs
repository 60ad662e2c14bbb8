//! Which bot a path or a body belongs to.

use super::registry::SharedRoute;
use super::{Bot, CallerTimeouts, Cors, Forward, Handler, Path, Registry, RouteMatch};
use crate::codec::dialect::DIALECTS;
use crate::signature::Verifier;
use crate::state::limit::RuleSet;
use http::HeaderValue;
use std::sync::Arc;
use std::time::Duration;

/// A way to `backend:80` that changes nothing.
pub(crate) fn forward() -> Forward {
    Forward {
        upstream: 0,
        authority: HeaderValue::from_static("backend:80"),
        prefix: String::new(),
        strip: None,
        headers: Vec::new(),
    }
}

/// A bot that asks for nothing, in front of `backend:80`.
fn bot(id: &str) -> Bot {
    Bot {
        id: id.into(),
        template: false,
        name: None,
        path: Path::Exact(String::new()),
        dialect: DIALECTS[0],
        verifier: Arc::new(Verifier::new(Vec::new())),
        rules: RuleSet::default(),
        duplicates: None,
        cors: None,
        allow_from: Vec::new(),
        way: Handler::Forward(forward()),
        callback: None,
        public_url: None,
        warnings: Vec::new(),
    }
}

fn template(beginning: &str) -> Bot {
    Bot { template: true, ..bot(beginning) }
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
    registry_of(bots.collect())
}

fn registry_of(bots: Vec<(Path, Bot)>) -> Registry {
    let bots = bots.into_iter().map(|(path, bot)| Bot { path, ..bot }).collect();
    let wait = Duration::from_secs(1);
    let timeouts = CallerTimeouts { header: wait, body: wait, idle: wait };
    Registry::new(bots, Vec::new(), Vec::new(), 1024, timeouts, Vec::new())
}

/// The id that a path leads to.
fn id(all: &Registry, path: &str) -> Option<String> {
    match all.route(path)? {
        RouteMatch::Bot(found) => {
            assert_eq!(all.bots()[found.index].id, found.bot.id);
            Some(found.id().to_owned())
        }
        RouteMatch::Shared(_) => panic!("{path} is shared"),
    }
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
        assert_eq!(id(&all, path).as_deref(), wanted, "{path}");
    }
    let long = format!("/a{}", "/".repeat(30_000));
    assert_eq!(id(&all, &long).unwrap(), "/a/*");
}

#[test]
fn the_empty_prefix_takes_every_path() {
    let all = registry(&["/*", "/a"]);
    for (path, wanted) in [("/", "/*"), ("/x/y", "/*"), ("/a", "/a"), ("/a/", "/*")] {
        assert_eq!(id(&all, path).unwrap(), wanted, "{path}");
    }
    assert!(registry(&[]).route("/").is_none());
    assert!(registry(&["/a"]).route("/a/b").is_none());
}

#[test]
fn an_id_in_the_path_takes_its_own_bot_or_the_longest_template() {
    let named = || Path::Named("/bots/".to_owned(), "/in".to_owned());
    let all = registry_of(vec![
        (named(), template("")),
        (named(), template("bt_")),
        (named(), template("bt_x")),
        (Path::Exact("/bots/bt_xy/in".to_owned()), bot("bt_xy")),
        (Path::Below("/bots".to_owned()), bot("rest")),
    ]);
    let long = "b".repeat(129);
    let cases: [(&str, &str, bool); 9] = [
        ("/bots/bt_xy/in", "", false),
        ("/bots/bt_xz/in", "bt_x", true),
        ("/bots/bt_a/in", "bt_", true),
        ("/bots/b/in", "", true),
        ("/bots//in", "rest", false),
        ("/bots/a.b/in", "rest", false),
        ("/bots/%61/in", "rest", false),
        ("/bots/a/b/in", "rest", false),
        (&format!("/bots/{long}/in"), "rest", false),
    ];
    for (path, owner, by_template) in cases {
        let Some(RouteMatch::Bot(found)) = all.route(path) else { panic!("{path} leads nowhere") };
        let owner = if path == "/bots/bt_xy/in" { "bt_xy" } else { owner };
        assert_eq!(&*found.bot.id, owner, "{path}");
        assert_eq!(found.bot.template, by_template, "{path}");
        if by_template {
            assert_eq!(format!("/bots/{}/in", found.id()), path);
        }
    }
}

#[test]
fn bots_that_are_named_by_the_body_share_a_path() {
    let shared = || Path::Body("/in".to_owned(), "botId");
    let cors = |origin: &str| Some(Cors { any: false, origins: vec![origin.to_owned()] });
    let with = |bot: Bot, cors| Bot { cors, ..bot };
    let all = registry_of(vec![
        (shared(), with(bot("a"), cors("https://a.example"))),
        (shared(), with(template("a"), cors("https://b.example"))),
        (shared(), bot("b")),
    ]);
    let Some(RouteMatch::Shared(door)) = all.route("/in") else { panic!("it is shared") };
    let id = |door: &SharedRoute, id| {
        all.named(door, id).map(|found| (found.index, found.id().to_owned()))
    };
    assert_eq!(id(door, "a"), Some((0, "a".to_owned())));
    assert_eq!(id(door, "ab"), Some((1, "ab".to_owned())));
    assert_eq!(id(door, "b"), Some((2, "b".to_owned())));
    assert_eq!(id(door, "c"), None);
    let union = door.cors.as_ref().unwrap();
    assert!(union.lists(b"https://a.example") && union.lists(b"https://B.example"));
    assert!(!union.lists(b"https://c.example") && !union.any);
    assert!(door.open, "a verifier without schemes proves nothing");
}
