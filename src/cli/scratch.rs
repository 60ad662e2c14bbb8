//! A folder for what a command keeps on disk while it runs: it goes when the command ends.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// A fresh folder that only this user may enter, removed with all that is in it when it is dropped.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// Makes one below the system's folder for temporary files (`TMPDIR`).
    ///
    /// # Errors
    /// It cannot be made there; the message names it.
    pub(super) fn new() -> io::Result<Self> {
        let name = format!("botgate-{}", uuid::Uuid::new_v4().simple());
        let path = std::env::temp_dir().join(name);
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| {
            let place = path.display();
            io::Error::new(
                error.kind(),
                format!("cannot make the folder {place}: {error}"),
            )
        })?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left in the end is in a folder for what may be thrown away.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
