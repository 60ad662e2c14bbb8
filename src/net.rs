//! The network: the HTTP client, framing, deadlines, and which addresses may be dialled.

pub mod address_policy;
pub mod body_budget;
pub mod client;
pub mod header_template;
pub mod hop_by_hop;
pub mod rendezvous;
pub mod request_framing;
pub mod runtime;
pub mod timers;
