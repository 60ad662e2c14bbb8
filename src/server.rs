//! A running Botgate: start, reload, drain, stop. The only file that sees all the parts.

pub mod admin;
mod background;
pub mod edge;
mod fd_limit;
mod inventory;
mod registry;

pub use registry::{receivers, registry};

use crate::config::{self, Settings};
use crate::delivery;
use crate::net::body_budget::BodyBudget;
use crate::net::client;
use crate::proxy::bot::Bot;
use crate::proxy::reject::REASONS;
use crate::proxy::worker::SharedState;
use crate::signature;
use crate::state::StateHandle;
use crate::state::idempotency::IdempotencyStore;
use crate::state::limit::Limiter;
use crate::telemetry::access_log::{AccessLog, Destination, Format, Producer};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::observer::Observer;
use background::{connection_sharers, open_state, save_analytics, start_dispatcher};
use edge::{Acceptor, Handle, Order};
use fd_limit::connections;
use inventory::listed;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, timeout};

/// How long a reload waits for one worker to put the new configuration in force.
const RELOAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a stop waits for the store's last records, and again for the access log's last lines.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// A running Botgate. Dropped without [`App::stop`], it ends at once.
#[derive(Debug)]
pub struct App {
    shared: Arc<SharedState>,
    workers: Arc<Vec<Handle>>,
    dispatcher: Option<delivery::Handle>,
    ready: Arc<AtomicBool>,
    admin: Option<admin::AdminServer>,
    acceptors: Vec<AbortHandle>,
    /// Ends with the app.
    _tasks: JoinSet<()>,
    settings: Settings,
    /// `http`, `admin` or `probes`, and the address.
    pub listening: Vec<(&'static str, SocketAddr)>,
}

impl App {
    /// Binds every listener, starts the workers and accepts. Needs the background runtime.
    pub async fn start(settings: Settings, log_format: Format) -> io::Result<Self> {
        Self::start_observed(None, settings, log_format).await
    }

    /// The same with an observer of every request.
    pub async fn start_observed(
        observer: Option<Observer>,
        settings: Settings,
        log_format: Format,
    ) -> io::Result<Self> {
        let count = settings.server.workers.unwrap_or_else(cores);
        let places = Arc::new(Semaphore::new(connections(&settings)));
        let registry = Arc::new(registry(&settings).map_err(io::Error::other)?);
        let (log, producers) = open_log(&settings, log_format, count)?;
        let mut producers = producers.into_iter();
        let shared = Arc::new(SharedState {
            body_budget: BodyBudget::new(settings.server.buffer),
            limiter: Limiter::default(),
            idempotency: IdempotencyStore::new(),
            state: StateHandle::default(),
            breakers: Mutex::default(),
            switches: Arc::default(),
            observer,
            log: Mutex::new(log),
            metrics: Metrics::new(
                connection_sharers(&settings, count),
                &REASONS,
                &client::ERROR_WORDS,
            ),
        });
        open_state(&shared, &settings).map_err(io::Error::other)?;
        let connection_sharers = connection_sharers(&settings, count);
        let mut listening = Vec::new();
        let mut listeners = Vec::new();
        for address in &settings.server.http {
            let listener = bind(*address)?;
            listening.push(("http", listener.local_addr()?));
            listeners.push(listener);
        }
        let admin_listeners = match &settings.admin {
            Some(admin) => {
                let main = bind(admin.listen)?;
                listening.push(("admin", main.local_addr()?));
                let probes = admin.probes.map(bind).transpose()?;
                if let Some(probes) = &probes {
                    listening.push(("probes", probes.local_addr()?));
                }
                Some((main, probes))
            }
            None => None,
        };

        let workers = (0..count)
            .map(|number| {
                edge::start(
                    number,
                    connection_sharers,
                    shared.clone(),
                    registry.clone(),
                    producers.next(),
                )
            })
            .collect::<io::Result<Vec<_>>>()?;
        let dispatcher = start_dispatcher(&shared, &registry, &settings, count)?;
        let workers = Arc::new(workers);
        let ready = Arc::new(AtomicBool::new(true));
        let mut tasks = JoinSet::new();
        tasks.spawn(save_analytics(shared.clone()));
        let acceptors = listeners.into_iter().map(|listener| {
            let acceptor = Acceptor { places: places.clone(), workers: workers.clone() };
            tasks.spawn(acceptor.run(listener))
        });
        let acceptors = acceptors.collect();
        let admin = admin_listeners.map(|(main, probes)| {
            let token = settings.admin.as_ref().and_then(|admin| admin.token.clone());
            let inventory = listed(&registry, http(&listening));
            let server = admin::AdminServer::new(shared.clone(), ready.clone(), token, inventory);
            if let Some(probes) = probes {
                tasks.spawn(server.clone().serve(probes, admin::Scope::Probes));
            }
            tasks.spawn(server.clone().serve(main, admin::Scope::All));
            server
        });
        Ok(Self {
            shared,
            workers,
            dispatcher,
            ready,
            admin,
            acceptors,
            _tasks: tasks,
            settings,
            listening,
        })
    }

