//! A worker's thread, with its own current-thread runtime: serve, replace, drain.

use super::connection::Cut;
use super::serve;
use crate::clock;
use crate::net::runtime;
use crate::net::timers::TICK;
use crate::proxy::bot::Registry;
use crate::proxy::worker::{SharedState, Worker};
use crate::telemetry::access_log::Producer;
use crate::telemetry::metrics::WorkerCells;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::JoinHandle;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Orders that may wait for one worker; connections are limited separately.
const MAX_ORDERS: usize = 1024;

#[derive(Debug)]
pub enum Order {
    /// Serve this connection.
    Serve(TcpStream, SocketAddr, Place),
    /// Use this registry, and confirm.
    Replace(Arc<Registry>, oneshot::Sender<()>),
    /// End after the requests in flight, by this instant at the latest.
    Drain(Instant),
}

/// A running worker, seen from outside.
#[derive(Debug)]
pub struct Handle {
    /// Its orders. Closed: the worker stops at once.
    pub orders: mpsc::Sender<Order>,
    /// How busy it is.
    pub cells: Arc<WorkerCells>,
    /// Connections given to it and not yet closed.
    pub assigned: Arc<AtomicUsize>,
    /// Its thread.
    pub thread: JoinHandle<()>,
}

/// Starts one of `workers` workers.
pub fn start(
    number: usize,
    workers: usize,
    shared: Arc<SharedState>,
    registry: Arc<Registry>,
    log: Option<Producer>,
) -> io::Result<Handle> {
    let (orders, inbox) = mpsc::channel(MAX_ORDERS);
    let Some(cells) = shared.metrics.workers().get(number).cloned() else {
        return Err(io::Error::other("more workers than counters"));
    };
    let assigned = Arc::new(AtomicUsize::new(0));
    let (theirs, count) = (cells.clone(), assigned.clone());
    let thread = runtime::start(format!("worker-{number}"), move || {
        run(Worker::new(shared, registry, theirs, log, workers), count, inbox)
    })?;
    Ok(Handle { orders, cells, assigned, thread })
}

async fn run(worker: Rc<Worker>, assigned: Arc<AtomicUsize>, mut inbox: mpsc::Receiver<Order>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut end: Option<Instant> = None;
    loop {
        tokio::select! {
            due = ticks.tick() => {
                worker.cells.lag.observe(clock::nanos(due.elapsed()));
                worker.tick(clock::now());
                if end.is_some_and(|end| is_idle(&worker, &assigned) || Instant::now() >= end) {
                    return;
                }
            }
            order = inbox.recv() => match order {
                Some(Order::Serve(stream, peer, place)) => serve(&worker, stream, peer, place),
                Some(Order::Replace(registry, done)) => {
                    worker.replace(registry);
                    let _ = done.send(());
                }
                Some(Order::Drain(by)) => {
                    worker.drain();
                    end = Some(by);
                }
                None => return,
            },
        }
    }
}

/// No connection, and no deferred answer in the making.
fn is_idle(worker: &Worker, assigned: &AtomicUsize) -> bool {
    assigned.load(Relaxed) == 0 && !worker.has_tasks()
}

fn serve(worker: &Rc<Worker>, stream: TcpStream, peer: SocketAddr, place: Place) {
    let mut stream = match tokio::net::TcpStream::from_std(stream) {
        Ok(stream) => stream,
        Err(error) => {
            tracing::warn!(%error, "a connection cannot be served");
            return;
        }
    };
    let _ = stream.set_nodelay(true);
    let open = Open::new(worker);
    tokio::task::spawn_local(async move {
        if let Err(Cut) = serve::run(open.0.clone(), &mut stream, peer).await {
            let _ = stream.set_zero_linger();
        }
        drop((open, place));
    });
}

/// A connection's permit and its share of its worker's count, released however the connection ends, even one
/// that never reaches its worker.
#[derive(Debug)]
pub struct Place {
    assigned: Arc<AtomicUsize>,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    /// Counts a connection among those of a worker.
    pub(super) fn at(worker: &Handle, permit: OwnedSemaphorePermit) -> Self {
        worker.assigned.fetch_add(1, Relaxed);
        Self { assigned: worker.assigned.clone(), _permit: permit }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.assigned.fetch_sub(1, Relaxed);
    }
}

/// A connection that a worker counts as open, even if its task panics.
struct Open(Rc<Worker>);

impl Open {
    fn new(worker: &Rc<Worker>) -> Self {
        worker.cells.connections.increment();
        Self(worker.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.cells.connections.decrement();
    }
}
