//! What follows when a message has no answer that can be kept: another attempt, what is said instead, the end.

use super::exchange::Answered;
use super::job::{AnswerJob, Outgoing, retry_until_written};
use crate::clock;
use crate::codec::bot_event::{self, EventType};
use crate::codec::message::{Answer, AnswerError, ErrorKind};
use crate::proxy::reject::Reject;
use crate::state::jobs::{Attempt, Id, Jobs, JobsError, NextState, Phases, Stage};
use std::time::Duration;

/// After how long an AI that failed is asked again; each further failure doubles it, and chance takes up to half of it off.
pub const BACKOFF: Duration = Duration::from_secs(1);
/// The longest that it is left alone, unless it says itself for how long.
pub const MAX_BACKOFF: Duration = Duration::from_secs(60);

impl AnswerJob {
    /// Until when it may be tried again, in milliseconds since 1970.
    pub(super) fn answer_deadline_ms(&self) -> u64 {
        self.settings()
            .map_or(0, |(_, later)| self.accepted_ms.saturating_add(millis(later.answer_within)))
    }

    /// Until when it may wait for others. Where it was taken up again after its time, it has as long for that as it had at first.
    pub(super) fn patience_ends_ms(&self, since_ms: u64) -> u64 {
        let ends_ms = self.answer_deadline_ms();
        match since_ms > ends_ms {
            true => since_ms.saturating_add(ends_ms.saturating_sub(self.accepted_ms)),
            false => ends_ms,
        }
    }

    /// What follows once the disk has the answer, or is said to have no room for one like it: asked again, the AI would say as much.
    pub(super) async fn written(
        &self,
        journal: &Jobs,
        id: Id,
        written: Result<(), JobsError>,
        took: Duration,
    ) -> Result<(), JobsError> {
        match written {
            Err(error @ JobsError::TooLarge { .. }) => {
                self.give_up(journal, id, &error.to_string(), took).await
            }
            written => written.inspect(|()| self.note_answer()),
        }
    }

    /// What follows a failure that took so long: another attempt while there is time for one and it might help, else the end.
    pub(super) async fn failed(
        &self,
        journal: &Jobs,
        id: Id,
        tried: u32,
        reject: &Reject,
        took: Duration,
    ) -> Result<(), JobsError> {
        let now_ms = clock::unix_ms();
        let reason = reject.sentence();
        let left = self.answer_deadline_ms().saturating_sub(now_ms);
        let wait = retry_delay(left, tried, retry_after(reject), self.worker.random());
        let Some(wait) = wait.filter(|_| is_retryable(reject)) else {
            return self.give_up(journal, id, &reason, took).await;
        };
        let at_ms = now_ms.saturating_add(wait);
        let attempt = attempt(now_ms, &reason, took);
        retry_until_written(|| {
            journal.record_attempt(id, &attempt, NextState::Again(at_ms), now_ms)
        })
        .await
    }

    /// The end: something else is said, where that is set, or else all who want to know are told that there is no answer.
    async fn give_up(
        &self,
        journal: &Jobs,
        id: Id,
        reason: &str,
        took: Duration,
    ) -> Result<(), JobsError> {
        if let Some(answer) = self.failure_text_answer() {
            let said = retry_until_written(|| self.answered(journal, id, &answer)).await;
            // It too goes out with what the caller has sent along.
            if !matches!(said, Err(JobsError::TooLarge { .. })) {
                return said.inspect(|()| {
                    tracing::warn!(%id, bot = &*self.bot, reason, "a message has no answer, failure_text is sent instead");
                });
            }
        }
        tracing::warn!(%id, bot = &*self.bot, reason, "a message is dead-lettered");
        let told = self.events(EventType::Error, |envelope, out| {
            bot_event::error(envelope, &self.envelope.message_id, reason, out);
        });
        let (now_ms, jobs) = (clock::unix_ms(), self.jobs(&told));
        let attempt = attempt(now_ms, reason, took);
        let ended = retry_until_written(|| {
            journal.record_final_attempt(id, &attempt, reason, &jobs, now_ms)
        })
        .await;
        ended.inspect(|()| self.note_end())
    }

