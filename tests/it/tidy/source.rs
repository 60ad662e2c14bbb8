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
    /// The module that a file under `src/` is; `lib` is the root, without a name.
    pub(super) fn module(&self) -> Vec<String> {
        let name = self.path.strip_prefix("src/").unwrap().strip_suffix(".rs").unwrap();
        name.split('/').filter(|name| *name != "lib").map(str::to_owned).collect()
    }
}
