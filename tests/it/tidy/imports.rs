//! Which file imports which: `use` trees and paths, followed through re-exports to the file that defines the name.

use super::source::Source;
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::iter::successors;

/// A module below the crate's root, or a name in one; the root itself is empty.
type Path = Vec<String>;

/// The files of a crate and their imports. An import of an ancestor and the code of unit tests do not count, and neither does the
/// re-export of a child.
pub(super) struct Imports {
    files: Vec<Path>,
    /// By their numbers in `files`.
    of: Vec<BTreeSet<usize>>,
}

impl Imports {
    /// Those of all files below `src/`.
    pub(super) fn new(sources: &[Source]) -> Self {
        let mut names: BTreeMap<Path, Names> = BTreeMap::new();
        for source in sources {
            names.entry(source.module()).or_default().read(source.text.parse().unwrap());
        }
        let tests: Vec<Path> = names
            .iter()
            .flat_map(|(file, names)| names.tests.iter().map(|test| below(file, test)))
            .collect();
        names.retain(|file, _| !tests.iter().any(|test| file.starts_with(test)));
        let files: Vec<_> = names.keys().cloned().collect();
        let of = names.iter().map(|(file, named)| {
            let used = named.uses.iter().filter_map(|used| {
                let defined = definition(&names, &resolve(&names, file, &used.path)?)?;
                (!used.public || !defined.starts_with(file)).then_some(defined)
            });
            let in_code = named.paths.iter();
            let in_code =
                in_code.filter_map(|path| definition(&names, &resolve(&names, file, path)?));
            let all = used.chain(in_code).filter(|defined| !file.starts_with(defined));
            all.map(|defined| files.binary_search(&defined).unwrap()).collect()
        });
        Self { of: of.collect(), files }
    }

    /// Each import: the file that names, and the one that defines.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Path, &Path)> {
        let all = self.files.iter().zip(&self.of);
        all.flat_map(move |(file, of)| of.iter().map(move |other| (file, &self.files[*other])))
    }

    /// The files that import each other, directly or through others.
    pub(super) fn circles(&self) -> Vec<Vec<String>> {
        let reached: Vec<BTreeSet<usize>> =
            (0..self.files.len()).map(|file| self.reached_from(file)).collect();
        let mut circles = BTreeSet::new();
        for (file, others) in reached.iter().enumerate().filter(|(file, it)| it.contains(file)) {
            let back = others.iter().filter(|other| reached[**other].contains(&file));
            circles.insert(back.map(|other| self.files[*other].join("/")).collect());
        }
        circles.into_iter().collect()
    }

    fn reached_from(&self, file: usize) -> BTreeSet<usize> {
        let (mut reached, mut open) = (BTreeSet::new(), vec![file]);
        while let Some(file) = open.pop() {
            open.extend(self.of[file].iter().filter(|other| reached.insert(**other)));
        }
        reached
    }
}

fn below(module: &Path, name: &str) -> Path {
    module.iter().cloned().chain([name.to_owned()]).collect()
}

/// A path as written in a file, from the crate's root on; `None` for another crate's.
fn resolve(names: &BTreeMap<Path, Names>, file: &Path, path: &[String]) -> Option<Path> {
    let (first, rest) = path.split_first()?;
    let base = match first.as_str() {
        "crate" | "botgate" => return Some(rest.to_vec()),
        "self" => file.clone(),
        "super" => {
            let up = path.iter().take_while(|name| *name == "super").count();
            let base = file[..file.len().checked_sub(up)?].to_vec();
            return Some([&base, &path[up..]].concat());
        }
        child if names.contains_key(&below(file, child)) => below(file, child),
        _ => return None,
    };
    Some([&base, rest].concat())
}

/// The file in which a path from the root on ends, whoever re-exports it on the way.
fn definition(names: &BTreeMap<Path, Names>, path: &Path) -> Option<Path> {
    let file = |path: &Path| {
        (1..=path.len())
            .rev()
            .map(|length| path[..length].to_vec())
            .find(|it| names.contains_key(it))
    };
    let followed = successors(Some(path.clone()), |path| {
        let file = file(path)?;
        let name = path.get(file.len())?;
        let used = names[&file].uses.iter().find(|used| used.name == *name)?;
        let exported = resolve(names, &file, &used.path)?;
        Some([&exported, &path[file.len() + 1..]].concat())
    });
    followed.take(8).filter_map(|path| file(&path)).last()
}

/// What one file names.
#[derive(Default)]
struct Names {
    uses: Vec<Use>,
    /// Paths of more than one segment in the code.
    paths: Vec<Path>,
    /// Child modules that are compiled for unit tests alone.
    tests: Vec<String>,
}

struct Use {
    path: Path,
    name: String,
    public: bool,
}

