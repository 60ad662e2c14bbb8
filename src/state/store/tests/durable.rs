//! Whoever waits for the disk is told the truth.

use super::super::durable::{Pending, Waiting};
use super::{LONG, second, start, until};
use crate::state::store::*;
use std::ops::{Bound, ControlFlow};
use std::sync::mpsc::channel;

const EVERYTHING: Range<'_> = (Bound::Unbounded, Bound::Unbounded);

fn change(rows: &[(Table, &str, Option<&str>)]) -> Changes {
    let mut changes = Changes::default();
    for (table, key, value) in rows {
        match value {
            Some(value) => changes.put(*table, key.as_bytes(), Arc::from(value.as_bytes())),
            None => changes.remove(*table, key.as_bytes()),
        }
    }
    changes
}

/// Writes and waits.
fn write(store: &Store, changes: Changes) -> Result<(), Unwritten> {
    let (tell, told) = channel();
    store.commit(changes, Box::new(move |written| tell.send(written).unwrap()));
    told.recv_timeout(LONG).unwrap()
}

/// All rows of a table, in the order of their keys or against it.
fn rows(store: &Store, table: Table, backwards: bool) -> Vec<String> {
    let mut found = Vec::new();
    let view = store.view().unwrap();
    view.walk(table, EVERYTHING, backwards, |key, value| {
        let [key, value] = [key, value].map(String::from_utf8_lossy);
        found.push(format!("{key}={value}"));
        ControlFlow::Continue(())
    })
    .unwrap();
    found
}

#[test]
fn a_row_is_made_from_what_stands_in_it_by_then() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let append = |changes: &mut Changes, text: &'static str| {
        let update = move |before: Option<&[u8]>| {
            [before.unwrap_or_default(), text.as_bytes()].concat().into()
        };
        changes.update(Table::Jobs, b"row", Box::new(update));
    };
    // However many of them share a commit.
    let (tell, told) = channel();
    for text in ["a", "b", "c"] {
        let mut changes = Changes::default();
        append(&mut changes, text);
        let tell = tell.clone();
        store.commit(changes, Box::new(move |written| tell.send(written).unwrap()));
    }
    (0..3).for_each(|_| told.recv_timeout(LONG).unwrap().unwrap());
    assert_eq!(rows(&store, Table::Jobs, false), ["row=abc"]);
    let mut changes = change(&[(Table::Jobs, "row", None)]);
    append(&mut changes, "d");
    write(&store, changes).unwrap();
    assert_eq!(rows(&store, Table::Jobs, false), ["row=d"]);
}

#[test]
fn what_is_told_to_be_written_is_there_now_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let first = [
        (Table::Jobs, "b", Some("1")),
        (Table::Jobs, "a", Some("2")),
        (Table::Parts, "a", Some("3")),
    ];
    write(&store, change(&first)).unwrap();
    let second = [
        (Table::Jobs, "b", None),
        (Table::Jobs, "c", Some("4")),
        (Table::Jobs, "c", Some("5")),
        (Table::Jobs, "never", None),
    ];
    write(&store, change(&second)).unwrap();
    let expected = |store: &Store| {
        assert_eq!(rows(store, Table::Jobs, false), ["a=2", "c=5"]);
        assert_eq!(rows(store, Table::Jobs, true), ["c=5", "a=2"]);
        assert_eq!(rows(store, Table::Parts, false), ["a=3"]);
        assert_eq!(rows(store, Table::Ended, false), [""; 0]);
        let view = store.view().unwrap();
        assert_eq!(view.get(Table::Jobs, b"b").unwrap(), None);
        assert_eq!(&*view.get(Table::Jobs, b"c").unwrap().unwrap(), b"5");
    };
    expected(&store);
    assert_eq!(store.counts().durable, 2);
    assert!(store.close(LONG));
    assert_eq!(write(&store, change(&first)), Err(Unwritten::Closing));
    drop(store);
    expected(&Store::open(folder.path()).unwrap());
}