    /// The answer that says what is said where there is none.
    fn failure_text_answer(&self) -> Option<Outgoing> {
        let (settings, later) = self.settings().ok()?;
        let mut body = self.envelope.body.clone();
        let event = settings.chat.decode(self.envelope.format, &mut body).ok()?;
        let answer = Answer { text: later.failure_text.as_deref()?.into(), ..Answer::default() };
        let own = event.conversation.as_deref();
        let conversation = own.unwrap_or(self.envelope.conversation());
        let answered = Answered { answer: &answer, conversation, model: None, micro_cents: 0 };
        Some(self.encode(settings.chat, &event, &answered, false).outgoing)
    }
}

/// An attempt that failed for this reason after so long. One AI may have been asked or several: their phases are not told apart.
fn attempt(at_ms: u64, reason: &str, took: Duration) -> Attempt {
    Attempt {
        stage: Stage::Answer,
        at_ms,
        took: Phases {
            first_byte_us: u32::try_from(took.as_micros()).unwrap_or(u32::MAX),
            ..Phases::default()
        },
        status: None,
        error: reason.to_owned(),
        response: Vec::new(),
    }
}

/// Whether asking again might help.
fn is_retryable(reject: &Reject) -> bool {
    match reject {
        Reject::ConversationFull
        | Reject::TurnTimeout
        | Reject::State
        | Reject::Unavailable(_)
        | Reject::Upstream(_) => true,
        Reject::Refused(refusal) => match refusal.kind {
            ErrorKind::TooLarge | ErrorKind::Rejected => false,
            ErrorKind::Limited
            | ErrorKind::Exhausted
            | ErrorKind::Overloaded
            | ErrorKind::KeyRefused
            | ErrorKind::TooSlow
            | ErrorKind::Failed => true,
        },
        Reject::Answer(fault) => {
            !matches!(fault, AnswerError::Truncated | AnswerError::Refused | AnswerError::Filtered)
        }
        _ => false,
    }
}

/// How long the AI asks to be left alone.
fn retry_after(reject: &Reject) -> Option<Duration> {
    match reject {
        Reject::Refused(refusal) => refusal.retry_after,
        Reject::Unavailable(wait) => Some(*wait),
        _ => None,
    }
}

/// How long until the next attempt where so much time is left, in milliseconds. The last one comes when time is up, unless that is
/// at once.
fn retry_delay(left: u64, tried: u32, told: Option<Duration>, random: u64) -> Option<u64> {
    let told = told.map_or(0, millis);
    let step = 1_u32.checked_shl(tried).unwrap_or(u32::MAX);
    let step = millis(BACKOFF.saturating_mul(step).min(MAX_BACKOFF));
    let wait = (step - random % (step / 2 + 1)).max(told);
    let last = left.max(told).max(millis(BACKOFF) / 2);
    Some(wait.min(last)).filter(|wait| *wait <= left)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ai_that_fails_is_left_alone_for_longer_each_time_or_as_long_as_it_says() {
        const LONG: u64 = 900_000;
        let latest = |tried| retry_delay(LONG, tried, None, 0);
        let steps: Vec<u64> = (0..8).filter_map(latest).collect();
        assert_eq!(steps, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
        assert_eq!(latest(u32::MAX), Some(60_000));
        for random in (0..u64::MAX).step_by(usize::MAX / 1000) {
            let wait = retry_delay(LONG, 0, None, random).unwrap();
            assert!((500..=1000).contains(&wait));
        }
        let told = |left, seconds| retry_delay(left, 0, Some(Duration::from_secs(seconds)), 1);
        assert_eq!(told(LONG, 7), Some(7000));
        assert_eq!((told(7000, 7), told(6999, 7)), (Some(7000), None));
        assert_eq!(retry_delay(LONG, 3, Some(Duration::ZERO), 0), Some(8000));
        // The last attempt comes when time is up, and not right after another.
        assert_eq!(retry_delay(7000, 3, None, 0), Some(7000));
        assert_eq!(retry_delay(500, 3, None, 0), Some(500));
        assert_eq!(retry_delay(499, 3, None, 0), None);
        assert_eq!(retry_delay(0, 0, None, 0), None);
    }
}
