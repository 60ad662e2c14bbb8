//! Kept-alive connections to one upstream, of one worker: last in, first out.

#[cfg(test)]
mod tests;

use super::error::{Cause, Deadline};
use super::permits::{ConnectionPermit, Permits, TurnPass};
use super::response::PartialHead;
use super::stream::Stream;
use super::timing::{ConnectTiming, PhaseTimer};
use super::{Deadlines, Target};
use crate::clock;
use crate::net::timers::Timer;
use crate::telemetry::metrics::UpstreamCells;
use crate::telemetry::observer::{self, Observer, Step};
use smallvec::SmallVec;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::ReadBuf;
use tokio::net::{TcpStream, lookup_host};

/// How long a connection may lie idle: below the 5 s after which Node closes, so that reuse does not race its FIN.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// How long a guard's word on an address holds. After that its connection takes no further request, so that the name is looked up
/// and checked anew; the system's resolver does not tell how long its answers hold.
const MAX_ADDRESS_AGE: Duration = Duration::from_secs(60);

/// How often at the most a handshake that fails, or an address that is refused, is told in full, per pool: the access log has a word for each request.
const WARN_INTERVAL: Duration = Duration::from_secs(60);

/// The connections of one worker to one upstream.
#[derive(Debug)]
pub struct Pool {
    pub(super) target: Target,
    idle: RefCell<Vec<UpstreamConnection>>,
    /// Apart from the pool, so that what lies idle in it does not keep it alive.
    permits: Rc<Permits<UpstreamConnection>>,
    /// When a failed handshake may be logged again, in nanoseconds of [`clock::now`].
    next_warning: Cell<u64>,
}

impl Pool {
    /// An empty pool, for one of `workers` workers: each may have its share of the target's connections.
    pub fn new(target: Target, workers: usize, cells: Arc<UpstreamCells>) -> Rc<Self> {
        let cap = target.max_connections.div_ceil(workers.max(1)).max(1);
        Rc::new(Self {
            target,
            idle: RefCell::default(),
            permits: Permits::new(cap, cells),
            next_warning: Cell::new(0),
        })
    }

    /// Where it leads.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// What it counts.
    pub fn cells(&self) -> &UpstreamCells {
        self.permits.cells()
    }

    /// Closes what has lain idle too long.
    pub fn sweep(&self, now: u64) {
        let old = clock::nanos(IDLE_TIMEOUT);
        let keep_from =
            self.idle.borrow().partition_point(|up| now.saturating_sub(up.idle_since) > old);
        let closed: Vec<UpstreamConnection> = self.idle.borrow_mut().drain(..keep_from).collect();
        closed.into_iter().for_each(UpstreamConnection::close);
    }

    /// A connection that is ready for a request: the youngest idle one that is still alive, or a new one.
    pub(super) async fn checkout(
        &self,
        timer: &Timer,
        schedule: &Deadlines,
        opening: Option<&ConnectTiming>,
        observer: Option<&Observer>,
    ) -> Result<UpstreamConnection, Cause> {
        if let Some(up) = poll_fn(|cx| Poll::Ready(self.reuse(cx))).await {
            return Ok(up);
        }
        schedule.arm(timer, schedule.timeouts.connect);
        let seat = match self.permits.take() {
            Some(seat) => seat,
            None => match Box::pin(self.wait(timer, schedule)).await? {
                Ok(up) => return Ok(up),
                Err(seat) => seat,
            },
        };
        Box::pin(self.connect(seat, timer, schedule, opening, observer)).await
    }

    fn reuse(&self, cx: &mut Context<'_>) -> Option<UpstreamConnection> {
        loop {
            // Taken out before it is looked at: dropping a dead one must find the pool unborrowed.
            let up = self.idle.borrow_mut().pop()?;
            if let Ok(up) = self.revalidate(up, cx) {
                return Some(up);
            }
        }
    }

    /// A connection for its next request; only its permit if the connection is dead.
    fn revalidate(
        &self,
        mut up: UpstreamConnection,
        cx: &mut Context<'_>,
    ) -> Result<UpstreamConnection, ConnectionPermit<UpstreamConnection>> {
        if self.target.address_policy.is_some()
            && clock::coarse().saturating_sub(up.dialled) > clock::nanos(MAX_ADDRESS_AGE)
        {
            up.stream.send_close_notify();
            return Err(up.seat);
        }
        if !up.is_quiet(cx) {
            return Err(up.seat);
        }
        up.reused = true;
        self.cells().reused.increment();
        Ok(up)
    }

    pub(super) fn check_in(&self, mut up: UpstreamConnection) {
        up.idle_since = clock::coarse();
        if let Some(up) = self.permits.offer(up) {
            self.idle.borrow_mut().push(up);
        }
    }

