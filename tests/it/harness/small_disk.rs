//! A real disk that is small, for a test apart: it can be filled to its last page, and room be made on it again.

use super::sandbox;
use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// What it holds: a store without much in it takes a tenth of that.
const SIZE: &str = "size=12m";

/// A file system in memory. What is written to it is gone with it.
pub(crate) struct Disk(TempDir);

impl Disk {
    #[track_caller]
    pub(crate) fn small() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (size, place) = (Path::new(SIZE), folder.path());
        let [kind, tmpfs, option] = ["-t", "tmpfs", "-o"].map(Path::new);
        sandbox::mount(&[kind, tmpfs, option, size, tmpfs, place]);
        Self(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    fn ballast(&self) -> PathBuf {
        self.0.path().join("ballast")
    }

    /// Leaves not a page. A page that is in use already may have room for some bytes.
    #[track_caller]
    pub(crate) fn fill(&self) {
        let mut file = File::create(self.ballast()).unwrap();
        let mut piece = vec![1; 64 * 1024];
        while !piece.is_empty() {
            match file.write_all(&piece) {
                Ok(()) => {}
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::StorageFull);
                    piece.truncate(piece.len() / 2);
                }
            }
        }
    }

    /// Makes room.
    pub(crate) fn clear(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}
