//! The house keeps its order: imports go down only, files begin with their question and stay short, what is shown works.

mod complete;
mod house;
mod imports;
mod links;
pub(crate) mod papers;
mod source;

use source::sources;

/// Names of types that only their author understood. Each has another name in the field's words, and none comes back.
const PRIVATE_WORDS: [&str; 35] = [
    "Door", "Found", "Way", "Few", "Kept", "Spoken", "Errand", "Letter", "Courier", "Witness",
    "Asker", "Went", "Lane", "Speech", "Desk", "House", "Seat", "Seats", "Talk", "Later",
    "Crowded", "Unkept", "Question", "Promise", "Said", "Along", "Fresh", "Taken", "Then", "Tally",
    "Face", "Arm", "Spot", "Around", "Blot",
];

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
fn no_type_has_a_private_word_for_a_name() {
    let mut private = Vec::new();
    for source in sources("src") {
        let code = source.text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            let mut words = line.split(|sign: char| !sign.is_alphanumeric() && sign != '_');
            let defines = |word: &&str| ["struct", "enum", "trait", "type"].contains(word);
            let name = words.find(defines).and_then(|_| words.next());
            if let Some(name) = name.filter(|name| PRIVATE_WORDS.contains(name)) {
                private.push(format!("{} defines {name}", source.path));
            }
        }
    }
    assert!(private.is_empty(), "{private:#?}");
}

#[test]
fn a_test_never_sleeps() {
    for source in sources("tests").iter().filter(|source| !source.path.ends_with("tidy.rs")) {
        for call in ["thread::sleep", "time::sleep"] {
            assert!(!source.text.contains(call), "{} sleeps: wait for a condition", source.path);
        }
    }
}
