//! The formats: what dialects and providers write and read, and the language they have in common. Pure: bytes in, values out.

pub mod bot_event;
pub mod dialect;
pub mod json;
pub mod keys;
pub mod message;
pub mod price;
pub mod provider;
pub mod retry_after;
