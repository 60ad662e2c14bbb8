//! What the page says of the store and the conversations in it.

use super::family::Family;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use std::fmt;

/// What outlives the process, at the moment of a look: all 0 where nothing is kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct StateFigures {
    /// Conversations in memory now.
    pub conversations: u64,
    /// Their bytes.
    pub conversation_bytes: u64,
    /// Messages that wait for their turn now.
    pub conversations_waiting: u64,
    /// Conversations looked for in the store.
    pub conversations_loaded: u64,
    /// Conversations that left memory to make room.
    pub conversations_evicted: u64,
    /// Records that wait for the disk now.
    pub queued: u64,
    /// Their bytes.
    pub queued_bytes: u64,
    /// Records that are on disk.
    pub committed: u64,
    /// Commits that failed and are tried again.
    pub failed: u64,
    /// Records given up.
    pub lost: u64,
    /// Records that expired and were deleted.
    pub expired: u64,
    /// Reads that failed.
    pub unread: u64,
    /// What bots have reported and is kept.
    pub messages: u64,
    /// Its bytes.
    pub message_bytes: u64,
    /// Jobs of the journal, by where they stand.
    pub jobs: [(&'static str, u64); 4],
    /// Bytes of those that have not ended.
    pub unfinished_bytes: u64,
    /// How long ago the oldest of them was accepted, in milliseconds.
    pub oldest_ms: u64,
    /// What came of attempts to deliver.
    pub deliveries: [(&'static str, u64); 3],
}

impl StateFigures {
    pub(super) fn encode(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        for (name, help, value) in [
            ("botgate_conversations_held", "Conversations in memory now", self.conversations),
            (
                "botgate_conversations_bytes",
                "Bytes of conversations in memory now",
                self.conversation_bytes,
            ),
            (
                "botgate_conversations_waiting",
                "Messages that wait for their turn in a conversation now",
                self.conversations_waiting,
            ),
            ("botgate_store_queued", "Records that wait for the disk now", self.queued),
            ("botgate_store_queued_bytes", "Bytes that wait for the disk now", self.queued_bytes),
            ("botgate_messages", "Reports of bots that are kept", self.messages),
            ("botgate_messages_bytes", "Bytes of reports that are kept", self.message_bytes),
        ] {
            Family::new(out, name, help, MetricType::Gauge)?.gauge(&[], value)?;
        }
        let mut jobs = Family::new(
            out,
            "botgate_jobs",
            "Messages that are answered later, by where they stand",
            MetricType::Gauge,
        )?;
        for (state, count) in self.jobs.into_iter().filter(|(state, _)| !state.is_empty()) {
            jobs.gauge(&[("state", state)], count)?;
        }
        for (name, help, value) in [
            (
                "botgate_jobs_unfinished_bytes",
                "Bytes of jobs that are neither delivered nor dead",
                self.unfinished_bytes,
            ),
            (
                "botgate_jobs_oldest_seconds",
                "Age of the oldest job that is neither delivered nor dead",
                self.oldest_ms / 1000,
            ),
        ] {
            Family::new(out, name, help, MetricType::Gauge)?.gauge(&[], value)?;
        }
        let mut deliveries = Family::new(
            out,
            "botgate_deliveries",
            "Attempts to deliver an answer, by what came of them",
            MetricType::Counter,
        )?;
        for (outcome, count) in self.deliveries.into_iter().filter(|(word, _)| !word.is_empty()) {
            deliveries.counter(&[("outcome", outcome)], count)?;
        }
        for (name, help, value) in [
            (
                "botgate_conversations_loaded",
                "Conversations looked for in the store",
                self.conversations_loaded,
            ),
            (
                "botgate_conversations_evicted",
                "Conversations that left memory to make room",
                self.conversations_evicted,
            ),
            ("botgate_store_committed", "Records written to disk", self.committed),
            ("botgate_store_failed", "Commits that failed and are tried again", self.failed),
            ("botgate_store_lost", "Records given up: the disk did not take them", self.lost),
            ("botgate_store_expired", "Records that expired and were deleted", self.expired),
            ("botgate_store_unread", "Reads of the store that failed", self.unread),
        ] {
            Family::new(out, name, help, MetricType::Counter)?.counter(&[], value)?;
        }
        Ok(())
    }
}
