//! Botgate: one binary in front of chatbot backends.
//!
//! A request's whole way is one file, [`line`]: head, route, verify, limit, body, duplicate, upstream. The other modules are the
//! rooms it passes through; ARCHITECTURE.md has the floor map (imports go down only, a test checks it).

pub mod access_log;
pub mod cli;
pub mod config;
pub mod dialect;
pub mod duplicates;
pub mod limit;
pub mod metrics;
pub mod secret;
pub mod signature;
