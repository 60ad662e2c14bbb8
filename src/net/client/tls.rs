//! TLS towards an upstream: whom it is believed, and what it means that a handshake failed.
//!
//! The certificates that the system trusts are read at run time, so that they stay as fresh as the system keeps them; they are
//! verified by rustls alone.

#[cfg(test)]
mod tests;

use ring::digest::{Context, SHA256};
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use std::fmt;
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Sessions that one set of roots keeps for resumption, for all its hosts and workers.
const MAX_SESSIONS: usize = 256;

/// Whom TLS trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// Certificates beside the platform's own: PEM text.
    pub ca: Option<String>,
}

/// How to speak TLS to one host.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    /// SHA-256 of the roots, the system's too: what tells one configuration from another across a reload.
    roots: Digest,
}

type Digest = [u8; 32];

impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.roots == other.roots
    }
}

impl Eq for Tls {}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tls").field(&self.name).finish()
    }
}

/// Why TLS to an upstream cannot be set up. The words are for the one who wrote the configuration.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Nothing in it begins like a certificate.
    #[error("there is no certificate in `ca`: it must hold one or more in PEM form")]
    Empty,
    /// What is in it is no PEM, or no certificate.
    #[error("certificate {0} in `ca` cannot be read: it must be X.509 in PEM form")]
    Unreadable(usize),
    /// Neither the system nor `ca` says whom to trust.
    #[error(
        "this system has no root certificates: install its package `ca-certificates`, or name a file of them in `ca`"
    )]
    Rootless,
    /// Neither a DNS name nor an address.
    #[error("no certificate can be for the host `{0}`: it is neither a DNS name nor an address")]
    Host(String),
    /// The library refuses.
    #[error("TLS cannot be set up: {0}")]
    Library(#[from] rustls::Error),
}

/// The roots of one configuration: the system's, read once, with each distinct `ca` on top.
#[derive(Debug, Default)]
pub struct Roots {
    system: Option<Vec<CertificateDer<'static>>>,
    made: Vec<CachedConfig>,
}

#[derive(Debug)]
struct CachedConfig {
    ca: Option<Vec<u8>>,
    roots: Digest,
    config: Arc<ClientConfig>,
}

impl Roots {
    /// How to speak TLS to `host`, a name or an address without brackets, trusting the system's roots and those in `ca`, a PEM
    /// text. One configuration and its sessions serve all hosts with the same `ca`. Reads files: not for a worker's thread.
    pub fn connector(&mut self, ca: Option<&[u8]>, host: &str) -> Result<Tls, TlsError> {
        let name = ServerName::try_from(host).map_err(|_| TlsError::Host(host.to_owned()))?;
        let name = name.to_owned();
        let known = self.made.iter().find(|made| made.ca.as_deref() == ca);
        if let Some(made) = known {
            return Ok(made.tls(name));
        }
        let system =
            self.system.get_or_insert_with(|| rustls_native_certs::load_native_certs().certs);
        let mut digest = Context::new(&SHA256);
        let mut store = RootCertStore::empty();
        for certificate in &*system {
            // One that rustls cannot use is the system's affair; its others still serve.
            if store.add(certificate.clone()).is_ok() {
                digest.update(certificate);
            }
        }
        if let Some(ca) = ca {
            extra(ca, &mut store)?;
            digest.update(ca);
        }
        if store.is_empty() {
            return Err(TlsError::Rootless);
        }
        let mut roots = Digest::default();
        roots.copy_from_slice(digest.finish().as_ref());
        let made =
            CachedConfig { ca: ca.map(<[u8]>::to_vec), roots, config: Arc::new(config(store)?) };
        let tls = made.tls(name);
        self.made.push(made);
        Ok(tls)
    }
}

impl CachedConfig {
    fn tls(&self, name: ServerName<'static>) -> Tls {
        Tls { config: self.config.clone(), name, roots: self.roots }
    }
}

/// Adds the certificates of a PEM text to `store`.
fn extra(ca: &[u8], store: &mut RootCertStore) -> Result<(), TlsError> {
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(ca) {
        count += 1;
        let added = certificate.is_ok_and(|certificate| store.add(certificate).is_ok());
        if !added {
            return Err(TlsError::Unreadable(count));
        }
    }
    if count == 0 {
        return Err(TlsError::Empty);
    }
    Ok(())
}

fn config(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::in_memory_sessions(MAX_SESSIONS);
    Ok(config)
}

impl Tls {
    /// The handshake, over a fresh connection.
    pub(super) async fn handshake(
        &self,
        socket: TcpStream,
    ) -> Result<TlsStream<TcpStream>, HandshakeError> {
        let connector = TlsConnector::from(self.config.clone());
        Ok(connector.connect(self.name.clone(), socket).await?)
    }
}

/// A handshake that failed.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The certificate is for another name.
    #[error("the certificate is not for this host: {0}")]
    Name(#[source] io::Error),
    /// It has expired, or is not valid yet.
    #[error("the certificate is not valid now: {0}")]
    Expired(#[source] io::Error),
    /// No root that is trusted vouches for it.
    #[error("the certificate's issuer is not trusted: {0}")]
    Issuer(#[source] io::Error),
    /// Anything else: an alert, another protocol, a close.
    #[error("the TLS handshake failed: {0}")]
    Other(#[source] io::Error),
}

impl HandshakeError {
    /// The word for logs and metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Name(_) => "tls_name",
            Self::Expired(_) => "tls_expired",
            Self::Issuer(_) => "tls_issuer",
            Self::Other(_) => "tls",
        }
    }
}

impl From<io::Error> for HandshakeError {
    fn from(error: io::Error) -> Self {
        use CertificateError::{
            BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext,
            NotValidYet, NotValidYetContext, UnknownIssuer,
        };
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match inner {
            Some(rustls::Error::InvalidCertificate(fault)) => match fault {
                NotValidForName | NotValidForNameContext { .. } => Self::Name(error),
                Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. } => {
                    Self::Expired(error)
                }
                // A root of that name is trusted, but it is not the one that signed.
                UnknownIssuer | BadSignature => Self::Issuer(error),
                _ => Self::Other(error),
            },
            _ => Self::Other(error),
        }
    }
}
