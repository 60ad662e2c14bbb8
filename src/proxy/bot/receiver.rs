//! A receiver of callbacks and events: what it is sent, how that is signed, and when it is sent again.
//!
//! Pure: the moment and the randomness are given, and whoever sends keeps the connection, the queue and the journal.

mod backoff;

pub use backoff::{Next, Outcome, Schedule, Why};

use crate::net::client::tls::Trust;
use crate::net::client::{Frames, Outgoing, Target};
use crate::secret::Secret;
use crate::signature::{Scheme, SignError, UnixTime, Verifier};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderMap;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Sockets to one receiver: the most deliveries that are in flight to it.
pub const MAX_CONNECTIONS: usize = 64;

/// Where answers or events go, resolved from its settings.
#[derive(Clone, Debug)]
pub struct Receiver {
    /// Its place in the configuration: `bots.ID.callback`, `subscribers.NAME`.
    pub name: Arc<str>,
    /// Where it is; one budget holds for the whole of an attempt.
    pub target: Target,
    /// Whom TLS to it trusts; `None`: it is plain. The target's own `tls` is made of this at the start.
    pub tls: Option<Trust>,
    /// When it is tried again.
    pub schedule: Schedule,
    /// The request's head up to what differs from attempt to attempt: it may hold tokens.
    pub head: Secret,
    /// What proves Botgate to it, where that is the bot's own secret.
    pub shared: Option<Shared>,
    /// How its requests are signed; `None`: they are not.
    pub sign: Option<Arc<Scheme>>,
}

/// The secret that a bot's callers show, shown to its receiver in turn, as AI Butler does.
#[derive(Clone, Debug)]
pub struct Shared {
    /// As `Basic` with this user; `None`: as `Bearer`.
    pub user: Option<String>,
    /// Who holds the secret.
    pub verifier: Arc<Verifier>,
}

/// One attempt to deliver.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// The bot's id.
    pub bot: &'a str,
    /// The delivery's id, the same for all its attempts: letters, digits, `_` and `-`.
    pub id: &'a str,
    /// The moment of this attempt.
    pub now: UnixTime,
    /// The body, JSON.
    pub body: &'a Bytes,
}

impl Receiver {
    /// The request of an attempt. `spare` is an emptied map for the response to use.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn request(&self, attempt: &Attempt<'_>, spare: HeaderMap) -> Result<Outgoing, SignError> {
        let mut written = Ok(());
        let request = Outgoing::new(false, Frames::default(), spare, |_, out| {
            written = self.write(attempt, out);
        });
        written.map(|()| request)
    }

    /// Appends the request of an attempt, head and body: with the delivery's own id, and a fresh time and signature.
    ///
    /// # Errors
    /// A scheme that cannot sign; no configuration has one.
    pub fn write(&self, attempt: &Attempt<'_>, out: &mut Vec<u8>) -> Result<(), SignError> {
        let signed = match &self.sign {
            Some(scheme) => scheme.sign_with_all(attempt.id, attempt.now, attempt.body)?,
            None => Vec::new(),
        };
        out.extend_from_slice(self.head.expose());
        let mut field = |name: &str, value: &[u8]| {
            for part in [b"\r\n", name.as_bytes(), b": ", value] {
                out.extend_from_slice(part);
            }
        };
        // Where the id is signed, it comes with the signature.
        if !self.sign.as_ref().is_some_and(|scheme| scheme.signs_id()) {
            field("webhook-id", attempt.id.as_bytes());
            field("x-webhook-timestamp", attempt.now.iso().as_bytes());
        }
        for (name, value) in &signed {
            field(name.as_str(), value.as_bytes());
        }
        if let Some((word, secret)) = self.shared.as_ref().and_then(|own| own.of(attempt.bot)) {
            let value = [word.as_bytes(), b" ", secret.expose()].concat();
            field("authorization", &value);
        }
        let length = itoa::Buffer::new().format(attempt.body.len()).to_owned();
        field("content-length", length.as_bytes());
        out.extend_from_slice(b"\r\n\r\n");
        out.extend_from_slice(attempt.body);
        Ok(())
    }
}

impl Shared {
    /// The scheme's word and what follows it, for the bot with this id.
    fn of(&self, bot: &str) -> Option<(&'static str, Secret)> {
        let mut schemes = self.verifier.schemes().iter();
        let token = schemes.find_map(|scheme| scheme.token(bot))?;
        Some(match &self.user {
            None => ("Bearer", token),
            Some(user) => ("Basic", basic(user, token.expose())),
        })
    }
}

/// What follows the word `Basic` (RFC 7617).
pub fn basic(user: &str, password: &[u8]) -> Secret {
    let pair = Zeroizing::new([user.as_bytes(), b":", password].concat());
    Secret::new(&Zeroizing::new(STANDARD.encode(&pair)))
}
