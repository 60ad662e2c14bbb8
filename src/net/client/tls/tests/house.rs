//! A rustls server with certificates made for the purpose, and a pool that leads to it.

use crate::net::client::tls::{Roots, Tls};
use crate::net::client::{
    ERROR_WORDS, Frames, Outgoing, Pool, Target, Timeouts, UpstreamError, collect, send,
};
use crate::net::timers::Timers;
use crate::telemetry::metrics::Metrics;
use http::HeaderMap;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType};
use rcgen::{IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// An authority of our own.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(super) fn new() -> Self {
        Self::named("Test Authority")
    }

    pub(super) fn named(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(super) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A server whose certificate is for `name` in these years.
    pub(super) fn server(&self, name: &str, years: (i32, i32)) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(years.0, 1, 1);
        params.not_after = date_time_ymd(years.1, 1, 1);
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }

    pub(super) fn tls(&self, host: &str) -> Tls {
        Roots::default().connector(Some(self.pem().as_bytes()), host).unwrap()
    }
}

pub(super) const NOW: (i32, i32) = (2020, 2120);

/// A pool that speaks TLS to a listener here, under timers that stand still until they are moved.
pub(super) struct CertificateAuthority {
    pub(super) listener: TcpListener,
    pub(super) pool: Rc<Pool>,
    pub(super) timers: Rc<Timers>,
}

impl CertificateAuthority {
    pub(super) async fn new(tls: Tls) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let long = Duration::from_secs(3600);
        let target = Target {
            host: "127.0.0.1".to_owned(),
            port: listener.local_addr().unwrap().port(),
            tls: Some(tls),
            address_policy: None,
            max_connections: 4,
            timeouts: Timeouts { connect: long, first_byte: long, idle: long, total: 2 * long },
        };
        let metrics = Metrics::new(1, &[], &ERROR_WORDS);
        let cells = metrics.upstream(&metrics.workers()[0], "back");
        Self { listener, pool: Pool::new(target, 1, cells), timers: Rc::default() }
    }

    /// Sends a request with this body and gathers the answer's.
    pub(super) async fn call(&self, body: &[u8]) -> Result<Vec<u8>, UpstreamError> {
        let length = body.len();
        let frames = Frames::new(vec![body.to_vec().into()], None);
        let request = Outgoing::new(false, frames, HeaderMap::new(), |_, out| {
            out.extend_from_slice(
                format!("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: {length}\r\n\r\n")
                    .as_bytes(),
            );
        });
        let timer = Rc::new(self.timers.timer());
        let response = send(&self.pool, request, &timer, None, None).await?;
        let mut got = Vec::new();
        collect(response.into_body(), 1 << 20, &mut got).await?;
        Ok(got)
    }

    pub(super) async fn accept(
        &self,
        acceptor: &TlsAcceptor,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let socket = self.listener.accept().await.unwrap().0;
        acceptor.accept(socket).await
    }
}

/// Reads a request whose body has `length` bytes and answers with these.
pub(super) async fn answer(stream: &mut TlsStream<TcpStream>, length: usize, response: &[u8]) {
    let mut seen = Vec::new();
    let end = loop {
        assert!(stream.read_buf(&mut seen).await.unwrap() > 0, "it closed");
        if let Some(end) = seen.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    while seen.len() < end + length {
        assert!(stream.read_buf(&mut seen).await.unwrap() > 0, "it closed");
    }
    stream.write_all(response).await.unwrap();
    stream.flush().await.unwrap();
}
