//! What lies on disk: this version's folder is read by every later one, and what makes no sense is an error.

use super::*;
use std::path::Path;

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/journal/1");
/// An accepted, an answered, a delivered and a dead job.
const IDS: [&str; 4] = [
    "01a3185c-5000-7000-8000-000000000001",
    "01a3185c-5000-7000-8000-000000000002",
    "01a3185c-5000-7000-8000-000000000003",
    "01a3185c-5000-7000-8000-000000000004",
];

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Leaves one job of each state. The fixture of a new version is what this writes.
fn write(folder: &Path) {
    let journal = Jobs::open(Store::open(folder).unwrap(), BOUNDS, NOW).unwrap();
    for (number, id) in IDS.iter().enumerate() {
        let stage = if number == 0 { Stage::Answer } else { Stage::Deliver };
        let job = Job { id: id.parse().unwrap(), claimed: true, ..job("crm", stage) };
        done(journal.accept(std::slice::from_ref(&job), NOW)).unwrap();
        let then = match number {
            0 => continue,
            1 => NextState::Again(NOW + 30_000),
            2 => NextState::Delivered,
            _ => NextState::Dead("gone"),
        };
        let attempt = attempt(NOW + 1, Some(503));
        done(journal.record_attempt(job.id, &attempt, then, NOW + 2)).unwrap();
    }
    drop(journal);
    // Half of it in tables, as in a folder that has been used for long.
    let database = fjall::Database::builder(folder.join("store")).open().unwrap();
    for name in ["jobs", "ended"] {
        let keyspace = database.keyspace(name, Default::default).unwrap();
        keyspace.rotate_memtable_and_wait().unwrap();
    }
    drop(database);
    // Opening it cuts what was reserved and not used.
    drop(Store::open(folder).unwrap());
}

/// Reads what [`write`] wrote, and goes on with it.
fn read(folder: &Path) {
    let store = Store::open(folder).unwrap();
    let journal = Jobs::open(store, BOUNDS, NOW + 2).unwrap();
    assert_eq!(jobs(&journal), [1, 1, 1, 1]);
    let ids = IDS.map(|id| id.parse::<Id>().unwrap());
    for (id, expected) in ids.into_iter().zip(JobState::ALL) {
        let shown = journal.details(id).unwrap().unwrap();
        let head = shown.head;
        assert_eq!(head.state(), expected);
        assert_eq!([&head.bot, &head.dialect, &head.receiver], ["bt_support", "aerostack", "crm"]);
        assert_eq!(&*journal.body(id, head.stage).unwrap(), b"what was said");
        if expected != JobState::Accepted {
            assert_eq!(shown.attempts, [attempt(NOW + 1, Some(503))]);
        }
    }
    claim_one(&journal, Stage::Answer, ids[0], NOW + 2);
    assert_eq!(journal.next_ms(Stage::Deliver), Some(NOW + 30_000));
    done(journal.retry(ids[3], NOW + 2)).unwrap();
    claim_one(&journal, Stage::Deliver, ids[3], NOW + 2);
}

#[test]
fn a_folder_of_this_format_is_read() {
    let folder = tempfile::tempdir().unwrap();
    copy(Path::new(FIXTURE), folder.path());
    read(folder.path());
}

#[test]
fn what_this_version_writes_it_reads() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    read(folder.path());
}

/// Opens a store with one row in place of a job's head.
fn open_with(folder: &tempfile::TempDir, id: &[u8], row: &[u8]) -> Result<Jobs, JobsError> {
    let store = Store::open(folder.path()).unwrap();
    let mut changes = crate::state::store::Changes::default();
    changes.put(Table::Jobs, id, row.into());
    let (tell, told) = std::sync::mpsc::channel();
    store.commit(changes, Box::new(move |written| tell.send(written).unwrap()));
    told.recv_timeout(LONG).unwrap().unwrap();
    Jobs::open(store, BOUNDS, NOW)
}

#[test]
fn what_another_version_wrote_is_refused_with_the_folders_name() {
    let folder = tempfile::tempdir().unwrap();
    let id = Id::new(NOW);
    let error = open_with(&folder, &id.0, &[9, 0, 0]).unwrap_err().to_string();
    let path = folder.path().join("store").display().to_string();
    assert!(error.contains(&path) && error.contains("version 9"), "{error}");
    let error = open_with(&folder, &id.0, &[]).unwrap_err().to_string();
    assert!(error.contains(&path), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let error = open_with(&folder, b"no id", &[1]).unwrap_err();
    assert!(matches!(error, JobsError::Broken { .. }), "{error}");
}

#[test]
fn what_is_written_is_read_and_what_is_cut_is_broken() {
    let head = Head {
        bot: "bt_support".to_owned(),
        subject: Subject::of("bt_support", Some("ann")),
        dialect: "aerostack".to_owned(),
        receiver: "crm ✓".to_owned(),
        reason: "gone".to_owned(),
        stage: Stage::Deliver,
        end: Some(TerminalState::Dead),
        accepted_ms: 1,
        answered_ms: 2,
        ended_ms: 3,
        since_ms: 4,
        next_ms: u64::MAX,
        attempts: 5,
        request_bytes: 6,
        answer_bytes: 7,
        attempt_bytes: u32::MAX,
    };
    let row = record::write_head(&head);
    assert_eq!(record::read_head(&row), Ok(head.clone()));
    for length in 0..row.len() {
        assert_eq!(record::read_head(&row[..length]), Err(Unreadable::Broken));
    }
    assert_eq!(record::read_ended_row(&record::ended_row(&head)), Some((u32::MAX, 5)));
    let key = record::ended_key(TerminalState::Dead, 3, Id::new(NOW));
    assert_eq!(
        record::read_ended_key(&key).map(|(end, at, _)| (end, at)),
        Some((TerminalState::Dead, 3))
    );
    for length in 0..key.len() {
        assert_eq!(record::read_ended_key(&key[..length]), None);
    }
    let long = Attempt {
        error: "é".repeat(MAX_REASON),
        response: vec![b'x'; 100_000],
        ..attempt(NOW, Some(500))
    };
    let row = record::write_attempt(&long);
    let read = record::read_attempt(&row).unwrap();
    assert_eq!(read.error, "é".repeat(MAX_REASON / 2));
    assert_eq!(read.response, vec![b'x'; MAX_KEPT_RESPONSE]);
    assert_eq!((read.took, read.status), (long.took, long.status));
    for length in 0..row.len() {
        assert_eq!(record::read_attempt(&row[..length]), None);
    }
    assert!(!format!("{long:?}").contains("xxx"));
}
