//! What Botgate reports about itself: metrics, with all their names; the access log; observers of a request.

pub mod access_log;
pub mod metrics;
pub mod observer;
