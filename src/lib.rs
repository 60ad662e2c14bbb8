//! Botgate: one binary in front of chatbot backends.
//!
//! A request's whole way is one file, [`line`]: head, route, verify, limit, body, duplicate, upstream. The other modules are the
//! rooms it passes through; ARCHITECTURE.md has the floor map (imports go down only, a test checks it).

pub mod access_log;
pub mod admin;
pub mod analytics;
pub mod app;
pub mod balance;
pub mod bot;
pub mod budget;
pub mod buffer;
pub mod callback;
pub mod charge;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod conversation;
pub mod converse;
pub mod courier;
pub mod dialect;
pub mod duplicates;
pub mod edge;
pub mod forward;
pub mod gate;
pub mod guard;
pub mod head;
pub mod hop;
pub mod journal;
pub mod json;
pub mod limit;
pub mod line;
pub mod message;
pub mod messages;
pub mod metrics;
pub mod money;
pub mod origin;
pub mod placeholder;
pub mod receive;
pub mod reject;
pub mod reply;
pub mod secret;
pub mod signature;
pub mod speech;
pub mod store;
pub mod talk;
pub mod timers;
pub mod trace;
pub mod upstream;
pub mod witness;
pub mod worker;
