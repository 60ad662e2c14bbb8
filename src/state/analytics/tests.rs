//! What is counted, kept, added to in the next life and forgotten, and how much of it there may be.

use super::*;
use std::path::Path;
use std::time::Duration;

/// Some hour, and its first millisecond.
const NOW: u32 = 490_000;

fn ms(hour: u32) -> u64 {
    u64::from(hour) * HOUR_MS
}

fn open(folder: &Path, most: usize) -> (Analytics, Arc<Store>) {
    let store = Store::open(folder).unwrap();
    (Analytics::bounded(store.clone(), most), store)
}

fn note(analytics: &Analytics, bot: &str, template: Option<&str>, hour: u32) {
    let whose = Whose { bot: bot.into(), template: template.map(Into::into) };
    let happened = Happened::Accepted(Some(Duration::from_millis(1)));
    let notes = Notes::default();
    notes.push(Note { whose, hour, happened }, analytics);
    notes.flush(analytics);
}

/// How many requests a bot has accepted, in all hours that are kept.
fn accepted(analytics: &Analytics, bot: &str, now: u32) -> Option<u64> {
    let hours = analytics.of(bot, 0..u32::MAX, ms(now)).unwrap()?;
    Some(hours.values().map(|figures| figures.accepted).sum())
}

#[test]
fn what_was_counted_in_one_life_is_added_to_in_the_next() {
    let folder = tempfile::tempdir().unwrap();
    for life in 1..=3 {
        let (analytics, store) = open(folder.path(), MAX_IDS);
        note(&analytics, "bot", None, NOW);
        assert_eq!(accepted(&analytics, "bot", NOW), Some(life), "unsaved");
        for _ in 0..2 {
            analytics.save(ms(NOW));
            assert_eq!(accepted(&analytics, "bot", NOW), Some(life), "saved");
        }
        assert!(store.close(Duration::from_secs(60)));
    }
    let (analytics, _store) = open(folder.path(), MAX_IDS);
    let hours = analytics.of("bot", NOW..NOW + 1, ms(NOW)).unwrap().unwrap();
    assert_eq!(hours[&NOW].latency.buckets().len(), 1);
    assert_eq!(accepted(&analytics, "other", NOW), None);
}

#[test]
fn an_hour_leaves_memory_once_the_disk_has_it_and_may_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let (analytics, _store) = open(folder.path(), MAX_IDS);
    for round in 1..=2 {
        note(&analytics, "a", None, NOW);
        note(&analytics, "b", Some("t*"), NOW);
        note(&analytics, "a", None, NOW + 1);
        analytics.save(ms(NOW + 1));
        let table = lock(&analytics.table);
        assert_eq!(table.hours.keys().collect::<Vec<_>>(), [&(NOW + 1)]);
        assert_eq!(table.spare, 0);
        drop(table);
        let hours = analytics.of("a", 0..u32::MAX, ms(NOW + 1)).unwrap();
        let counts: Vec<_> = hours.unwrap().into_values().map(|it| it.accepted).collect();
        assert_eq!(counts, [round, round]);
    }
}

#[test]
fn ids_beyond_the_most_count_for_their_template() {
    let folder = tempfile::tempdir().unwrap();
    let (analytics, _store) = open(folder.path(), 2);
    for bot in ["t1", "t2", "t3", "t1", "t4"] {
        note(&analytics, bot, Some("t*"), NOW);
    }
    for listed in 0..10 {
        note(&analytics, &format!("listed{listed}"), None, NOW);
    }
    let count = |bot| accepted(&analytics, bot, NOW);
    assert_eq!([count("t1"), count("t2")], [Some(2), Some(1)]);
    assert_eq!([count("t3"), count("t4")], [None, None]);
    assert_eq!(count("t*"), Some(2));
    assert_eq!(count("listed9"), Some(1));
    // There is room again in the next hour.
    analytics.save(ms(NOW + 1));
    note(&analytics, "t3", Some("t*"), NOW + 1);
    assert_eq!(accepted(&analytics, "t3", NOW + 1), Some(1));
}

#[test]
fn thirty_days_later_an_hour_is_gone_and_its_place_another_s() {
    let folder = tempfile::tempdir().unwrap();
    let (analytics, _store) = open(folder.path(), MAX_IDS);
    note(&analytics, "bot", None, NOW);
    let last = NOW + MAX_HOURS - 1;
    assert_eq!(slot(NOW), slot(last + 1), "one ring");
    for saved in [false, true] {
        assert_eq!(accepted(&analytics, "bot", last), Some(1), "{saved}");
        assert_eq!(accepted(&analytics, "bot", last + 1), None, "{saved}");
        analytics.save(ms(NOW));
    }
    note(&analytics, "bot", None, last + 1);
    analytics.save(ms(last + 1));
    assert_eq!(accepted(&analytics, "bot", last + 1), Some(1));
    let first = analytics.of("bot", NOW..NOW + 1, ms(NOW)).unwrap();
    assert_eq!(first, Some(BTreeMap::new()), "overwritten");
}

#[test]
fn a_disk_that_takes_nothing_costs_the_oldest_hours() {
    let folder = tempfile::tempdir().unwrap();
    let (analytics, store) = open(folder.path(), MAX_IDS);
    assert!(store.close(Duration::from_secs(60)));
    let most = u32::try_from(MAX_HOURS_IN_MEMORY).unwrap();
    for hour in NOW..=NOW + most {
        note(&analytics, "t1", Some("t*"), hour);
        analytics.save(ms(hour));
    }
    let table = lock(&analytics.table);
    assert_eq!(table.hours.len(), MAX_HOURS_IN_MEMORY);
    assert!(!table.hours.contains_key(&NOW));
    assert_eq!(table.spare, MAX_HOURS_IN_MEMORY);
}

#[test]
fn notes_are_handed_over_before_they_are_too_many() {
    let folder = tempfile::tempdir().unwrap();
    let (analytics, _store) = open(folder.path(), MAX_IDS);
    let notes = Notes::default();
    let note = Note {
        whose: Whose { bot: "bot".into(), template: None },
        hour: NOW,
        happened: Happened::Delivered,
    };
    for _ in 0..=MAX_NOTES {
        notes.push(note.clone(), &analytics);
    }
    let held = |analytics: &Analytics| {
        let hours = analytics.of("bot", NOW..NOW + 1, ms(NOW)).unwrap();
        hours.map(|hours| hours[&NOW].delivered)
    };
    assert_eq!(held(&analytics), Some(MAX_NOTES as u64));
    notes.flush(&analytics);
    assert_eq!(held(&analytics), Some(MAX_NOTES as u64 + 1));
}
