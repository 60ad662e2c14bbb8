//! The acceptor: accepts connections up to the limit and gives each to the least busy worker.

use super::worker_thread::{Handle, Order, Place};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections that wait to be accepted, per listener.
const BACKLOG: i32 = 4096;
/// How long accepting pauses when the system is out of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Binds with `SO_REUSEADDR`, so that a restart can bind again at once. Needs a runtime.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Gives connections to workers.
#[derive(Debug)]
pub struct Acceptor {
    /// One permit per connection that may be open.
    pub places: Arc<Semaphore>,
    /// The workers.
    pub workers: Arc<Vec<Handle>>,
}

impl Acceptor {
    /// Accepts until the task that runs it is dropped.
    pub async fn run(self, listener: TcpListener) {
        loop {
            // Beyond the limit callers wait in the backlog.
            let Ok(place) = self.places.clone().acquire_owned().await else {
                return;
            };
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    self.pause(&error).await;
                    continue;
                }
            };
            let Ok(stream) = stream.into_std() else {
                continue;
            };
            self.hand_over(stream, peer, place).await;
        }
    }

    /// To the worker with the fewest requests in flight, then the fewest connections.
    async fn hand_over(&self, stream: TcpStream, peer: SocketAddr, permit: OwnedSemaphorePermit) {
        let idlest = self
            .workers
            .iter()
            .min_by_key(|worker| (worker.cells.in_flight.get(), worker.assigned.load(Relaxed)));
        if let Some(worker) = idlest {
            let order = Order::Serve(stream, peer, Place::at(worker, permit));
            if worker.orders.send(order).await.is_err() {
                tracing::warn!("a worker thread has ended");
            }
        }
    }

    /// Waits if the system is out of descriptors or memory. Any other error concerns one connection only.
    async fn pause(&self, error: &io::Error) {
        const EXHAUSTED: [i32; 4] = [
            rustix::io::Errno::MFILE.raw_os_error(),
            rustix::io::Errno::NFILE.raw_os_error(),
            rustix::io::Errno::NOBUFS.raw_os_error(),
            rustix::io::Errno::NOMEM.raw_os_error(),
        ];
        if error.raw_os_error().is_some_and(|code| EXHAUSTED.contains(&code)) {
            tracing::warn!(%error, "cannot accept connections, pausing");
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }
}