    /// Waits for a connection that is ready for a request, or for the right to open one.
    async fn wait(
        &self,
        timer: &Timer,
        schedule: &Deadlines,
    ) -> Result<Result<UpstreamConnection, ConnectionPermit<UpstreamConnection>>, Cause> {
        let mut waiting = self.permits.queue().ok_or(Cause::Busy)?;
        poll_fn(|cx| match waiting.poll(cx) {
            Poll::Ready(TurnPass::Reuse(up)) => Poll::Ready(Ok(self.revalidate(up, cx))),
            Poll::Ready(TurnPass::Dial(seat)) => Poll::Ready(Ok(Err(seat))),
            Poll::Pending => timer.poll(cx).map(|()| match schedule.passed(Deadline::Connect) {
                Cause::Deadline(Deadline::Connect) => Err(Cause::Busy),
                other => Err(other),
            }),
        })
        .await
    }

    async fn connect(
        &self,
        seat: ConnectionPermit<UpstreamConnection>,
        timer: &Timer,
        schedule: &Deadlines,
        opening: Option<&ConnectTiming>,
        observer: Option<&Observer>,
    ) -> Result<UpstreamConnection, Cause> {
        let dialled = clock::coarse();
        let mut dial = pin!(self.dial(opening, observer));
        let stream = poll_fn(|cx| match dial.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => timer.poll(cx).map(|()| Err(schedule.passed(Deadline::Connect))),
        })
        .await
        .inspect_err(|cause| self.warn(cause))?;
        self.cells().opened.increment();
        Ok(UpstreamConnection {
            stream,
            partial_head: PartialHead::default(),
            dialled,
            idle_since: 0,
            reused: false,
            seat,
        })
    }
}

impl Pool {
    async fn dial(
        &self,
        opening: Option<&ConnectTiming>,
        observer: Option<&Observer>,
    ) -> Result<Stream, Cause> {
        let lap = PhaseTimer::of(opening.map(|it| &it.resolve));
        let found = lookup_host((self.target.host.as_str(), self.target.port)).await;
        drop(lap);
        let addresses: SmallVec<[SocketAddr; 4]> = found.map_err(Cause::Connect)?.collect();
        observer::record(observer, || Step::Resolved(addresses.to_vec()));
        self.connect_to(&addresses, opening, observer).await
    }

    /// A connection to one of these addresses and to no other, once all of them have passed the guard.
    async fn connect_to(
        &self,
        addresses: &[SocketAddr],
        opening: Option<&ConnectTiming>,
        observer: Option<&Observer>,
    ) -> Result<Stream, Cause> {
        let target = &self.target;
        if let Some(guard) = &target.address_policy {
            let checked = guard.check(&target.host, addresses.iter().map(SocketAddr::ip));
            checked.map_err(Box::new)?;
        }
        let lap = PhaseTimer::of(opening.map(|it| &it.connect));
        let dialled = TcpStream::connect(addresses).await;
        drop(lap);
        let socket = dialled.map_err(Cause::Connect)?;
        socket.set_nodelay(true).map_err(Cause::Connect)?;
        observer::record(observer, || Step::Connected(socket.peer_addr().ok()));
        let Some(tls) = &target.tls else {
            return Ok(Stream::Plain(socket));
        };
        let lap = PhaseTimer::of(opening.map(|it| &it.tls));
        let stream = tls.handshake(socket).await?;
        drop(lap);
        observer::record(observer, || Step::TlsEstablished);
        Ok(Stream::Tls(Box::new(stream)))
    }

    /// Logs what is wrong with the upstream's certificate or address, or whatever the handshake failed at.
    fn warn(&self, cause: &Cause) {
        let what = match cause {
            Cause::Tls(_) => "no TLS with an upstream",
            Cause::AddressRefused(_) => "an address is not dialled",
            _ => return,
        };
        let now = clock::coarse();
        if now >= self.next_warning.get() {
            self.next_warning.set(now.saturating_add(clock::nanos(WARN_INTERVAL)));
            let (host, port) = (&self.target.host, self.target.port);
            tracing::warn!(host, port, "{what}: {cause}");
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.idle.take().into_iter().for_each(UpstreamConnection::close);
    }
}

/// One connection.
#[derive(Debug)]
pub(super) struct UpstreamConnection {
    pub(super) stream: Stream,
    /// What has been read of a head that is not whole yet. Empty between requests.
    pub(super) partial_head: PartialHead,
    /// When its address was looked up, in nanoseconds of [`clock::now`].
    dialled: u64,
    /// Since when it lies idle, on the same clock.
    idle_since: u64,
    pub(super) reused: bool,
    seat: ConnectionPermit<UpstreamConnection>,
}

impl UpstreamConnection {
    /// Ends a connection on which nothing is under way.
    pub(super) fn close(mut self) {
        self.stream.send_close_notify();
    }

    /// Whether nothing has come on it idle_since the last response: neither a close nor a byte that nobody asked for.
    fn is_quiet(&mut self, cx: &mut Context<'_>) -> bool {
        let mut byte = [0];
        let mut buf = ReadBuf::new(&mut byte);
        tokio::io::AsyncRead::poll_read(std::pin::Pin::new(&mut self.stream), cx, &mut buf)
            .is_pending()
    }
}
