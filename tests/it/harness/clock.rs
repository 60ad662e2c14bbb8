//! Pins the wall clock of a Botgate from outside: a few lines of C that stand before libc's `clock_gettime`.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Builds the shim into `dir` and returns its path, for `LD_PRELOAD`.
///
/// Fails the test where there is no C compiler: `ring` needs one too, so whoever built Botgate has it.
pub(crate) fn shim(dir: &Path) -> PathBuf {
    let library = dir.join("clock.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/harness/clock.c");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(source)
        .output();
    match built {
        Ok(output) if output.status.success() => library,
        Ok(output) => panic!(
            "cc could not build {source}: {}",
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => {
            panic!("the clock is pinned by a shim in C, and there is no C compiler `cc`: {error}")
        }
    }
}