    /// The address of the first public listener.
    pub fn http(&self) -> Option<SocketAddr> {
        http(&self.listening)
    }

    /// Puts new settings in force. A warning names those that need a restart.
    pub async fn reload(&mut self, settings: Settings) -> Result<(), String> {
        let registry = Arc::new(registry(&settings)?);
        open_state(&self.shared, &settings).map_err(|error| error.to_string())?;
        for key in needs_restart(&self.settings, &settings) {
            tracing::warn!("{key} has changed: it takes effect at the next start");
        }
        self.shared.body_budget.resize(settings.server.buffer);
        self.shared.metrics.retain(
            |label| registry.bots().iter().any(|bot| bot.label() == label),
            |name| {
                registry.upstreams.iter().any(|upstream| &*upstream.name == name)
                    || registry.receivers().any(|receiver| &*receiver.name == name)
            },
        );
        self.shared.keep_breakers(|name| {
            let place = |settings: &Settings| {
                let mut all = settings.upstreams.iter();
                let found = all.find(|upstream| &*upstream.name == name)?;
                Some((found.tls.is_some(), found.target.host.clone(), found.target.port))
            };
            place(&settings).is_some_and(|now| place(&self.settings) == Some(now))
        });
        for bot in &settings.bots {
            // "Last used" is kept by a secret's position, which is another secret's once the list has changed.
            let before = self.settings.bots.iter().find(|old| old.id == bot.id);
            if before.is_some_and(|before| secrets(before) != secrets(bot)) {
                self.shared.metrics.forget_secrets(&bot.id);
            }
        }
        for worker in self.workers.iter() {
            let order = |done| Order::Replace(registry.clone(), done);
            put_in_force("a worker", &worker.orders, order).await;
        }
        match &self.dispatcher {
            None => {
                let started =
                    start_dispatcher(&self.shared, &registry, &settings, self.workers.len());
                self.dispatcher = started.map_err(|error| error.to_string())?;
            }
            Some(dispatcher) => {
                let order = |done| delivery::Order::Replace(registry.clone(), done);
                put_in_force("the dispatcher", &dispatcher.orders, order).await;
            }
        }
        if let Some(admin) = &self.admin {
            admin.replace_inventory(listed(&registry, self.http()));
        }
        self.settings = settings;
        Ok(())
    }

