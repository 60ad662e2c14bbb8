//! Time as the data plane reads it: nanoseconds of the monotonic clock, exact or coarse, and the wall clock.

use rustix::time::{ClockId, Timespec, clock_gettime};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Nanoseconds of the monotonic clock, since the machine started.
pub fn now() -> u64 {
    count(clock_gettime(ClockId::Monotonic))
}

/// The same clock as of the kernel's last tick: up to some milliseconds old and a fifth of the price. Good for deadlines.
pub fn coarse() -> u64 {
    count(clock_gettime(ClockId::MonotonicCoarse))
}

fn count(time: Timespec) -> u64 {
    time.tv_sec
        .cast_unsigned()
        .wrapping_mul(1_000_000_000)
        .wrapping_add(time.tv_nsec.cast_unsigned())
}

/// A duration in nanoseconds, saturating.
pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Milliseconds since 1970 by the wall clock, 0 before it.
pub fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
