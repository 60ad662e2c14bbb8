//! `[bots.ID.callback]`, and what `[[subscribers]]` has in common with it: where it is and how it is spoken to.

mod auth;
mod headers;
mod sign;

use super::parse::{self, ValueError};
use super::reader::Reading;
use super::schema_types::shown;
use super::upstream::AGENT;
use super::{raw, server, transport_security, url};
use crate::net::address_policy::AddressPolicy;
use crate::net::client::tls::Trust;
use crate::net::client::{Target, Timeouts};
use crate::proxy::bot::receiver::{self, Receiver, Schedule};
use crate::secret::Secret;
use crate::signature::Verifier;
use auth::Auth;
use http::header::{AUTHORIZATION, USER_AGENT};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// How long one attempt may take unless the file says otherwise (seed 002).
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest that it may be given: the place of a receiver that never answers is taken for as long.
const MAX_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// How long after each failed attempt the next one follows unless the file says otherwise (seed 002).
const RETRIES: [Duration; 3] =
    [Duration::from_secs(30), Duration::from_secs(120), Duration::from_secs(600)];

/// The secret that a receiver may be shown because the bot's callers show it.
pub(crate) enum Own {
    /// This dialect knows of no such thing.
    Unknown,
    /// The password of this user, but callers prove themselves by another scheme.
    Hidden(&'static str),
    /// The password of this user; no verifier where it could not be read.
    Shown(&'static str, Option<Arc<Verifier>>),
}

/// Reads the table at `at`. `secret` is a subscriber's short word for a signature. Nothing when the URL is missing or wrong,
/// which is noted.
pub(crate) fn callback(
    reading: &mut Reading<'_>,
    at: &str,
    written: &raw::Callback,
    secret: Option<&str>,
    own: &Own,
) -> Option<Receiver> {
    let url_at = format!("{at}.url");
    if written.url.as_deref().is_some_and(url::may_hold_secret) {
        reading.blot(&url_at);
    }
    let headers = headers::headers(reading, at, written.headers.as_ref());
    let has_field =
        headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(AUTHORIZATION.as_str()));
    let auth = auth::auth(reading, at, written.auth.as_ref(), own, has_field);
    let sign = sign::sign(reading, at, written.sign.as_ref(), secret);
    let open = sign.is_none() && matches!(auth, Some(Auth::None)) && !has_field;
    let meant = written.sign.is_some() || secret.is_some();
    if open && !meant && reading.is_sound(at) {
        reading.warning(
            at,
            format!("`{}` is neither signed nor authorised: its receiver cannot tell who has sent it", shown(at)),
            "add sign = { scheme = \"hmac\", secret = \"${env:CALLBACK_SECRET}\" }, or scheme = \"none\" if you mean it",
        );
    }
    let timeout = reading.value(&format!("{at}.timeout"), written.timeout.as_deref(), |text| {
        match parse::duration(text)? {
            long if long > MAX_TIMEOUT => {
                Err(ValueError::new("too long for one attempt", "write at most \"5m\""))
            }
            timeout => Ok(timeout),
        }
    });
    let retries = written.retries.as_deref().map(|steps| {
        let path = format!("{at}.retries");
        reading.values(&path, steps, parse::duration)
    });
    let networks = written.allow.as_deref().unwrap_or_default();
    let allow = reading.values(&format!("{at}.allow"), networks, server::network);
    let ca = transport_security::ca(reading, at, written.ca.as_deref());
    let place = reading.value(&url_at, written.url.as_deref(), |text| url::backend(text, true))?;
    let has_ca = written.ca.is_some();
    transport_security::check(reading, at, written.allow_http, has_ca, &place);
    unlisted(reading, at, &place.host, &allow);
    let mut head = Zeroizing::new(format!(
        "POST {} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json",
        place.whole_path(),
        place.authority,
    ));
    if !headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(USER_AGENT.as_str())) {
        head.push_str(&format!("\r\nuser-agent: {AGENT}"));
    }
    for (name, value) in &headers {
        head.push_str(&format!("\r\n{name}: {}", String::from_utf8_lossy(value.expose())));
    }
    let shared = match auth? {
        Auth::None => None,
        Auth::Own(value) => {
            let value = String::from_utf8_lossy(value.expose());
            head.push_str(&format!("\r\nauthorization: {value}"));
            None
        }
        Auth::Shared(shared) => Some(shared),
    };
    let timeout = timeout.unwrap_or(DEFAULT_TIMEOUT);
    Some(Receiver {
        name: at.into(),
        target: Target {
            host: place.host,
            port: place.port,
            tls: None,
            address_policy: Some(AddressPolicy::new(allow)),
            max_connections: receiver::MAX_CONNECTIONS,
            timeouts: Timeouts {
                connect: timeout,
                first_byte: timeout,
                idle: timeout,
                total: timeout,
            },
        },
        tls: place.tls.then_some(Trust { ca }),
        schedule: Schedule::new(retries.unwrap_or_else(|| RETRIES.to_vec())),
        head: Secret::new(&head),
        shared,
        sign,
    })
}

/// Warns where every delivery would be refused: the address stands in the URL, is not public, and `allow` does not list it.
fn unlisted(reading: &mut Reading<'_>, at: &str, host: &str, allow: &[IpNet]) {
    let address = match host.parse() {
        Ok(address) => address,
        Err(_) if host.eq_ignore_ascii_case("localhost") => IpAddr::from(Ipv4Addr::LOCALHOST),
        Err(_) => return,
    };
    let guard = AddressPolicy::new(allow.to_vec());
    if reading.is_sound(at) && guard.check(host, [address]).is_err() {
        let url = format!("{at}.url");
        reading.warning(
            &url,
            format!(
                "`{}` is not public, and `allow` does not list it: nothing will be delivered there",
                shown(&url)
            ),
            format!("add allow = [\"{address}\"] to the table if it is meant"),
        );
    }
}