    /// Opens the access log's file again, after a rotation.
    pub fn reopen_log(&self) {
        if let Some(log) = &*self.shared.log() {
            log.reopen();
        }
    }

    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// Stops accepting and waits for requests in flight, for at most `drain` or until `now` resolves.
    pub async fn stop(mut self, now: impl Future<Output = ()>) {
        self.ready.store(false, Relaxed);
        // The listeners close with the tasks that accept on them; the admin side goes on answering until the end.
        self.close_listeners().await;
        let deadline = Instant::now() + self.settings.server.drain;
        for worker in self.workers.iter() {
            let _ = worker.orders.send(Order::Drain(deadline)).await;
        }
        if let Some(dispatcher) = &self.dispatcher {
            let _ = dispatcher.orders.send(delivery::Order::Drain(deadline)).await;
        }
        let ended = async {
            let dispatcher = self.dispatcher.iter().map(|dispatcher| &dispatcher.thread);
            let workers = self.workers.iter().map(|worker| &worker.thread);
            let threads: Vec<_> = workers.chain(dispatcher).collect();
            while !threads.iter().all(|thread| thread.is_finished()) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            () = ended => {}
            () = now => tracing::warn!("stopped without waiting for requests in flight"),
        }
        if !self.shared.state.close(FLUSH_TIMEOUT) {
            tracing::error!(
                "the last conversations and spent budgets are not on disk: the store was not flushed in time"
            );
        }
        let log = self.shared.log().take();
        if let Some(log) = log {
            log.close(FLUSH_TIMEOUT);
        }
    }
}

impl App {
    /// No connection is handed to a worker after this.
    async fn close_listeners(&mut self) {
        self.acceptors.iter().for_each(AbortHandle::abort);
        while !self.acceptors.iter().all(AbortHandle::is_finished) {
            tokio::task::yield_now().await;
        }
    }
}

/// Orders a thread to use a new configuration and waits until it does; logs an error after [`RELOAD_TIMEOUT`].
async fn put_in_force<O>(
    thread: &str,
    orders: &mpsc::Sender<O>,
    order: impl FnOnce(oneshot::Sender<()>) -> O,
) {
    let (done, in_force) = oneshot::channel();
    let replaced = async {
        orders.send(order(done)).await.ok()?;
        in_force.await.ok()
    };
    if !matches!(timeout(RELOAD_TIMEOUT, replaced).await, Ok(Some(()))) {
        tracing::error!("{thread} did not take the new configuration");
    }
}

fn http(listening: &[(&'static str, SocketAddr)]) -> Option<SocketAddr> {
    let http = listening.iter().find(|(name, _)| *name == "http");
    http.map(|(_, at)| *at)
}

fn open_log(
    settings: &Settings,
    format: Format,
    workers: usize,
) -> io::Result<(Option<AccessLog>, Vec<Producer>)> {
    let (destination, format) = match &settings.server.access_log {
        config::AccessLog::Off => return Ok((None, Vec::new())),
        config::AccessLog::Stderr => (Destination::Stderr, format),
        config::AccessLog::File(path) => (Destination::File(path.clone()), Format::Json),
    };
    let (log, producers) = AccessLog::start(destination, format, workers)?;
    Ok((Some(log), producers))
}

/// The changed keys that a reload cannot put in force.
fn needs_restart(old: &Settings, new: &Settings) -> Vec<&'static str> {
    let addresses =
        |settings: &Settings| settings.admin.as_ref().map(|admin| (admin.listen, admin.probes));
    let token = |settings: &Settings| settings.admin.as_ref().and_then(|admin| admin.token.clone());
    let same_token = match (token(old), token(new)) {
        (Some(old), Some(new)) => old.matches(new.expose()),
        (old, new) => old.is_none() && new.is_none(),
    };
    let (server, fresh) = (&old.server, &new.server);
    let changed = [
        ("server.http", server.http != fresh.http),
        ("server.workers", server.workers != fresh.workers),
        ("server.max_connections", server.max_connections != fresh.max_connections),
        ("server.access_log", server.access_log != fresh.access_log),
        ("admin", addresses(old) != addresses(new) || !same_token),
        ("state", old.state != new.state),
    ];
    changed.into_iter().filter_map(|(key, changed)| changed.then_some(key)).collect()
}

fn secrets(bot: &Bot) -> Vec<usize> {
    bot.verifier.schemes().iter().map(signature::Scheme::secrets).collect()
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    edge::bind(address).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
    })
}

/// One worker per core that the process may use, cgroup quotas included.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
