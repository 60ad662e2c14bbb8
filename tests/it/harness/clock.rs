//! A wall clock that a test holds the hands of: a few lines of C that stand before libc's `clock_gettime`.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::Path,
    process::Command,
};
use tempfile::TempDir;

/// The wall clock of whatever is started with it. It stands still until it is set.
pub(crate) struct Wall {
    dir: TempDir,
    hands: File,
}

impl Wall {
    /// A clock at this Unix second.
    pub(crate) fn at(second: i64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        build(&dir.path().join("clock.so"));
        let hands = dir.path().join("hands");
        fs::write(&hands, second.to_ne_bytes()).unwrap();
        let hands = File::options().write(true).open(hands).unwrap();
        Self { dir, hands }
    }

    /// Puts it to another second, for all that look at it.
    pub(crate) fn set(&self, second: i64) {
        self.hands.write_all_at(&second.to_ne_bytes(), 0).unwrap();
    }

    /// Hangs it before a program that is yet to be started.
    pub(crate) fn pin(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", self.dir.path().join("clock.so"))
            .env("PINNED_CLOCK", self.dir.path().join("hands"));
    }
}

/// Fails the test where there is no C compiler: `ring` needs one too, so whoever built Botgate has it.
fn build(library: &Path) {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/harness/clock.c");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(library)
        .arg(source)
        .output();
    match built {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            panic!("cc could not build {source}: {}", String::from_utf8_lossy(&output.stderr))
        }
        Err(error) => {
            panic!("the clock is pinned by a shim in C, and there is no C compiler `cc`: {error}")
        }
    }
}
