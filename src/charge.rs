//! What a request costs its bot's buckets: the rules by the head first, those by the body once it is there.

use crate::bot::Bot;
use crate::limit::{self, Verdict};
use crate::reject::Reject;
use crate::signature::FieldPath;
use crate::trace::Trace;
use crate::worker::Worker;
use bytes::Bytes;
use http::HeaderMap;
use std::net::IpAddr;

/// Charges every rule whose key stands in the head.
pub fn charge_head(
    worker: &Worker,
    bot: &Bot,
    trace: &mut Trace,
    peer: IpAddr,
    headers: &HeaderMap,
) -> Result<(), Reject> {
    let rules = bot.rules.head();
    if rules.is_empty() {
        return Ok(());
    }
    let verdict = worker.shared.limiter.admit(
        rules,
        trace.start,
        &mut worker.sweeper.borrow_mut(),
        |key, out| {
            limit::head_value(key, peer, headers, out);
        },
    );
    trace.limit(verdict)
}

/// Charges every rule whose key stands in the body; where one refuses, what the head was charged is given back.
pub fn charge_body(
    worker: &Worker,
    bot: &Bot,
    trace: &mut Trace,
    peer: IpAddr,
    headers: &HeaderMap,
    frames: &[Bytes],
) -> Result<(), Reject> {
    let rules = bot.rules.body();
    if rules.is_empty() {
        return Ok(());
    }
    let mut scratch = worker.scratch.borrow_mut();
    let sweeper = &mut worker.sweeper.borrow_mut();
    let verdict = worker
        .shared
        .limiter
        .admit(rules, trace.start, sweeper, |key, out| {
            if let limit::Key::Json(pointer) = key
                && let Some(Ok(Some(value))) =
                    FieldPath::parse(pointer).map(|path| path.read(frames, &mut scratch))
            {
                out.extend_from_slice(value.as_bytes());
            }
        });
    if matches!(verdict, Verdict::Refused(_)) {
        worker
            .shared
            .limiter
            .refund(bot.rules.head(), sweeper, |key, out| {
                limit::head_value(key, peer, headers, out)
            });
    }
    trace.limit(verdict)
}
