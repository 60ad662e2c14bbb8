//! A request: signed, shown as a curl line, sent.

use crate::signature::{SignError, UnixTime, UnsignedRequest, Verifier};
use crate::telemetry::observer::{Observer, Step};
use bytes::Bytes;
use http::{Method, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::{TcpStream, ToSocketAddrs};

/// The largest response, in bytes.
const MAX_RESPONSE: usize = 1024 * 1024;

/// The `Content-Type` of a streaming response.
const EVENT_STREAM: &str = "text/event-stream";

#[derive(Clone, Debug)]
pub(super) struct Request {
    method: Method,
    url: Uri,
    pub(super) headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// The file that the body was read from, unless signing has changed it.
    file: Option<String>,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: String,
    pub(super) body: String,
    pub(super) took: Duration,
}

impl Request {
    pub(super) fn new(
        method: &str,
        url: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<Self, String> {
        let fault = |what: &dyn std::fmt::Display| format!("{url} is no URL to send to: {what}");
        let method = method.parse().map_err(|error| fault(&error))?;
        let uri: Uri = url.parse().map_err(|error| fault(&error))?;
        if uri.authority().is_none() {
            return Err(fault(&"write it whole, as in http://127.0.0.1:8080/hook"));
        }
        let headers = vec![(header::CONTENT_TYPE.to_string(), content_type.to_owned())];
        Ok(Self { method, url: uri, headers, body, file: None })
    }

    /// Names the file that holds its body.
    pub(super) fn with_file(mut self, file: Option<&str>) -> Self {
        self.file = file.map(str::to_owned);
        self
    }

    /// Signed by all schemes of the bot with this id.
    pub(super) fn signed(
        mut self,
        verifier: &Verifier,
        now: UnixTime,
        bot: &str,
    ) -> Result<Self, SignError> {
        for scheme in verifier.schemes() {
            let content_type = self.headers.first().map(|(_, value)| value.as_str());
            let signed = scheme.sign(
                &UnsignedRequest {
                    method: &self.method,
                    path: self.url.path(),
                    query: self.url.query(),
                    content_type,
                    body: &self.body,
                },
                now,
                bot,
            )?;
            if let Some(body) = signed.body {
                self.body = body;
                self.file = None;
            }
            if let Some(query) = signed.query
                && let Ok(url) = with_query(&self.url, &query)
            {
                self.url = url;
            }
            self.headers
                .extend(signed.headers.into_iter().map(|(name, value)| (name.to_string(), value)));
        }
        Ok(self)
    }

    /// A line without secrets: method, path, length and the names of the header fields that sign it.
    pub(super) fn outline(&self) -> String {
        let (path, length) = (self.url.path(), self.body.len());
        let proofs: Vec<_> = self.headers.iter().skip(1).map(|(name, _)| &**name).collect();
        let proofs = match proofs.as_slice() {
            [] => String::new(),
            names => format!(", with {}", names.join(", ")),
        };
        format!("{} {path}, {length} bytes{proofs}", self.method)
    }

    /// The curl command that sends it, quoted for a POSIX shell.
    pub(super) fn curl(&self) -> String {
        let mut line = format!("curl -i -X {} {}", self.method, quoted(&self.url.to_string()));
        for (name, value) in &self.headers {
            let _ = write!(line, " -H {}", quoted(&format!("{name}: {value}")));
        }
        if !self.body.is_empty() {
            let _ = match (&self.file, std::str::from_utf8(&self.body)) {
                (None, Ok(text)) => write!(line, " --data-raw {}", quoted(text)),
                (Some(file), _) => {
                    write!(line, " --data-binary {}", quoted(&format!("@{file}")))
                }
                (None, Err(_)) => write!(line, " --data-binary @FILE"),
            };
        }
        line
    }

    /// Sends it over a connection of its own; `limit` bounds the whole exchange. The observer gets the first frame of a stream.
    pub(super) async fn send(
        &self,
        to: SocketAddr,
        limit: Duration,
        observer: Option<&Observer>,
    ) -> Result<Answer, String> {
        let exchange = async {
            let start = Instant::now();
            let mut sender = connect(to).await?;
            let target = self.url.path_and_query().map_or("/", |target| target.as_str());
            let mut request = http::Request::builder().method(&self.method).uri(target);
            request = request.header(header::HOST, to.to_string());
            for (name, value) in &self.headers {
                request = request.header(name, value);
            }
            let body = Full::new(Bytes::from(self.body.clone()));
            let request = request.body(body).map_err(|error| error.to_string())?;
            let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
            let (head, body) = response.into_parts();
            let status = head.status.as_u16();
            let content_type = head.headers.get(header::CONTENT_TYPE);
            let content_type =
                content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
            let mut observer = observer.filter(|_| content_type.starts_with(EVENT_STREAM));
            let mut body = Limited::new(body, MAX_RESPONSE);
            let mut bytes = Vec::new();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| {
                    format!("the answer began with the status {status} and broke off: {error}")
                })?;
                if let Some(observer) = observer.take() {
                    observer.record(Step::StreamStarted(status));
                }
                bytes.extend_from_slice(frame.data_ref().map_or(b"", |data| data));
            }
            Ok(Answer {
                status,
                content_type: content_type.to_owned(),
                body: String::from_utf8_lossy(&bytes).into_owned(),
                took: start.elapsed(),
            })
        };
        tokio::time::timeout(limit, exchange)
            .await
            .unwrap_or_else(|_| Err("no answer in time".to_owned()))
    }
}

/// Opens a connection. It ends once the sender and the body of its last response are dropped.
pub(super) async fn connect(
    to: impl ToSocketAddrs,
) -> Result<http1::SendRequest<Full<Bytes>>, String> {
    let stream = TcpStream::connect(to).await.map_err(|error| error.to_string())?;
    let (sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    Ok(sender)
}

fn with_query(url: &Uri, query: &str) -> Result<Uri, http::Error> {
    let mut parts = url.clone().into_parts();
    parts.path_and_query = Some(format!("{}?{query}", url.path()).try_into()?);
    Ok(Uri::from_parts(parts)?)
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
