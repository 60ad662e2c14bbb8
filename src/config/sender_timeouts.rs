//! How long callers wait for an answer, so that `check` can say where a backend is given longer.

use super::reader::Reading;
use super::reply::Mode;
use super::schema_types::shown;
use super::scope::Scope;
use std::time::Duration;

/// Senders by their preset, and how many seconds they say they wait before they give up, and mostly send again.
const PATIENCE: [(&str, u64); 9] = [
    ("slack", 3),             // https://docs.slack.dev/apis/events-api/
    ("discord", 3), // https://docs.discord.com/developers/interactions/receiving-and-responding
    ("zoom", 3),    // https://developers.zoom.us/docs/api/webhooks/
    ("shopify", 5), // https://shopify.dev/docs/apps/build/webhooks
    ("linear", 5),  // https://linear.app/developers/webhooks
    ("paddle", 5),  // https://developer.paddle.com/webhooks/respond-to-webhooks
    ("github", 10), // https://docs.github.com/en/webhooks/using-webhooks/best-practices-for-using-webhooks
    ("twilio", 15), // https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
    ("twilio-sharedkey", 15), // the same
];

/// Warns where an upstream of this bot, or the wait for its answer, may take longer than the caller with this preset waits.
pub(crate) fn patience(
    reading: &mut Reading<'_>,
    at: &str,
    preset: &str,
    mode: Option<Mode>,
    upstreams: &[usize],
    around: &Scope<'_>,
) {
    let Some((_, seconds)) = PATIENCE.iter().find(|(name, _)| *name == preset) else {
        return;
    };
    let patience = Duration::from_secs(*seconds);
    match mode {
        Some(Mode::Sync) | None => {}
        Some(Mode::Auto(within)) if within > patience => {
            return reading.warning(
                &format!("{at}.reply"),
                format!("an answer may take longer than the {seconds} s that a caller with preset \"{preset}\" waits"),
                format!("write within = \"{seconds}s\" or less"),
            );
        }
        Some(Mode::Auto(_) | Mode::Callback) => return,
    }
    let slow = upstreams.iter().find_map(|index| {
        let upstream = around.upstream(*index)?;
        (upstream.target.timeouts.total > patience).then_some(&upstream.name)
    });
    if let Some(name) = slow {
        reading.warning(
            &format!("{at}.upstream"),
            format!(
                "the upstream `{}` may take longer than the {seconds} s that a caller with preset \"{preset}\" waits",
                shown(name)
            ),
            format!("write timeout = \"{seconds}s\" or less there, unless its answers are quick"),
        );
    }
}
