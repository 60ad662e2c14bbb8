//! The formats: dialects, providers, the messages between them, and the events for subscribers. Pure: bytes in, values out.

pub mod bot_event;
pub mod dialect;
pub mod json;
pub mod keys;
pub mod message;
pub mod price;
pub mod provider;
pub mod retry_after;
