//! An HTTP client for the admin side of a running Botgate.

use super::request::connect;
use super::{Configuration, LogFormat, output};
use crate::config::{Admin, Settings};
use crate::secret::Secret;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::time::timeout;

/// The largest response, in bytes.
const MAX_RESPONSE: usize = 64 * 1024 * 1024;
/// From the connect to the end of the response.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// The Botgate that is asked.
#[derive(clap::Args)]
pub(super) struct Target {
    #[command(flatten)]
    configuration: Configuration,
    /// The admin side's URL [default: `listen` under `[admin]` of the configuration]
    #[arg(long)]
    url: Option<String>,
}

/// An admin listener and the token it wants.
#[derive(Debug)]
pub(super) struct AdminClient {
    url: Uri,
    token: Option<Secret>,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Bytes,
}

impl Target {
    /// A client for it, from the configuration; an error is printed.
    pub(super) fn client(self, format: Option<LogFormat>) -> Result<AdminClient, ExitCode> {
        let (settings, _) = self.configuration.load(format)?;
        let url = match self.url {
            Some(url) => Ok(url),
            None => url(&settings, |admin| admin.listen),
        };
        let token = settings.admin.and_then(|admin| admin.token);
        url.and_then(|url| AdminClient::new(&url, token)).map_err(|error| output::failed(&error))
    }
}

/// The URL of one of the configuration's admin listeners, as it is reached from this machine.
pub(super) fn url(
    settings: &Settings,
    listener: impl FnOnce(&Admin) -> SocketAddr,
) -> Result<String, String> {
    let admin = settings.admin.as_ref().ok_or(
        "the configuration has no [admin]: add it with the line listen = \"127.0.0.1:9901\", or write --url",
    )?;
    let mut address = listener(admin);
    if address.port() == 0 {
        return Err(
            "the admin side listens on a port that the system chose: write the URL from its log with --url"
                .to_owned(),
        );
    }
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    Ok(format!("http://{address}"))
}

impl AdminClient {
    /// At `http://host:port`.
    pub(super) fn new(url: &str, token: Option<Secret>) -> Result<Self, String> {
        let uri = url.parse::<Uri>().ok();
        let uri = uri.filter(|uri| uri.scheme_str() == Some("http") && uri.authority().is_some());
        let url = uri.ok_or_else(|| {
            format!("{url:?} is not the URL of an admin side; write it like http://127.0.0.1:9901")
        })?;
        Ok(Self { url, token })
    }

    /// The path that the URL names; a slash where it names none.
    pub(super) fn path(&self) -> &str {
        self.url.path()
    }

    pub(super) fn send(&self, method: Method, target: &str) -> Result<Answer, String> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let exchange = async { timeout(REQUEST_TIMEOUT, self.exchange(method, target)).await };
        let response =
            runtime.block_on(exchange).unwrap_or_else(|_| Err("no answer in time".to_owned()));
        let authority = self.url.authority().map_or("", |authority| authority.as_str());
        response.map_err(|error| format!("the admin side at {authority}: {error}"))
    }

    async fn exchange(&self, method: Method, target: &str) -> Result<Answer, String> {
        let host = self.url.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let mut sender =
            connect((host, self.url.port_u16().unwrap_or(80))).await.map_err(|error| {
                format!("{error}; is Botgate running, with this [admin] in its configuration?")
            })?;
        let authority = self.url.authority().map_or("", |authority| authority.as_str());
        let mut request =
            Request::builder().method(method).uri(target).header(header::HOST, authority);
        if let Some(token) = &self.token {
            let value = [b"Bearer ", token.expose()].concat();
            let value = HeaderValue::from_bytes(&value)
                .map_err(|_| "the token cannot stand in a header".to_owned())?;
            request = request.header(header::AUTHORIZATION, value);
        }
        let request = request.body(Full::default());
        let request = request.map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await;
        let (head, body) = response.map_err(|error| error.to_string())?.into_parts();
        let body = Limited::new(body, MAX_RESPONSE).collect().await;
        let body = body.map_err(|error| format!("the answer broke off: {error}"))?;
        Ok(Answer { status: head.status.as_u16(), body: body.to_bytes() })
    }
}
