//! Botgate: one binary in front of chatbot backends.
//!
//! [`proxy`] is the whole way of a request: head, route, verify, limit, body, duplicate, upstream. ARCHITECTURE.md has the map of
//! the folders and their order: imports go down only, and a test checks it.

pub mod cli;
pub mod clock;
pub mod codec;
pub mod config;
pub mod delivery;
pub mod net;
pub mod proxy;
pub mod secret;
pub mod server;
pub mod signature;
pub mod state;
pub mod telemetry;