impl Names {
    fn read(&mut self, tokens: TokenStream) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            match token {
                TokenTree::Group(group) if is_test(group) => at = self.pass_over(&tokens, at),
                TokenTree::Group(group) => self.read(group.stream()),
                TokenTree::Ident(word) if word == "use" && !is(tokens.get(at + 1), '<') => {
                    let end = tokens.iter().skip(at).position(|token| is(Some(token), ';'));
                    let end = at + end.unwrap();
                    let public = at > 0
                        && !matches!(tokens[at - 1], TokenTree::Punct(_))
                        && is_visibility(&tokens[..at]);
                    self.read_tree(&tokens[at + 1..end], &[], public);
                    at = end;
                }
                TokenTree::Ident(_) => {
                    let (path, length) = segments(&tokens[at..]);
                    if path.len() > 1 {
                        self.paths.push(path);
                    }
                    at += length - 1;
                }
                _ => {}
            }
            at += 1;
        }
    }

    fn read_tree(&mut self, tokens: &[TokenTree], prefix: &[String], public: bool) {
        let (path, length) = segments(tokens);
        let mut path = [prefix, &path].concat();
        if let Some(TokenTree::Group(group)) = tokens.get(length) {
            let parts: Vec<_> = group.stream().into_iter().collect();
            for part in parts.split(|token| is(Some(token), ',')) {
                self.read_tree(part, &path, public);
            }
            return;
        }
        if path.len() > 1 && path.last().is_some_and(|name| name == "self") {
            path.pop();
        }
        // Behind `as`, where there is one.
        let name = match tokens.get(length + 1) {
            Some(alias) => alias.to_string(),
            None => path.last().cloned().unwrap_or_default(),
        };
        self.uses.push(Use { path, name, public });
    }

    /// Where the item ends that a `#[cfg(test)]` stands before.
    fn pass_over(&mut self, tokens: &[TokenTree], at: usize) -> usize {
        let ends = |token: &TokenTree| match token {
            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
            token => is(Some(token), ';'),
        };
        let end = tokens.iter().skip(at).position(ends).map_or(tokens.len(), |end| at + end);
        if let [TokenTree::Ident(word), TokenTree::Ident(name)] = &tokens[end.max(2) - 2..end]
            && word == "mod"
        {
            self.tests.push(name.to_string());
        }
        end
    }
}

fn is(token: Option<&TokenTree>, sign: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == sign)
}

fn is_test(group: &proc_macro2::Group) -> bool {
    group.delimiter() == Delimiter::Bracket
        && group.stream().to_string().replace(' ', "").starts_with("cfg(test")
}

/// Whether `pub` or `pub(…)` stands at the end.
fn is_visibility(tokens: &[TokenTree]) -> bool {
    let is_pub =
        |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Ident(word)) if word == "pub");
    match tokens {
        [before @ .., TokenTree::Group(_)] => is_pub(before.last()),
        _ => is_pub(tokens.last()),
    }
}

/// Names with `::` between at the beginning, and how many tokens they are with a `::` behind.
fn segments(tokens: &[TokenTree]) -> (Path, usize) {
    let (mut path, mut at) = (Path::new(), 0);
    while let Some(TokenTree::Ident(name)) = tokens.get(at) {
        path.push(name.to_string());
        at += 1;
        if !(is(tokens.get(at), ':') && is(tokens.get(at + 1), ':')) {
            break;
        }
        at += 2;
    }
    (path, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imports(files: &[(&str, &str)]) -> Imports {
        let source = |(path, text): &(&str, &str)| Source {
            path: format!("src/{path}.rs"),
            text: (*text).to_owned(),
        };
        Imports::new(&files.iter().map(source).collect::<Vec<_>>())
    }

    fn arrows(files: &[(&str, &str)]) -> Vec<String> {
        let arrow = |(from, to): (&Path, &Path)| format!("{} {}", from.join("/"), to.join("/"));
        imports(files).all().map(arrow).collect()
    }

    #[test]
    fn imports_are_found_however_they_are_written() {
        let all = [
            ("lib", "pub mod a; pub mod b;"),
            ("a", "mod c; mod d; use crate::{b::{self, e::E as F}, Type}; fn f() { c::g() }"),
            (
                "a/c",
                "use super::d::D; // use super::x;\nfn g() { \"crate::b\"; crate::b::e::h::<D>() }",
            ),
            (
                "a/d",
                "pub struct D; impl D { fn i() -> impl Fn() + use<> { use super::Other; self::j } }",
            ),
            ("b", "mod e; use std::e::X; fn e() {}"),
            ("b/e", "use super::*; pub struct E;"),
            ("main", "use botgate::b;"),
        ];
        assert_eq!(arrows(&all), ["a a/c", "a b", "a b/e", "a/c a/d", "a/c b/e", "main b"]);
    }

    #[test]
    fn a_name_is_followed_through_re_exports_to_its_file() {
        let all = [
            ("a", "mod b; mod c; pub use b::{B as Other, *}; pub(crate) use c::d as e; use c::C;"),
            ("a/b", "pub struct B; use super::C;"),
            ("a/c", "pub mod d; pub struct C;"),
            ("a/c/d", "pub struct D;"),
            ("f", "use crate::a::{Other, e::D};"),
        ];
        assert_eq!(arrows(&all), ["a a/c", "a/b a/c", "f a/b", "f a/c/d"]);
    }

    #[test]
    fn unit_tests_do_not_count() {
        let all = [
            ("a", "#[cfg(test)] mod tests; #[cfg(test)] use crate::b::{B}; struct A;"),
            ("a/tests", "use crate::b::B;"),
            ("b", "use crate::a::A; struct B; #[cfg(test)] mod c { use crate::d; }"),
            ("d", ""),
        ];
        assert_eq!(arrows(&all), ["b a"]);
    }

    #[test]
    fn a_circle_is_found_and_an_ancestor_is_none() {
        let all = [
            ("a", "mod b; mod c; mod d; mod e; struct A; fn f() { b::g() }"),
            ("a/b", "use super::{A, c::C};"),
            ("a/c", "use super::d::D;"),
            ("a/d", "use super::b::B;"),
            ("a/e", "use super::b::B;"),
        ];
        assert_eq!(imports(&all).circles(), [["a/b", "a/c", "a/d"]]);
        assert_eq!(imports(&all[..3]).circles(), [] as [Vec<String>; 0]);
    }
}
