//! One worker: what its requests share without a lock, and what of it a reload replaces.

mod analytics;

pub use crate::state::State;

use crate::clock;
use crate::net::body_budget::BodyBudget;
use crate::net::client::Pool;
use crate::net::client::breaker::{Breaker, BreakerState};
use crate::net::timers::Timers;
use crate::proxy::bot::Registry;
use crate::state::StateHandle;
use crate::state::analytics::Notes;
use crate::state::idempotency::IdempotencyStore;
use crate::state::limit::{Limiter, Sweeper};
use crate::state::switches::Switches;
use crate::telemetry::access_log::{AccessLog, Producer};
use crate::telemetry::metrics::{BotCells, Metrics, Readings, WorkerCells};
use crate::telemetry::observer::Observer;
use http::HeaderValue;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What all workers share.
#[derive(Debug)]
pub struct SharedState {
    /// All request bodies held at once.
    pub body_budget: Arc<BodyBudget>,
    /// All buckets.
    pub limiter: Limiter,
    /// All deliveries of late.
    pub idempotency: Arc<IdempotencyStore>,
    /// What outlives the process.
    pub state: StateHandle,
    /// Bots that are switched off.
    pub switches: Arc<Switches>,
    /// The access log, unless it is off. No worker touches it: each has a producer.
    pub log: Mutex<Option<AccessLog>>,
    /// All counters.
    pub metrics: Arc<Metrics>,
    /// How the upstreams have been of late, by name.
    pub breakers: Mutex<BTreeMap<Box<str>, Arc<Breaker>>>,
    /// The observer that every request takes at its head; a server has none.
    pub observer: Option<Observer>,
}

impl SharedState {
    /// The access log's own end.
    pub fn log(&self) -> MutexGuard<'_, Option<AccessLog>> {
        lock(&self.log)
    }

    /// How the upstream of that name has been of late: the same value for all workers, and after a reload that left it where it
    /// was.
    fn breaker(&self, name: &str) -> Arc<Breaker> {
        let mut breakers = lock(&self.breakers);
        breakers.entry(name.into()).or_default().clone()
    }

    /// Forgets how those upstreams have been that do not stay.
    pub fn keep_breakers(&self, stays: impl Fn(&str) -> bool) {
        lock(&self.breakers).retain(|name, _| stays(name));
    }

    /// What the stores say now.
    pub fn readings(&self) -> Readings {
        let (limit, duplicates) = (self.limiter.counts(), self.idempotency.counts());
        Readings {
            buffer_bytes: self.body_budget.held(),
            buffer_limit: self.body_budget.limit(),
            limit_keys: limit.keys,
            limit_made: limit.created,
            limit_swept: limit.swept,
            limit_overflowed: limit.overflowed,
            duplicates_held: duplicates.held,
            duplicates_bytes: duplicates.bytes,
            duplicates: duplicates.outcomes(),
            access_log_dropped: self.log().as_ref().map_or(0, AccessLog::dropped),
            breakers: lock(&self.breakers)
                .iter()
                .map(|(name, breaker)| (name.clone(), position(breaker), breaker.opened()))
                .collect(),
            state: self.state.figures(),
        }
    }
}

/// A breaker's position as the metrics page shows it.
fn position(breaker: &Breaker) -> u64 {
    match breaker.state() {
        BreakerState::Closed => 0,
        BreakerState::Open => 1,
        BreakerState::HalfOpen => 2,
    }
}

/// Nothing that holds these locks can leave their value half changed.
fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a reload replaces, as one worker sees it. A request keeps the view it began with.
#[derive(Debug)]
pub struct ConfigSnapshot {
    /// Bots, upstreams and the server's own settings.
    pub registry: Arc<Registry>,
    /// This worker's connections, by the index of the upstream.
    pub pools: Vec<Rc<Pool>>,
    /// How the upstreams have been of late, by their index.
    pub breakers: Vec<Arc<Breaker>>,
    /// What it counts, by the index of the bot.
    pub bots: Vec<Arc<BotCells>>,
    /// What each bot is called where numbers are shown.
    labels: Vec<Arc<str>>,
}

/// One worker's own state. Never leaves its thread.
#[derive(Debug)]
pub struct Worker {
    /// What it shares with the others.
    pub shared: Arc<SharedState>,
    /// Its deadlines.
    pub timers: Rc<Timers>,
    /// The bucket keys it made.
    pub sweeper: RefCell<Sweeper>,
    /// Room for a copy of one body while it is parsed.
    pub scratch: RefCell<Vec<u8>>,
    /// What it counts.
    pub cells: Arc<WorkerCells>,
    /// Where its access log records go, if anywhere.
    pub log: Option<Producer>,
    notes: Notes,
    rooms: Rc<Buffers>,
    snapshot: RefCell<Rc<ConfigSnapshot>>,
    workers: usize,
    draining: Cell<bool>,
    busy: Rc<Cell<usize>>,
    next_id: Cell<u64>,
}

