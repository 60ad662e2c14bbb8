//! Botgate from outside: the real binary between raw callers and scripted backends, one module per capability.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what fails here fails a test, with its place"
)]

mod acknowledge;
mod admin;
mod aimock;
mod alone;
mod api;
mod budget;
mod buffer;
mod callback;
mod chaos;
mod codecs;
mod commands;
mod config;
mod conversation;
mod deadlines;
mod demo;
mod drain;
mod duplicates;
mod events;
mod faces;
mod fields;
mod forward;
mod harness;
mod http;
mod late;
mod later;
mod limit;
mod pages;
mod peers;
mod receivers;
mod refusals;
mod reload;
mod routing;
mod talk;
mod tidy;
mod tls_out;
mod trial;
mod upstream;
mod verify;
