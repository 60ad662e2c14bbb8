//! Botgate from outside: the real binary between raw callers and scripted backends, one module per capability.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what fails here fails a test, with its place"
)]

mod acknowledge_only;
mod admin;
mod ai;
mod aimock;
mod api;
mod budget;
mod buffer;
mod callback;
mod chaos;
mod commands;
mod config;
mod conversation;
mod deadlines;
mod deferred;
mod demo;
mod dialect_pages;
mod drain;
mod early_rejections;
mod error_shapes;
mod events;
mod failed_calls;
mod forward;
mod harness;
mod header_fields;
mod idempotency;
mod no_conversation;
mod peers;
mod providers;
mod rate_limit;
mod receivers;
mod reload;
mod request_framing;
mod routing;
mod test_command;
mod tidy;
mod upstream;
mod upstream_tls;
mod verify;
