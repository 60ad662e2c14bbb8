//! What is written is read, whatever happens in between.

mod durable;

use super::*;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

const LONG: Duration = Duration::from_secs(60);
const NEVER: u64 = u64::MAX;

fn group(number: u64) -> Group {
    let mut group = [0; 32];
    group[..8].copy_from_slice(&number.to_be_bytes());
    group
}

fn record(expires_ms: u64, text: &[u8]) -> Arc<[u8]> {
    [&expires_ms.to_be_bytes(), text].concat().into()
}

fn put(store: &Store, number: u64, slot: u32, text: &str) {
    let record = record(NEVER, text.as_bytes());
    store.put(Space::Conversations, &group(number), slot, record).unwrap();
}

/// What a group holds, by slot.
fn texts(store: &Store, number: u64) -> Vec<String> {
    let mut found = store.read(Space::Conversations, &group(number)).unwrap();
    found.sort();
    let text = |record: &[u8]| String::from_utf8(record[STAMP..].to_vec()).unwrap();
    found.iter().map(|(_, record)| text(record)).collect()
}

fn until(mut met: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !met() {
        assert!(start.elapsed() < LONG, "it never came");
        std::thread::yield_now();
    }
}

#[test]
fn what_was_written_is_read_at_once_and_after_it_is_on_disk_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let expected = |store: &Store| {
        assert_eq!(texts(store, 1), ["b", "c"]);
        assert_eq!(texts(store, 2), ["new"]);
        assert_eq!(texts(store, 3), [""; 0]);
        assert_eq!(store.read(Space::Budgets, &group(1)).unwrap(), []);
    };
    put(&store, 2, 0, "old");
    put(&store, 2, 1, "old too");
    put(&store, 3, 0, "gone");
    until(|| store.counts().queued == 0);
    put(&store, 1, 0, "a");
    put(&store, 1, 1, "c");
    put(&store, 1, 0, "b");
    store.wipe(Space::Conversations, &group(2)).unwrap();
    put(&store, 2, 0, "new");
    store.wipe(Space::Conversations, &group(3)).unwrap();
    expected(&store);
    until(|| store.counts().queued == 0);
    expected(&store);
    assert_eq!((store.counts().failed, store.counts().lost), (0, 0));
    assert!(store.close(LONG));
    assert_eq!(store.put(Space::Budgets, &group(1), 0, record(0, b"")), Err(Full));
    drop(store);
    expected(&Store::open(folder.path()).unwrap());
}

#[test]
fn the_folder_is_its_owners_alone_and_no_second_process_gets_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made");
    let store = Store::open(&path).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let error = Store::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    assert!(error.to_string().contains("in use by another process"));
    drop(store);
    Store::open(&path).unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let error = Store::open(&folder.path().join("file")).unwrap_err();
    assert!(matches!(error, StoreError::Folder { .. }), "{error}");
}

#[test]
fn who_has_waited_for_the_disk_long_enough_does_not_wait_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::into_inner(Store::open(folder.path()).unwrap()).unwrap();
    // A writer that hangs: this end is never dropped.
    let (hangs, ended) = std::sync::mpsc::channel();
    let before = store.ended.lock().unwrap().replace(ended);
    assert!(!store.close(Duration::ZERO));
    let (tell, dropped) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        drop(store);
        tell.send(()).unwrap();
    });
    dropped.recv_timeout(LONG).unwrap();
    drop((hangs, before));
}

#[test]
fn another_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(Store::open(folder.path()).unwrap());
    {
        let database = fjall::Database::builder(folder.path().join("store")).open().unwrap();
        let about = database.keyspace("about", Default::default).unwrap();
        about.insert("format", "botgate-9").unwrap();
    }
    let error = Store::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("botgate-9") && error.contains(engine::FORMAT), "{error}");
}

#[test]
fn too_much_at_once_is_refused_and_counted() {
    let mut queue = Queue::default();
    let small = record(0, b"");
    for number in 0..MAX_RECORDS as u64 {
        let woken = queue.put(Space::Budgets, &group(number), 0, Arc::clone(&small)).unwrap();
        assert_eq!(woken, number == 0 || number + 1 == BATCH_RECORDS as u64, "{number}");
    }
    assert_eq!(queue.put(Space::Budgets, &group(NEVER), 0, small), Err(Full));
    let mut queue = Queue::default();
    let large: Arc<[u8]> = vec![0; MAX_BYTES / 4].into();
    for slot in [0, 1, 2, 3] {
        queue.put(Space::Budgets, &group(0), slot, Arc::clone(&large)).unwrap();
    }
    assert_eq!(queue.put(Space::Budgets, &group(0), 4, Arc::clone(&large)), Err(Full));
    queue.wipe(Space::Budgets, &group(0)).unwrap();
    assert_eq!(queue.size(), (1, 0));
    queue.put(Space::Budgets, &group(0), 4, large).unwrap();
    assert_eq!(queue.size(), (2, MAX_BYTES as u64 / 4));
}

