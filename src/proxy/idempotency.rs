//! Whether a delivery came before: under its own id within the bot's window, across restarts where it became a job.

use crate::clock;
use crate::proxy::bot::BotMatch;
use crate::proxy::worker::Worker;
use crate::state::idempotency::{self, Guard, Lookup};
use bytes::Bytes;
use http::HeaderMap;

/// Looks a delivery up and reserves its id; `None` where the bot does not know repeated deliveries, or this one has no id.
pub async fn begin_delivery(
    worker: &Worker,
    found: &BotMatch<'_, '_>,
    headers: &HeaderMap,
    frames: &[Bytes],
) -> Option<Lookup> {
    let duplicates = found.bot.duplicates.as_ref()?;
    let id = duplicates.by.read(headers, frames, &mut worker.scratch.borrow_mut())?;
    let body = if duplicates.signed { None } else { Some(frames) };
    let key = idempotency::key(found.id(), &id, body);
    let lookup = worker.shared.idempotency.begin(key, duplicates.window, clock::now());
    Some(match lookup {
        Lookup::Fresh(guard) if found.bot.way.makes_jobs() => restore(worker, guard).await,
        lookup => lookup,
    })
}

/// A delivery that this process has not seen may have become a job before the last start.
async fn restore(worker: &Worker, guard: Guard) -> Lookup {
    let jobs = &worker.shared.state.jobs;
    // A disk that cannot be read takes no job either.
    match jobs.recorded_response(guard.key()).await.ok().flatten() {
        Some(recorded) => guard.restore(&recorded, clock::unix_ms(), clock::now()),
        None => Lookup::Fresh(guard),
    }
}