impl Worker {
    /// One of `workers` workers.
    pub fn new(
        shared: Arc<SharedState>,
        registry: Arc<Registry>,
        cells: Arc<WorkerCells>,
        log: Option<Producer>,
        workers: usize,
    ) -> Rc<Self> {
        let snapshot =
            RefCell::new(Rc::new(ConfigSnapshot::new(registry, &shared, &cells, workers, None)));
        let next_id = Cell::new(uuid::Uuid::new_v4().as_u64_pair().0);
        Rc::new(Self {
            shared,
            timers: Rc::default(),
            sweeper: RefCell::default(),
            scratch: RefCell::default(),
            cells,
            log,
            notes: Notes::default(),
            rooms: Rc::default(),
            snapshot,
            workers,
            draining: Cell::new(false),
            busy: Rc::default(),
            next_id,
        })
    }

    /// What is in force for a request that begins now.
    pub fn snapshot(&self) -> Rc<ConfigSnapshot> {
        self.snapshot.borrow().clone()
    }

    /// Puts a new registry in force. Pools to upstreams that stay as they were are kept.
    pub fn replace(&self, registry: Arc<Registry>) {
        let next = ConfigSnapshot::new(
            registry,
            &self.shared,
            &self.cells,
            self.workers,
            Some(&self.snapshot()),
        );
        self.snapshot.replace(Rc::new(next));
    }

    /// From now on every connection ends with the request it serves.
    pub fn drain(&self) {
        self.draining.set(true);
        self.timers.wake_all();
    }

    /// Whether [`Worker::drain`] was called.
    pub fn draining(&self) -> bool {
        self.draining.get()
    }

    /// Something that goes on when its connection has ended, and that a stop waits for.
    pub fn task_guard(&self) -> TaskGuard {
        self.busy.set(self.busy.get() + 1);
        TaskGuard(self.busy.clone())
    }

    /// Whether anything goes on without a connection.
    pub fn has_tasks(&self) -> bool {
        self.busy.get() > 0
    }

    /// Any number.
    pub fn random(&self) -> u64 {
        uuid::Uuid::new_v4().as_u64_pair().1
    }

    /// Bounded work that comes due with time: idle upstream connections, full buckets, old deliveries, deadlines.
    pub fn tick(&self, now: u64) {
        for pool in &self.snapshot().pools {
            pool.sweep(now);
        }
        self.shared.limiter.sweep(&mut self.sweeper.borrow_mut(), now);
        self.shared.idempotency.sweep(now);
        self.flush_analytics();
        self.shared.state.tick(clock::unix_ms());
        self.timers.sweep(now);
    }

    /// An empty buffer for a request to work in, given back when it is dropped.
    pub fn buffer(&self) -> Buffer {
        Buffer {
            bytes: self.rooms.0.borrow_mut().pop().unwrap_or_default(),
            rooms: self.rooms.clone(),
        }
    }

    /// A fresh id of 32 hexadecimal digits.
    pub fn long_id(&self) -> String {
        uuid::Uuid::new_v4().simple().to_string()
    }

    /// A fresh request id: 16 hexadecimal digits that do not repeat in this worker and hardly elsewhere.
    pub fn request_id(&self) -> HeaderValue {
        let count = self.next_id.get().wrapping_add(1);
        self.next_id.set(count);
        // The finaliser of splitmix64: a bijection, so distinct counts stay distinct.
        let mut mixed = (count ^ (count >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let mut text = [0; 16];
        let _ = hex::encode_to_slice(mixed.to_be_bytes(), &mut text);
        HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("0"))
    }
}

/// Work without a connection, counted until it is dropped.
#[derive(Debug)]
pub struct TaskGuard(Rc<Cell<usize>>);

impl Drop for TaskGuard {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// How many empty buffers a worker keeps.
const MAX_BUFFERS: usize = 64;
/// A larger buffer is not kept, in bytes.
const MAX_BUFFER: usize = 64 * 1024;

/// The empty buffers of a worker.
#[derive(Debug, Default)]
struct Buffers(RefCell<Vec<Vec<u8>>>);

/// A buffer that a request works in.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    rooms: Rc<Buffers>,
}

impl Deref for Buffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        let mut rooms = self.rooms.0.borrow_mut();
        if (1..=MAX_BUFFER).contains(&bytes.capacity()) && rooms.len() < MAX_BUFFERS {
            bytes.clear();
            rooms.push(bytes);
        }
    }
}

impl ConfigSnapshot {
    fn new(
        registry: Arc<Registry>,
        shared: &SharedState,
        cells: &WorkerCells,
        workers: usize,
        before: Option<&Self>,
    ) -> Self {
        let kept = |name: &str, target| {
            let before = before?;
            let index =
                before.registry.upstreams.iter().position(|upstream| &*upstream.name == name)?;
            before.pools.get(index).filter(|pool| pool.target() == target).cloned()
        };
        let pools = registry.upstreams.iter().map(|upstream| {
            kept(&upstream.name, &upstream.target).unwrap_or_else(|| {
                Pool::new(
                    upstream.target.clone(),
                    workers,
                    shared.metrics.upstream(cells, &upstream.name),
                )
            })
        });
        let pools = pools.collect();
        let breakers =
            registry.upstreams.iter().map(|upstream| shared.breaker(&upstream.name)).collect();
        let bots = registry.bots().iter();
        let labels: Vec<Arc<str>> = bots.map(|bot| bot.label().into()).collect();
        let bots = labels.iter().map(|label| shared.metrics.bot(cells, label)).collect();
        Self { registry, pools, breakers, bots, labels }
    }
}