#[test]
fn a_group_leaves_the_disk_when_the_last_of_it_has_expired() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let (hour, now) = (3_600_000, 10_000_000);
    let write = |number, slot, expires_ms| {
        store.put(Space::Conversations, &group(number), slot, record(expires_ms, b"x")).unwrap();
    };
    for number in 0..300 {
        for slot in 0..3 {
            // Of every third group the last record expires later than the others.
            let later = u64::from(number % 3 == 0 && slot == 2);
            write(number, slot, now - hour + later);
        }
    }
    store.put(Space::Budgets, &group(0), 0, record(now - hour, b"x")).unwrap();
    store.put(Space::Budgets, &group(1), 0, record(NEVER, b"x")).unwrap();
    until(|| store.counts().queued == 0);
    assert!(store.close(LONG));
    drop(store);

    // What an earlier run has left goes too.
    let store = Store::open(folder.path()).unwrap();
    store.tick(now);
    until(|| store.counts().expired == 200 * 3 + 1);
    for number in 0..300 {
        let left = texts(&store, number).len();
        assert_eq!(left, if number % 3 == 0 { 3 } else { 0 }, "{number}");
    }
    assert_eq!(store.read(Space::Budgets, &group(0)).unwrap(), []);
    assert_eq!(store.read(Space::Budgets, &group(1)).unwrap().len(), 1);
    // The walk rests between two rounds, and the first may have ended just now.
    let mut now = now;
    until(|| {
        now += 60_000;
        store.tick(now);
        store.counts().expired == 300 * 3 + 1
    });
}

/// Where this process is the second of a test: its folder.
fn second() -> Option<PathBuf> {
    std::env::var_os("BOTGATE_TEST_STORE").map(PathBuf::from)
}

/// Runs a test of this binary again as a second process, with a shell's words before.
fn start(test: &str, before: &str, folder: &Path) -> Child {
    let line = format!("{before} exec \"$0\" --exact --nocapture state::store::tests::{test}");
    Command::new("sh")
        .args(["-c", &line])
        .arg(std::env::current_exe().unwrap())
        .env("BOTGATE_TEST_STORE", folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn what_was_committed_survives_a_kill() {
    if let Some(folder) = second() {
        let store = Store::open(&folder).unwrap();
        for number in 0.. {
            put(&store, number, 0, "kept");
            put(&store, number, 1, "kept too");
            if number % 100 == 0 {
                until(|| store.counts().queued == 0);
                println!("\ncommitted {number}");
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let mut child = start("what_was_committed_survives_a_kill", "", folder.path());
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let committed = lines.filter_map(|line| line.unwrap().strip_prefix("committed ")?.parse().ok());
    let last: u64 = committed.take(20).last().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(last, 1_900);
    let store = Store::open(folder.path()).unwrap();
    for number in 0..=last {
        assert_eq!(texts(&store, number), ["kept", "kept too"], "{number}");
    }
}

/// A limit on the size of files stands in for a disk that is full; lifting it, for one that has room again.
#[test]
fn a_full_disk_loses_nothing_and_needs_no_restart() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let text = "x".repeat(16 * 1024);
    let Some(folder) = second() else {
        let folder = tempfile::tempdir().unwrap();
        // Else the first write past the limit would end the process.
        let before = "trap '' XFSZ;";
        let child = start("a_full_disk_loses_nothing_and_needs_no_restart", before, folder.path());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}");
        let store = Store::open(folder.path()).unwrap();
        for number in 0..600 {
            assert_eq!(texts(&store, number), [text.as_str()], "{number}");
        }
        return;
    };
    let store = Store::open(&folder).unwrap();
    let limit = |current| {
        let maximum = getrlimit(Resource::Fsize).maximum;
        setrlimit(Resource::Fsize, Rlimit { current, maximum }).unwrap();
    };
    limit(Some(4 * 1024 * 1024));
    let mut written = 0;
    while store.counts().failed < 3 {
        if written < 600 {
            put(&store, written, 0, &text);
            written += 1;
        }
        std::thread::yield_now();
    }
    for number in 0..written {
        // Readable all the while, but for the moment in which the database is opened again.
        until(|| {
            store.read(Space::Conversations, &group(number)).is_ok_and(|found| found.len() == 1)
        });
    }
    limit(None);
    for number in written..600 {
        put(&store, number, 0, &text);
    }
    until(|| store.counts().queued == 0);
    let counts = store.counts();
    assert_eq!((counts.committed, counts.lost), (600, 0));
    assert!(store.close(LONG));
}
