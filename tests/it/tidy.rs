//! The house keeps its order: imports go down only, files begin with their question and stay short, what is shown works.

mod complete;
mod links;
pub(crate) mod papers;
mod source;

use source::{Source, sources};

/// The rooms in their order, lowest first; those in one list import nothing of each other.
const FLOORS: [&[&str]; 9] = [
    &["clock", "secret"],
    &["telemetry", "codec", "signature"],
    &["net"],
    &["state"],
    &["proxy"],
    &["delivery", "config"],
    &["server"],
    &["cli"],
    &["main", "lib"],
];

/// The floor of a room.
fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

#[test]
fn imports_go_down_only() {
    let all = sources("src");
    let unknown: Vec<_> =
        all.iter().map(Source::room).filter(|room| floor(room).is_none()).collect();
    assert!(unknown.is_empty(), "on which floor are these rooms? {unknown:?}");
    let mut upward = Vec::new();
    for source in &all {
        let room = source.room();
        // The entry names everything; `lib` only lists the rooms.
        for import in source.imports().into_iter().filter(|_| room != "lib") {
            if import != room && floor(&import).is_none_or(|below| Some(below) >= floor(&room)) {
                upward.push(format!("{} imports {import}", source.path));
            }
        }
    }
    assert!(upward.is_empty(), "{upward:#?}");
}

#[test]
fn every_file_begins_with_its_question_and_stays_short() {
    let all: Vec<_> = ["src", "tests", "benches"].into_iter().flat_map(sources).collect();
    assert!(all.len() > 20, "found only {} files", all.len());
    for source in all {
        assert!(source.text.starts_with("//! "), "{} does not begin with `//! `", source.path);
        let length = source.text.lines().count();
        assert!(length <= 400, "{} has {length} lines", source.path);
        assert!(!source.path.ends_with("/mod.rs"), "{}", source.path);
        let name = source.path.rsplit('/').next().unwrap();
        let vague = ["util.rs", "utils.rs", "common.rs", "helper.rs", "helpers.rs", "manager.rs"];
        assert!(!vague.contains(&name), "{} says nothing", source.path);
    }
}

#[test]
fn a_test_never_sleeps() {
    for source in sources("tests").iter().filter(|source| !source.path.ends_with("tidy.rs")) {
        for call in ["thread::sleep", "time::sleep"] {
            assert!(!source.text.contains(call), "{} sleeps: wait for a condition", source.path);
        }
    }
}
