//! How an exchange fails: why, how far it had come, what may follow, and whether the upstream is to blame.

use super::tls;
use crate::net::address_policy;
use std::io;

/// Which deadline passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// [`super::Timeouts::connect`].
    Connect,
    /// [`super::Timeouts::first_byte`].
    FirstByte,
    /// [`super::Timeouts::idle`].
    Idle,
    /// [`super::Timeouts::total`].
    Total,
    /// What was left of the total when the exchange began, because others had taken a good part of it: no fault of this upstream's.
    Remaining,
}

impl Deadline {
    /// The setting's name: the word in errors, logs and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::FirstByte => "first_byte",
            Self::Idle => "idle",
            Self::Total | Self::Remaining => "total",
        }
    }
}

/// How much of the request the upstream may have seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Not a byte: it may be sent again without harm.
    Unsent,
    /// Some of it.
    Partial,
    /// All of it: the upstream may have acted.
    Sent,
}

impl Sent {
    /// The word in errors, logs and the `Botgate-Upstream` header.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unsent => "unsent",
            Self::Partial => "partial",
            Self::Sent => "sent",
        }
    }
}

/// Why an exchange failed.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// A deadline passed.
    #[error("the {} deadline passed", .0.word())]
    Deadline(Deadline),
    /// All connections are in use and too many requests wait for one already.
    #[error("no free connection")]
    Busy,
    /// The name could not be resolved or nobody listens there.
    #[error("cannot connect: {0}")]
    Connect(#[source] io::Error),
    /// It leads to an address that may not be dialled, and none was.
    #[error("{0}")]
    AddressRefused(#[from] Box<address_policy::AddressRefused>),
    /// Somebody listens there, but the TLS handshake failed.
    #[error("{0}")]
    Tls(#[from] tls::HandshakeError),
    /// The connection broke.
    #[error("the exchange broke: {0}")]
    Broken(#[source] io::Error),
    /// The connection ended without a word.
    #[error("the connection was closed before the response")]
    Closed,
    /// The response cannot be relied on.
    #[error("the response makes no sense: {0}")]
    Invalid(&'static str),
}

impl Cause {
    /// The word for logs and metrics, from a closed list.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Deadline(deadline) => deadline.word(),
            Self::Busy => "queue",
            Self::Connect(_) => "unreachable",
            Self::AddressRefused(_) => "address_refused",
            Self::Tls(refusal) => refusal.word(),
            Self::Broken(_) | Self::Closed => "broken",
            Self::Invalid(_) => "senseless",
        }
    }
}

/// Every word of [`Cause::word`].
pub const ERROR_WORDS: [&str; 13] = [
    "connect",
    "first_byte",
    "idle",
    "total",
    "queue",
    "unreachable",
    "address_refused",
    "tls_name",
    "tls_expired",
    "tls_issuer",
    "tls",
    "broken",
    "senseless",
];

/// A failed exchange: why, and how far it had come.
#[derive(Debug, thiserror::Error)]
#[error("{cause} ({})", .sent.word())]
pub struct UpstreamError {
    /// Why.
    pub cause: Cause,
    /// What the upstream may have seen.
    pub sent: Sent,
}

/// What may follow a failed exchange without the risk of a second effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Nothing: the upstream may have acted, or no time is left.
    Never,
    /// The request may go to another upstream; the same one would fail the same way.
    Elsewhere,
    /// It may go to any upstream, this one too.
    Anywhere,
}

impl UpstreamError {
    /// The upstream was given up on while it may have been at work: nobody knows what that costs.
    pub fn timed_out_after_send(&self) -> bool {
        self.sent != Sent::Unsent && matches!(self.cause, Cause::Deadline(_))
    }

    /// What may follow. Only a request of which not a byte went out may ever be sent again.
    pub fn retry(&self) -> Retry {
        match (self.sent, &self.cause) {
            (Sent::Partial | Sent::Sent, _)
            | (_, Cause::Deadline(Deadline::Total | Deadline::Remaining)) => Retry::Never,
            (
                _,
                Cause::Deadline(_)
                | Cause::Busy
                | Cause::AddressRefused(_)
                | Cause::Tls(_)
                | Cause::Invalid(_),
            ) => Retry::Elsewhere,
            (_, Cause::Connect(_) | Cause::Broken(_) | Cause::Closed) => Retry::Anywhere,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_saw_may_be_sent_again() {
        let io = || io::Error::from(io::ErrorKind::ConnectionRefused);
        for (cause, again) in [
            (Cause::Connect(io()), Retry::Anywhere),
            (Cause::Broken(io()), Retry::Anywhere),
            (Cause::Closed, Retry::Anywhere),
            (Cause::Busy, Retry::Elsewhere),
            (Box::new(address_policy::AddressRefused::example()).into(), Retry::Elsewhere),
            (Cause::Deadline(Deadline::Connect), Retry::Elsewhere),
            (tls::HandshakeError::from(io()).into(), Retry::Elsewhere),
            (Cause::Deadline(Deadline::Total), Retry::Never),
            (Cause::Deadline(Deadline::Remaining), Retry::Never),
        ] {
            let sent = Sent::Unsent;
            let mut error = UpstreamError { cause, sent };
            assert!(ERROR_WORDS.contains(&error.cause.word()), "{error}");
            assert_eq!(error.retry(), again, "{error}");
            for sent in [Sent::Partial, Sent::Sent] {
                error.sent = sent;
                assert_eq!(error.retry(), Retry::Never, "{error}");
            }
        }
    }
}
