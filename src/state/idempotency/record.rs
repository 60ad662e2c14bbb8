//! An answer as it lies on disk beside the job that it announces, for deliveries that are repeated after a restart.

use super::{Guard, Key, Lookup, Stored};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use std::sync::Arc;
use std::time::Duration;

impl Guard {
    /// What its delivery is found by.
    pub fn key(&self) -> &[u8; 32] {
        let Key(key) = &self.key;
        key
    }

    /// An answer that is remembered for the window from now on, in milliseconds since 1970: its status, type and body.
    pub fn record(&self, answer: &Stored, now_ms: u64) -> Vec<u8> {
        let expires_ms = now_ms.saturating_add(millis(self.window));
        let kind = answer.headers.get(header::CONTENT_TYPE);
        let kind = kind.map_or(&b""[..], HeaderValue::as_bytes);
        let length = u16::try_from(kind.len()).unwrap_or_default();
        [
            &expires_ms.to_le_bytes()[..],
            &answer.status.as_u16().to_le_bytes(),
            &length.to_le_bytes(),
            &kind[..usize::from(length)],
            answer.body.as_deref().unwrap_or_default(),
        ]
        .concat()
    }

    /// Its delivery as it is by such a record: done, if the window is still open, and then known to the store again. `now_ns` as
    /// for [`Guard::done`].
    pub fn restore(self, record: &[u8], now_ms: u64, now_ns: u64) -> Lookup {
        // Where the clock was ahead, nothing is remembered for longer than the window.
        let left = read(record).map(|(expires_ms, stored)| {
            let left = expires_ms.saturating_sub(now_ms);
            (left.min(millis(self.window)), stored)
        });
        match left {
            Some((left @ 1.., stored)) => {
                let stored = Arc::new(stored);
                let until = now_ns.saturating_add(left.saturating_mul(1_000_000));
                self.settle(Arc::clone(&stored), until);
                Lookup::Done(stored)
            }
            _ => Lookup::Fresh(self),
        }
    }
}

fn read(record: &[u8]) -> Option<(u64, Stored)> {
    let (expires_ms, rest) = record.split_first_chunk()?;
    let (status, rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (kind, body) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
    let kind = HeaderValue::from_bytes(kind).ok()?;
    let stored = Stored {
        status: StatusCode::from_u16(u16::from_le_bytes(*status)).ok()?,
        headers: HeaderMap::from_iter([(header::CONTENT_TYPE, kind)]),
        body: Some(Bytes::copy_from_slice(body)),
    };
    Some((u64::from_le_bytes(*expires_ms), stored))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::{IdempotencyStore, key};
    use super::*;

    const WINDOW: Duration = Duration::from_secs(600);
    const NOON_MS: u64 = 1_795_262_400_000;

    fn fresh(ledger: &Arc<IdempotencyStore>, now_ns: u64) -> Guard {
        match ledger.begin(key("bot", "1", None), WINDOW, now_ns) {
            Lookup::Fresh(guard) => guard,
            other => panic!("{other:?}"),
        }
    }

    fn record() -> Vec<u8> {
        let json = HeaderValue::from_static("application/json");
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, json)]);
        let stored = Stored::new(StatusCode::ACCEPTED, &headers, Some(b"{}"));
        fresh(&IdempotencyStore::new(), 0).record(&stored, NOON_MS)
    }

    #[test]
    fn another_process_says_the_same_as_long_as_the_window_is_open() {
        let window_ms = millis(WINDOW);
        for (later_ms, left_ms) in [(0, window_ms), (1_000, window_ms - 1_000), (window_ms - 1, 1)]
        {
            let ledger = IdempotencyStore::new();
            let begun = fresh(&ledger, 5).restore(&record(), NOON_MS + later_ms, 5);
            let Lookup::Done(stored) = begun else {
                panic!("{later_ms}: {begun:?}");
            };
            assert_eq!(stored.status, StatusCode::ACCEPTED);
            assert_eq!(stored.body.as_deref(), Some(&b"{}"[..]));
            assert_eq!(stored.headers[header::CONTENT_TYPE], "application/json");
            // From here on the store in memory knows it, for the rest of the window.
            let end = 5 + left_ms * 1_000_000;
            let again = ledger.begin(key("bot", "1", None), WINDOW, end - 1);
            assert!(matches!(again, Lookup::Done(_)), "{later_ms}");
            fresh(&ledger, end);
        }
        // A clock that went back makes it no longer.
        let ledger = IdempotencyStore::new();
        let begun = fresh(&ledger, 0).restore(&record(), 0, 0);
        assert!(matches!(begun, Lookup::Done(_)));
        fresh(&ledger, window_ms * 1_000_000);
    }

    #[test]
    fn what_is_over_or_makes_no_sense_is_as_if_it_were_not_there() {
        let ledger = IdempotencyStore::new();
        let over = NOON_MS + millis(WINDOW);
        let begun = fresh(&ledger, 0).restore(&record(), over, 0);
        assert!(matches!(begun, Lookup::Fresh(_)));
        drop(begun);
        let whole = record();
        let body = whole.len() - b"{}".len();
        for cut in 0..body {
            let begun = fresh(&ledger, 0).restore(&whole[..cut], NOON_MS, 0);
            assert!(matches!(begun, Lookup::Fresh(_)), "{cut}");
        }
    }
}
