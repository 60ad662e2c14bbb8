//! What a request costs its bot's buckets: the rules by the head first, those by the body once it is there.

use crate::proxy::bot::BotMatch;
use crate::proxy::context::RequestContext;
use crate::proxy::reject::Reject;
use crate::proxy::worker::Worker;
use crate::signature::FieldPath;
use crate::state::limit::{self, Verdict};
use bytes::Bytes;
use http::HeaderMap;
use std::net::IpAddr;

/// Charges every rule whose key stands in the head.
pub fn charge_head(
    worker: &Worker,
    found: &BotMatch<'_, '_>,
    ctx: &mut RequestContext,
    peer: IpAddr,
    headers: &HeaderMap,
) -> Result<(), Reject> {
    let rules = found.bot.rules.head();
    if rules.is_empty() {
        return Ok(());
    }
    let verdict = worker.shared.limiter.admit(
        rules,
        ctx.start_ns,
        &mut worker.sweeper.borrow_mut(),
        |key, out| {
            own(found, key, out);
            limit::head_value(key, peer, headers, out);
        },
    );
    ctx.apply_limit(verdict)
}

/// Charges every rule whose key is a field of the body, or the user that a dialect found in it; those without one share a bucket.
/// Where one refuses, what the head was charged is given back.
pub fn charge_body(
    worker: &Worker,
    found: &BotMatch<'_, '_>,
    ctx: &mut RequestContext,
    peer: IpAddr,
    headers: &HeaderMap,
    frames: &[Bytes],
    user: Option<&str>,
) -> Result<(), Reject> {
    let rules = found.bot.rules.body();
    if rules.is_empty() {
        return Ok(());
    }
    let mut scratch = worker.scratch.borrow_mut();
    let sweeper = &mut worker.sweeper.borrow_mut();
    let limiter = &worker.shared.limiter;
    let verdict = limiter.admit(rules, ctx.start_ns, sweeper, |key, out| {
        own(found, key, out);
        if let limit::Key::User = key {
            out.extend_from_slice(user.unwrap_or_default().as_bytes());
        }
        if let limit::Key::Json(pointer) = key
            && let Some(Ok(Some(value))) =
                FieldPath::parse(pointer).map(|path| path.read(frames, &mut scratch))
        {
            out.extend_from_slice(value.as_bytes());
        }
    });
    if matches!(verdict, Verdict::Refused(_)) {
        limiter.refund(found.bot.rules.head(), sweeper, |key, out| {
            own(found, key, out);
            limit::head_value(key, peer, headers, out);
        });
    }
    ctx.apply_limit(verdict)
}

/// A template's rules are written once, but each of its bots has buckets of its own.
fn own(found: &BotMatch<'_, '_>, key: &limit::Key, out: &mut Vec<u8>) {
    if let Some(id) = found.named
        && !matches!(key, limit::Key::Dialect)
    {
        out.extend_from_slice(id.as_bytes());
        out.push(0);
    }
}
