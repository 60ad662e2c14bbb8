//! What the tests stand on: the real `botgate` started on port 0, a scripted backend, a raw caller.
//!
//! Nothing here sleeps: everything waits for a condition under a deadline and fails with what it saw instead.

pub(crate) mod ai;
pub(crate) mod backend;
pub(crate) mod botgate;
pub(crate) mod bytes;
pub(crate) mod caller;
pub(crate) mod clock;
pub(crate) mod command;
pub(crate) mod dns;
pub(crate) mod machine;
pub(crate) mod monitor;
pub(crate) mod peer;
pub(crate) mod sandbox;
pub(crate) mod small_disk;
pub(crate) mod tls;

pub(crate) use backend::{After, Backend};
pub(crate) use botgate::Botgate;
pub(crate) use caller::Caller;
pub(crate) use monitor::Monitor;

use ring::hmac;
use std::{net::SocketAddr, time::Duration};

/// How long anything that should happen at once may take on a busy machine: it only keeps a test from hanging.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// A configuration with one raw bot, `hook`, at `/hook` in front of `backend`. The three texts go into the tables `[server]`,
/// `[upstreams.back]` and `[bots.hook]`; whole further tables may follow in the last one.
pub(crate) fn config(backend: SocketAddr, server: &str, upstream: &str, bot: &str) -> String {
    format!(
        "[server]\nhttp = [\"127.0.0.1:0\"]\nworkers = 2\n{server}\n\n[admin]\nlisten = \"127.0.0.1:0\"\n\n\
         [upstreams.back]\nkind = \"passthrough\"\nurl = \"http://{backend}\"\n{upstream}\n\n\
         [bots.hook]\ndialect = \"raw\"\npath = \"/hook\"\nupstream = \"back\"\n{bot}\n"
    )
}

/// The `verify` line of a bot that anyone may call.
pub(crate) const OPEN: &str = "verify = { preset = \"none\" }";

/// The `verify` line of a bot whose bearer token is `right`.
pub(crate) const BEARER: &str = "verify = { preset = \"bearer\", secrets = [\"right\"] }";

/// The `verify` line of a bot that signs with [`sign`].
pub(crate) const HMAC: &str = "verify = { preset = \"hmac\", secrets = [\"hook secret\"] }";

/// The value of `X-Webhook-Signature` for a body, under the secret of [`HMAC`].
pub(crate) fn sign(body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"hook secret");
    format!("sha256={}", hex::encode(hmac::sign(&key, body)))
}

/// A POST to `/hook` with a Content-Length, the given further header lines (each ended by CRLF) and a body.
pub(crate) fn post(headers: &str, body: &[u8]) -> Vec<u8> {
    let mut text = format!(
        "POST /hook HTTP/1.1\r\nHost: bots.example\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    )
    .into_bytes();
    text.extend_from_slice(body);
    text
}

/// A GET with the given target and further header lines.
pub(crate) fn get(target: &str, headers: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: bots.example\r\n{headers}\r\n").into_bytes()
}
