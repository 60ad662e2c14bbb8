//! The edge: sockets in. One acceptor, a worker thread per core, a connection's life.

mod connection;
mod listener;
mod serve;
mod socket;
mod worker_thread;

pub use connection::Cut;
pub use listener::{Acceptor, bind};
pub use serve::run;
pub use worker_thread::{Handle, Order, start};
