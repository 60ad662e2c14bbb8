//! What is off, in memory and after the next start.

use super::{MAX_SWITCHES, Switches};
use crate::state::store::{Changes, Store, StoreError, Table};
use std::sync::Arc;
use std::sync::mpsc::channel;

/// Writes rows and waits for the disk.
fn write(store: &Store, changes: Changes) {
    let (told, done) = channel();
    store.commit(changes, Box::new(move |written| told.send(written).unwrap()));
    done.recv().unwrap().unwrap();
}

#[test]
fn nothing_is_off_until_it_is_switched_and_each_is_off_for_itself() {
    let switches = Switches::default();
    assert!(!switches.any() && !switches.is_off("bt_1") && !switches.is_off("bt_*"));
    switches.put("bt_1", true);
    switches.put("bt_1", true);
    switches.put("bt_*", true);
    let off = ["bt_1", "bt_*", "bt_2", "bt_", "*"].map(|key| switches.is_off(key));
    assert_eq!(off, [true, true, false, false, false]);
    switches.put("bt_*", false);
    switches.put("bt_2", false);
    assert!(switches.any() && switches.is_off("bt_1") && !switches.is_off("bt_*"));
    switches.put("bt_1", false);
    assert!(!switches.any());
}

#[test]
fn what_the_disk_has_is_obeyed_and_what_it_has_not_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let switches = Arc::new(Switches::default());
    for (key, off, written) in [
        ("one", true, true),
        ("two", true, false),
        ("three*", true, true),
        ("one", false, false),
        ("three*", false, true),
    ] {
        let before = switches.is_off(key);
        let along = switches.turn(key, off);
        assert_eq!(switches.is_off(key), before, "not before the disk");
        if written {
            write(&store, along.changes);
        }
        along.on_written.unwrap()(written);
        assert_eq!(switches.is_off(key), if written { off } else { before });
    }
    let next = Switches::default();
    next.load(&store).unwrap();
    let off = ["one", "two", "three*"].map(|key| next.is_off(key));
    assert_eq!(off, [true, false, false]);
}

#[test]
fn no_more_than_the_most_are_off_and_all_of_them_are_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let switches = Arc::new(Switches::default());
    let mut changes = Changes::default();
    for nth in 0..MAX_SWITCHES {
        let row = Arc::from([super::VERSION]);
        changes.put(Table::Switches, nth.to_string().as_bytes(), row);
    }
    write(&store, changes);
    switches.load(&store).unwrap();
    assert!((0..MAX_SWITCHES).all(|nth| switches.is_off(&nth.to_string())));
    assert!(!switches.has_room("another"));
    assert!(switches.has_room("7"), "it takes no more room");
    switches.put("7", false);
    assert!(switches.has_room("another") && !switches.is_off("7"));
}

#[test]
fn a_row_of_another_version_is_an_error_that_names_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mut changes = Changes::default();
    changes.put(Table::Switches, b"bot", Arc::from([2]));
    write(&store, changes);
    let error = Switches::default().load(&store).unwrap_err();
    assert!(matches!(error, StoreError::Format { .. }), "{error}");
    assert!(error.to_string().contains("switches of version 2"));
}
