//! The project's own source files, read as text.

use std::{fs, path::Path};

/// A file and what stands in it.
pub(super) struct Source {
    /// Relative to the project's folder.
    pub path: String,
    pub text: String,
}

/// All Rust files under a folder of the project; none where the folder is missing.
pub(super) fn sources(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
    found
}

fn walk(folder: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name =
                path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().to_str().unwrap().to_owned();
            found.push(Source { path: name, text: fs::read_to_string(&path).unwrap() });
        }
    }
}

impl Source {
    /// The room that this file is part of: its name under `src/`, or its folder's.
    pub(super) fn room(&self) -> String {
        let inside = self.path.strip_prefix("src/").unwrap();
        inside.split('/').next().unwrap().trim_end_matches(".rs").to_owned()
    }

    /// The rooms that the code names after `crate::` or `botgate::`; comments and unit tests do not count.
    pub(super) fn imports(&self) -> Vec<String> {
        let code = self.text.split("#[cfg(test)]").next().unwrap_or_default();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        let code = lines.collect::<Vec<_>>().join("\n");
        let mut rooms = Vec::new();
        for prefix in ["crate::", "botgate::"] {
            for (at, _) in code.match_indices(prefix) {
                rooms.extend(named(&code[at + prefix.len()..]));
            }
        }
        rooms.sort();
        rooms.dedup();
        rooms
    }
}

/// The first names of a path or of each path in braces: `a::b` gives a, `{a::{b, c}, d}` gives a and d.
fn named(text: &str) -> Vec<String> {
    let name = |text: &str| -> Option<String> {
        let name: String = text
            .trim_start()
            .chars()
            .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
            .collect();
        // Types and macros at the root are no rooms.
        (name.starts_with(|letter: char| letter.is_lowercase())).then_some(name)
    };
    let Some(inside) = text.strip_prefix('{') else {
        return name(text).into_iter().collect();
    };
    let (mut names, mut depth, mut fresh) = (Vec::new(), 0, true);
    for (at, letter) in inside.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => fresh = true,
            _ if fresh && !letter.is_whitespace() => {
                names.extend(name(&inside[at..]));
                fresh = false;
            }
            _ => {}
        }
    }
    names
}

#[test]
fn imports_are_found_however_they_are_written() {
    let text = "use crate::{gate::{Gate, Fault}, line,\n  secret as s};\n// use crate::edge;\nfn f() { crate::metrics::x(); }\n\
                use botgate::app;\nuse crate::Type;\n#[cfg(test)]\nuse crate::cli;";
    let source = Source { path: "src/x/y.rs".to_owned(), text: text.to_owned() };
    assert_eq!(source.imports(), ["app", "gate", "line", "metrics", "secret"]);
    assert_eq!(source.room(), "x");
}
