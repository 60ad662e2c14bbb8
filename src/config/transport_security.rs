//! Who may listen on the way to an upstream or a receiver: plain HTTP only where the way is one's own, certificates only where they
//! are checked.

use super::parse::ValueError;
use super::reader::Reading;
use super::schema_types::shown;
use super::url::Backend;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::Path;

/// The largest file of certificates, in bytes: all that a platform trusts has some 250 KiB.
const MAX_CA_FILE: u64 = 1024 * 1024;
/// Names under which no public host is found (RFC 6761 §6.3, RFC 6762 §3, ICANN's reservation of 2024).
const PRIVATE_ENDS: [&str; 3] = [".localhost", ".local", ".internal"];

/// Notes what does not go together: TLS and what is said about it, plain HTTP and a public address.
pub(crate) fn check(
    reading: &mut Reading<'_>,
    path: &str,
    allow_http: Option<bool>,
    has_ca: bool,
    backend: &Backend,
) {
    let allowed = allow_http == Some(true);
    if backend.tls {
        if allowed {
            reading.error(
                &format!("{path}.allow_http"),
                format!("`{}.allow_http` has no meaning for an https:// URL", shown(path)),
                "leave it out",
            );
        }
        return;
    }
    if has_ca {
        reading.error(
            &format!("{path}.ca"),
            format!(
                "`{}.ca` has no meaning for an http:// URL: no certificate is shown there",
                shown(path)
            ),
            "write https://, or leave it out",
        );
    }
    if !allowed && !is_near(&backend.host) {
        reading.error(
            &format!("{path}.url"),
            format!("`{}.url`: over plain http everyone on the way to a public address can read and change what is said", shown(path)),
            "write https://, or allow_http = true where the whole way is your own",
        );
    }
}

/// Whether a host is on this machine or in a private network, as far as its name or address tells.
fn is_near(host: &str) -> bool {
    if let Ok(address) = host.parse::<IpAddr>() {
        return match address.to_canonical() {
            IpAddr::V4(address) => {
                let [a, b, ..] = address.octets();
                // Shared address space (RFC 6598), as the networks of clouds and containers use it.
                let shared = a == 100 && (64..128).contains(&b);
                address.is_loopback()
                    || address.is_private()
                    || address.is_link_local()
                    || address.is_unspecified()
                    || shared
            }
            IpAddr::V6(address) => {
                address.is_loopback()
                    || address.is_unique_local()
                    || address.is_unicast_link_local()
                    || address.is_unspecified()
            }
        };
    }
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    !name.contains('.') || PRIVATE_ENDS.iter().any(|end| name.ends_with(end))
}

/// The text of the file that `ca` names: certificates in PEM.
pub(crate) fn ca(reading: &mut Reading<'_>, path: &str, written: Option<&str>) -> Option<String> {
    let path = format!("{path}.ca");
    let file = reading.file(written?);
    reading.value(&path, written, |_| {
        let text = read(&file)?;
        check_pem(&text)?;
        Ok(text)
    })
}

fn read(file: &Path) -> Result<String, ValueError> {
    let unreadable = |error: std::io::Error| {
        ValueError::new(
            format!("cannot read the file: {error}"),
            "write a path that this process may read; a relative one starts at the configuration file",
        )
    };
    // A pipe or a device could block for ever or never end.
    if !std::fs::metadata(file).map_err(unreadable)?.is_file() {
        return Err(ValueError::new("not a file", "write the path of a plain file"));
    }
    let mut text = String::new();
    std::fs::File::open(file)
        .and_then(|file| file.take(MAX_CA_FILE + 1).read_to_string(&mut text))
        .map_err(unreadable)?;
    if text.len() as u64 > MAX_CA_FILE {
        return Err(ValueError::new(
            "over 1 MiB of certificates",
            "name a file with only those that are needed here",
        ));
    }
    Ok(text)
}

/// At least one certificate, and each of them whole: base64 between its marks (RFC 7468), DER inside.
fn check_pem(text: &str) -> Result<(), ValueError> {
    let fix = "name a file of certificates in PEM: -----BEGIN CERTIFICATE----- and what follows";
    let mut rest = text;
    let mut count = 0;
    while let Some((_, from)) = rest.split_once("-----BEGIN CERTIFICATE-----") {
        let broken = || ValueError::new("a certificate that is broken", fix);
        let (inside, after) = from.split_once("-----END CERTIFICATE-----").ok_or_else(broken)?;
        let base64: String = inside.split_ascii_whitespace().collect();
        let der = STANDARD.decode(base64).map_err(|_| broken())?;
        // A SEQUENCE: every certificate is one.
        if der.first() != Some(&0x30) {
            return Err(broken());
        }
        count += 1;
        rest = after;
    }
    match count {
        0 => Err(ValueError::new("no certificate in this file", fix)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_hosts_may_be_plain() {
        for host in [
            "127.0.0.1",
            "::1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.1.1",
            "100.64.0.1",
            "0.0.0.0",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
            "localhost",
            "backend",
            "backend.",
            "a.localhost",
            "x.y.internal",
            "PRINTER.LOCAL",
            "svc.ns.svc.cluster.local",
        ] {
            assert!(is_near(host), "{host}");
        }
        for host in [
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "2001:db8::1",
            "::ffff:8.8.8.8",
            "example.com",
            "localhost.example.com",
            "api.openai.com",
            "mylocal.host",
            "a.internal.example",
        ] {
            assert!(!is_near(host), "{host}");
        }
    }

    #[test]
    fn certificates_are_whole() {
        let pem = |body: &str| {
            format!("# a comment\n-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
        };
        let good = pem("MIIB\nAAAA");
        assert!(check_pem(&good).is_ok() && check_pem(&format!("{good}\r\n{good}")).is_ok());
        for text in [
            "",
            "MIIB",
            &pem(""),
            &pem("!"),
            &pem("AAAA"),
            &format!("{good}{}", pem("=")),
            &good.replace("-----END", ""),
            &good.replace("CERTIFICATE", "PRIVATE KEY"),
        ] {
            assert!(check_pem(text).is_err(), "{text}");
        }
    }
}
