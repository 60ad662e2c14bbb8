//! Botgate from outside: the real binary between raw callers and scripted backends, one module per capability.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what fails here fails a test, with its place"
)]

mod deadlines;
mod forward;
mod harness;
mod http;
mod refusals;
mod verify;
