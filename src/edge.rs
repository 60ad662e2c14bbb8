//! The edge: sockets in. One acceptor, a worker thread per core, a connection's life.

mod conn;
mod listener;
mod socket;
mod thread;

pub use conn::{Cut, run};
pub use listener::{Acceptor, bind};
pub use thread::{Handle, Order, start};
