//! What Botgate tells of itself: metrics, the access log, and observers of a message.

pub mod access_log;
pub mod metrics;
pub mod observer;
