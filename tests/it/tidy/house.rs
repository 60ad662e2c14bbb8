//! Folders import down only, files form no circle, and ARCHITECTURE.md's picture shows the imports that there are.

use super::imports::Imports;
use super::papers::paper;
use super::source::sources;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::LazyLock;

/// The folders in their order, lowest first; those in one list import nothing of each other. `lib` lists them and imports none.
pub(super) const FLOORS: [&[&str]; 9] = [
    &["clock", "secret"],
    &["telemetry", "codec", "signature"],
    &["net"],
    &["state"],
    &["proxy"],
    &["delivery", "config"],
    &["server"],
    &["cli"],
    &["main"],
];

static IMPORTS: LazyLock<Imports> = LazyLock::new(|| Imports::new(&sources("src")));

fn floor(folder: &str) -> Option<usize> {
    FLOORS.iter().position(|folders| folders.contains(&folder))
}

/// Which folder imports which.
fn arrows() -> BTreeSet<(&'static str, &'static str)> {
    let all = IMPORTS.all().map(|(from, to)| (from[0].as_str(), to[0].as_str()));
    all.filter(|(from, to)| from != to).collect()
}

#[test]
fn the_source_folder_has_at_most_14_entries() {
    let all: BTreeSet<_> =
        sources("src").iter().map(|source| source.module().into_iter().next()).collect();
    assert!(all.len() <= 14, "{all:?}");
    let unknown: Vec<_> = all.iter().flatten().filter(|folder| floor(folder).is_none()).collect();
    assert!(unknown.is_empty(), "on which floor are these folders? {unknown:?}");
}

#[test]
fn imports_go_down_only() {
    let upward =
        IMPORTS.all().filter(|(from, to)| from[0] != to[0] && floor(&from[0]) <= floor(&to[0]));
    let upward: Vec<_> =
        upward.map(|(from, to)| format!("{} imports {}", from.join("/"), to.join("/"))).collect();
    assert!(upward.is_empty(), "{upward:#?}");
    assert!(arrows().len() > 30, "{:?}", arrows());
}

#[test]
fn files_form_no_circle() {
    let circles = IMPORTS.circles();
    assert!(circles.is_empty(), "{circles:#?}");
}

/// The folders as a Mermaid chart. An arrow that another way round already implies is left out.
fn picture() -> String {
    let all = arrows();
    let implied = |from: &str, to: &str| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(folder) = open.pop() {
            let next = all.iter().filter(|arrow| arrow.0 == folder && **arrow != (from, to));
            open.extend(next.map(|arrow| arrow.1).filter(|next| seen.insert(*next)));
        }
        seen.contains(to)
    };
    let mut chart = "flowchart TD\n".to_owned();
    for from in FLOORS.iter().rev().copied().flatten() {
        let shown = all.iter().filter(|arrow| arrow.0 == *from && !implied(from, arrow.1));
        let shown: Vec<_> = shown.map(|arrow| arrow.1).collect();
        match shown.is_empty() {
            true => writeln!(chart, "    {from}").unwrap(),
            false => writeln!(chart, "    {from} --> {}", shown.join(" & ")).unwrap(),
        }
    }
    chart
}

/// `make house` sets `BOTGATE_HOUSE` and so has the picture written.
#[test]
fn the_picture_shows_the_imports() {
    let text = paper("ARCHITECTURE.md");
    let (before, rest) = text.split_once("```mermaid\n").unwrap();
    let (shown, after) = rest.split_once("```").unwrap();
    let picture = picture();
    if std::env::var_os("BOTGATE_HOUSE").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md");
        std::fs::write(path, format!("{before}```mermaid\n{picture}```{after}")).unwrap();
        return;
    }
    assert_eq!(shown, picture, "`make house` draws it anew");
}
