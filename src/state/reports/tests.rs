//! Messages are kept within their bounds, listed newest first, and are there after a restart.

use super::*;
use crate::state::store::Unwritten;
use std::sync::mpsc::channel;

const NOW: u64 = 1_800_000_000_000;

fn open(folder: &tempfile::TempDir, bounds: Bounds) -> Reports {
    Reports::open(Store::open(folder.path()).unwrap(), bounds).unwrap()
}

/// Keeps a message, and waits for the disk.
fn keep(messages: &Reports, bot: &str, json: &str) -> Id {
    let id = Id::new(NOW);
    written(messages, messages.keep(id, bot, json.as_bytes()).unwrap());
    id
}

/// Has it written, and waits for the disk.
fn written(messages: &Reports, PendingReport { changes, on_written: then }: PendingReport) {
    let (tell, told) = channel();
    let done = move |written: Result<(), Unwritten>| {
        then(written.is_ok());
        tell.send(written).unwrap();
    };
    messages.store.commit(changes, Box::new(done));
    told.recv().unwrap().unwrap();
}

fn all(messages: &Reports, bot: Option<&str>) -> Vec<String> {
    messages.list(bot, None, MAX_PAGE).unwrap().items
}

fn room(messages: usize, bytes: u64) -> Room {
    Room { messages, bytes }
}

#[test]
fn the_oldest_of_the_bot_go_first_and_then_the_oldest_of_all() {
    let folder = tempfile::tempdir().unwrap();
    let bounds = Bounds { all: room(5, 50), each: room(3, 30) };
    let messages = open(&folder, bounds);
    for text in ["a1", "a2", "a3", "a4"] {
        keep(&messages, "a", text);
    }
    assert_eq!(all(&messages, None), ["a4", "a3", "a2"]);
    for text in ["b1", "b2", "b3"] {
        keep(&messages, "b", text);
    }
    assert_eq!(all(&messages, None), ["b3", "b2", "b1", "a4", "a3"]);
    let long = "x".repeat(29);
    keep(&messages, "b", &long);
    assert_eq!(all(&messages, Some("b")), [&*long], "by bytes too");
    assert_eq!(all(&messages, Some("a")), ["a4", "a3"]);
    let longer = "y".repeat(30);
    keep(&messages, "c", &longer);
    assert_eq!(all(&messages, None), [&*longer]);
    let longest = "z".repeat(99);
    keep(&messages, "c", &longest);
    assert_eq!(all(&messages, None), [&*longest], "alone it stays");
    drop(messages);
    let messages = open(&folder, bounds);
    assert_eq!(all(&messages, Some("c")), [&*longest]);
    assert_eq!(messages.held(), room(1, 99));
    let mut rows = 0;
    for table in [Table::Messages, Table::Texts] {
        let view = messages.store.view().unwrap();
        let every = (Bound::Unbounded, Bound::Unbounded);
        view.walk(table, every, false, |_, _| {
            rows += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
    }
    assert_eq!(rows, 2, "what has gone has left the disk");
}

#[test]
fn pages_follow_each_other_without_a_gap_or_an_overlap() {
    let folder = tempfile::tempdir().unwrap();
    let messages = open(&folder, BOUNDS);
    for nth in 0..10 {
        keep(&messages, ["a", "b"][nth % 2], &nth.to_string());
    }
    let large = format!("8{}", " ".repeat(MAX_PAGE_BYTES));
    let ids = [keep(&messages, "a", &large), keep(&messages, "a", "9a")];
    let (mut before, mut sizes, mut items) = (None, Vec::new(), Vec::new());
    loop {
        let page = messages.list(Some("a"), before, 3).unwrap();
        sizes.push(page.items.len());
        items.extend(page.items);
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    let shown: Vec<&str> = items.iter().map(|item| item.trim_end()).collect();
    assert_eq!(shown, ["9a", "8", "8", "6", "4", "2", "0"]);
    // The second page begins behind the one that ended with its bytes.
    assert_eq!(sizes, [2, 3, 2]);
    let behind = messages.list(None, Some(ids[0]), 1).unwrap();
    assert_eq!(behind.items, ["9"]);
    assert_eq!(messages.list(Some("c"), None, 1).unwrap(), Page::default());
}

#[test]
fn what_the_disk_did_not_take_is_not_kept_and_nothing_goes_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let bounds = Bounds { all: room(2, 50), each: room(2, 50) };
    let messages = open(&folder, bounds);
    keep(&messages, "a", "1");
    keep(&messages, "a", "2");
    let coming = messages.keep(Id::new(NOW), "a", b"3").unwrap();
    assert_eq!(all(&messages, None), ["2"], "it is not there yet");
    (coming.on_written)(false);
    assert_eq!(all(&messages, None), ["2", "1"]);
    assert_eq!(messages.held(), room(2, 2));
    let large = vec![b' '; MAX_REPORT + 1];
    assert!(messages.keep(Id::new(NOW), "a", &large).is_none());
}

#[test]
fn what_is_about_a_user_goes_and_comes_back_where_the_disk_does_not_do_it() {
    let folder = tempfile::tempdir().unwrap();
    let messages = open(&folder, BOUNDS);
    for json in [
        r#"{"n":1,"data":{"userId":"42"}}"#,
        r#"{"n":2,"data":{"userId":42}}"#,
        r#"{"n":3,"data":{"userId":"4"}}"#,
        r#"{"n":4,"data":{"userId":null}}"#,
        r#"{"n":5,"data":null}"#,
    ] {
        keep(&messages, "one", json);
        keep(&messages, "other", json);
    }
    let numbers = |bot| {
        let digit = |json: String| json.as_bytes()[5] - b'0';
        all(&messages, Some(bot)).into_iter().map(digit).collect()
    };
    let (count, going) = messages.forget("one", "42").unwrap();
    assert_eq!((count, messages.held().messages), (2, 8));
    (going.on_written)(false);
    let before: Vec<u8> = numbers("one");
    assert_eq!(before, [5, 4, 3, 2, 1]);
    written(&messages, messages.forget("one", "42").unwrap().1);
    let after: Vec<u8> = numbers("one");
    let other: Vec<u8> = numbers("other");
    assert_eq!((after, other), (vec![5, 4, 3], before));
    drop(messages);
    let messages = open(&folder, BOUNDS);
    assert_eq!(messages.held().messages, 8);
}