#[test]
fn what_waits_is_bounded_and_a_commit_takes_no_more_than_enough() {
    let pending = |bytes| {
        let mut changes = Changes::default();
        changes.put(Table::Parts, b"", vec![0; bytes].into());
        let done = Box::new(|_| {});
        Pending { changes, done }
    };
    let mut waiting = Waiting::default();
    for number in 0..MAX_CHANGES {
        assert_eq!(waiting.push(pending(0)).unwrap(), number == 0);
    }
    waiting.push(pending(0)).unwrap_err();
    assert_eq!(waiting.take().len(), MAX_CHANGES);
    for _ in 0..MAX_DURABLE_BYTES / BATCH_BYTES * 2 {
        waiting.push(pending(BATCH_BYTES / 2)).unwrap();
    }
    waiting.push(pending(1)).unwrap_err();
    assert_eq!(waiting.take().len(), 2);
    waiting.push(pending(1)).unwrap();
    assert_eq!(waiting.size().0, MAX_DURABLE_BYTES / BATCH_BYTES * 2 - 1);
    // One that is larger than that goes alone.
    let mut waiting = Waiting::default();
    waiting.push(pending(BATCH_BYTES + 1)).unwrap();
    waiting.push(pending(1)).unwrap();
    assert_eq!([waiting.take().len(), waiting.take().len()], [1, 1]);
    assert_eq!((waiting.size(), waiting.is_empty()), ((0, 0), true));
}

#[test]
fn the_stores_thread_asks_what_else_is_to_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let all: Vec<_> = (0..10).map(|number| number.to_string()).collect();
    for key in &all {
        write(&store, change(&[(Table::Ended, key, Some("x"))])).unwrap();
    }
    store.ask(Box::new(|view, now_ms| {
        let mut changes = Changes::default();
        let walked = view.walk(Table::Ended, EVERYTHING, false, |key, _| {
            if key[0] <= b'6' && now_ms == 7 {
                changes.remove(Table::Ended, key);
            }
            ControlFlow::Break(())
        });
        walked.unwrap();
        let done: Done = Box::new(|written| written.unwrap());
        (!changes.is_empty()).then_some((changes, done))
    }));
    store.tick(7);
    until(|| rows(&store, Table::Ended, false) == ["7=x", "8=x", "9=x"]);
}

/// A limit on the size of files stands in for a disk that is full; lifting it, for one that has room again. What was refused is
/// small enough to wait in the database's buffer, and reaches the disk after all when it has room.
#[test]
fn a_full_disk_is_told_at_once_and_leaves_nothing_behind() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    const TEST: &str = "durable::a_full_disk_is_told_at_once_and_leaves_nothing_behind";
    let text = "x".repeat(1024);
    let Some(folder) = second() else {
        let folder = tempfile::tempdir().unwrap();
        let child = start(TEST, "trap '' XFSZ;", folder.path());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}");
        let words = |word| said.lines().filter(move |line| line.starts_with(word));
        let mut expected: Vec<_> = words("taken ").map(|line| &line[6..]).collect();
        expected.sort_unstable();
        let refused = words("refused ").count();
        assert!(refused >= 3 && expected.len() > 100, "{refused} {}", expected.len());
        let store = Store::open(folder.path()).unwrap();
        let keys = rows(&store, Table::Parts, false);
        let keys: Vec<_> = keys.iter().map(|row| row.split_once('=').unwrap().0).collect();
        assert_eq!(keys, expected);
        let changed = store.view().unwrap().get(Table::Jobs, b"last").unwrap();
        let last = words("taken ").next_back().map(|line| &line[6..]).unwrap();
        assert_eq!(&*changed.unwrap(), last.as_bytes());
        return;
    };
    let store = Store::open(&folder).unwrap();
    let limit = |current| {
        let maximum = getrlimit(Resource::Fsize).maximum;
        setrlimit(Resource::Fsize, Rlimit { current, maximum }).unwrap();
    };
    let mut number = 0;
    let mut attempt = || {
        number += 1;
        let key = format!("{number:06}");
        let rows = [
            (Table::Parts, key.as_str(), Some(text.as_str())),
            (Table::Jobs, "last", Some(key.as_str())),
        ];
        let written = write(&store, change(&rows));
        let word = if written.is_ok() { "taken" } else { "refused" };
        println!("\n{word} {key}");
        written
    };
    println!();
    limit(Some(4 * 1024 * 1024));
    until(|| attempt().is_err());
    // Nothing is promised before the disk has taken something again.
    assert_eq!(attempt(), Err(Unwritten::Disk));
    assert_eq!(attempt(), Err(Unwritten::Disk));
    until(|| store.counts().failed >= 3);
    limit(None);
    let mut taken = 0;
    until(|| {
        taken += u32::from(attempt().is_ok());
        taken == 50
    });
    assert!(store.close(LONG));
}
