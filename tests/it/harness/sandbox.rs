//! A test in its own network and mount namespaces: nothing gets out of them.
//!
//! The test's binary runs itself once more, for that one test, under `unshare`. What cannot be had is a failure that says so.

use super::{command, machine, peer};
use std::{
    any, env, fs,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// Holds the network that the test was called from: whoever is called with it is to be in another.
const OUTSIDE: &str = "BOTGATE_TEST_OUTSIDE";

/// Runs a test in a sandbox: `body`, a closure of the test's own function, is called in there and nowhere else.
#[track_caller]
pub(crate) fn run<F: FnOnce()>(body: F) {
    let Some(outside) = env::var_os(OUTSIDE) else {
        return again(name::<F>());
    };
    assert_ne!(Path::new(&outside), network(), "unshare did not make a network of its own");
    body();
}

/// Gives the sandbox its loopback interface, with these addresses beside 127.0.0.1 and ::1.
#[track_caller]
pub(crate) fn network_with(addresses: &[&str]) {
    assert!(env::var_os(OUTSIDE).is_some(), "this test does not run in a sandbox");
    let ran = command::to_end(peer::command("lo.py").args(addresses));
    assert_eq!(ran.code, Some(0), "lo.py {addresses:?}: {}", ran.stderr);
}

/// Resolves names at 127.0.0.1:53 and nowhere else.
#[track_caller]
pub(crate) fn resolve_here() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in
        [("resolv.conf", "nameserver 127.0.0.1\n"), ("nsswitch.conf", "hosts: files dns\n")]
    {
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        let place = Path::new("/etc").join(name);
        if name == "resolv.conf" || place.exists() {
            mount(&["--bind".as_ref(), file.as_ref(), place.as_ref()]);
        }
    }
    folder
}

/// Calls `mount`, for this test alone.
#[track_caller]
pub(crate) fn mount(args: &[&Path]) {
    assert!(env::var_os(OUTSIDE).is_some(), "this test does not run in a sandbox");
    let ran = command::to_end(Command::new("mount").args(args));
    assert_eq!(ran.code, Some(0), "mount {args:?}: {}", ran.stderr);
}

#[track_caller]
fn again(test: &str) {
    // What is missing is installed while there is still a network.
    peer::installed("bin/python");
    let _machine = machine::shared();
    let own = env::current_exe().unwrap();
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command
        .args(["--net", "--mount"])
        .arg(own)
        .args(["--exact", test, "--nocapture"])
        .env(OUTSIDE, network());
    let ran = command::to_end(&mut command);
    assert!(
        ran.stdout.contains("running 1 test"),
        "this test needs a network and mounts of its own, and util-linux's `unshare` did not give them; run the tests as root, or \
         allow users their own namespaces: {}{}",
        ran.stdout,
        ran.stderr
    );
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
}

/// The test whose closure this is.
fn name<F>() -> &'static str {
    let name = any::type_name::<F>();
    let name = name.split_once("::").map_or(name, |(_, name)| name);
    name.split("::{{").next().unwrap_or(name)
}

/// Which network this process is in.
fn network() -> PathBuf {
    fs::read_link("/proc/self/ns/net").unwrap()
}
