//! What is noted of a request: a record of fixed size, so that handing it over allocates nothing.

use std::net::IpAddr;
use std::sync::Arc;

/// Up to `N` bytes of a text, the rest cut off.
#[derive(Clone, Copy, Debug)]
pub struct TruncatedText<const N: usize> {
    bytes: [u8; N],
    length: u8,
    cut: bool,
}

impl<const N: usize> TruncatedText<N> {
    const FITS: () = assert!(N <= u8::MAX as usize);

    /// The first `N` bytes of `text`, whatever they are: they are escaped when they are written.
    pub fn new(text: &[u8]) -> Self {
        let () = Self::FITS;
        let length = text.len().min(N);
        let mut bytes = [0; N];
        bytes[..length].copy_from_slice(&text[..length]);
        Self { bytes, length: length as u8, cut: text.len() > N }
    }

    /// What is left of it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// Whether some was cut off.
    pub fn is_truncated(&self) -> bool {
        self.cut
    }
}

impl<const N: usize> Default for TruncatedText<N> {
    fn default() -> Self {
        Self::new(b"")
    }
}

/// One request, as the log shows it. Empty words are left out.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// When its answer ended: Unix time in milliseconds.
    pub at_ms: u64,
    /// The request's id.
    pub id: TruncatedText<36>,
    /// Its method.
    pub method: TruncatedText<8>,
    /// Its path. Never its query, which may hold a token: what follows a `?` is not written.
    pub path: TruncatedText<96>,
    /// The caller's address.
    pub peer: Option<IpAddr>,
    /// The bot it was for, if one was found. Best an `Arc` of the worker's own, so that no other worker counts on it.
    pub bot: Option<Arc<str>>,
    /// The answer's status.
    pub status: u16,
    /// Why it was refused.
    pub reason: &'static str,
    /// Why its signature was not right. Nobody but the log learns this.
    pub signature_error: &'static str,
    /// What went wrong upstream: the deadline that passed, or what broke.
    pub upstream_error: &'static str,
    /// How much of it the upstream may have seen: `unsent`, `partial`, `sent`.
    pub sent: &'static str,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// From the head to the end of the answer, in nanoseconds.
    pub duration_ns: u64,
}
