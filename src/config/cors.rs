//! `cors`: the pages that may call from a browser.

use super::parse::ValueError;
use super::reader::Reading;
use super::schema_types::shown;
use crate::proxy::bot::Cors;

/// Reads the list at `path`. `proven`: the bot asks its callers for a proof.
pub(crate) fn cors(
    reading: &mut Reading<'_>,
    path: &str,
    written: Option<&[String]>,
    proven: bool,
) -> Option<Cors> {
    let written = written?;
    if !written.iter().any(|origin| origin == "*") {
        let mut origins = reading.values(path, written, origin);
        origins.sort_unstable();
        origins.dedup();
        return Some(Cors { any: false, origins });
    }
    if written.len() > 1 {
        reading.error(
            path,
            format!("`{}`: \"*\" stands for every page, so it stands alone", shown(path)),
            "write [\"*\"], or only the pages that may call",
        );
    } else if !proven {
        reading.error(
            path,
            format!(
                "`{}`: with preset = \"none\" any page in the world could drive this bot",
                shown(path)
            ),
            "name the pages that may call, or ask for a proof: verify = { preset = \"bearer\", secrets = [\"${env:BOT_SECRET}\"] }",
        );
    }
    Some(Cors { any: true, origins: Vec::new() })
}

/// `https://chat.example`, as a browser writes it (RFC 6454 §6.2): in lower case, without the scheme's own port.
fn origin(text: &str) -> Result<String, ValueError> {
    let not_one = || {
        ValueError::new(
            "not an origin",
            "write scheme, host and perhaps a port, and no more: \"https://chat.example\" or \"http://localhost:3000\"",
        )
    };
    let lower = text.to_ascii_lowercase();
    let (scheme, authority) = lower.split_once("://").ok_or_else(not_one)?;
    let scheme_is_right = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let port_is_right = port.is_none_or(|port| {
        !port.starts_with('0')
            && port.bytes().all(|byte| byte.is_ascii_digit())
            && port.parse::<u16>().is_ok()
    });
    let host_is_right = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            matches!(host.len(), 1..=253)
                && host
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
        }
    };
    if !(scheme_is_right && port_is_right && host_is_right) {
        return Err(not_one());
    }
    let own_port = match scheme {
        "https" => Some("443"),
        "http" => Some("80"),
        _ => None,
    };
    if port.is_some() && port == own_port {
        return Ok(format!("{scheme}://{host}"));
    }
    Ok(lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_those_that_browsers_send() {
        for (text, expected) in [
            ("https://chat.example", "https://chat.example"),
            ("HTTPS://Chat.Example:443", "https://chat.example"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://127.0.0.1:80", "http://127.0.0.1"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("https://[::1]", "https://[::1]"),
            ("https://a.example:80", "https://a.example:80"),
            ("capacitor://localhost", "capacitor://localhost"),
        ] {
            assert_eq!(origin(text).as_deref(), Ok(expected), "{text}");
        }
        for text in [
            "",
            "null",
            "*",
            "chat.example",
            "https://",
            "https://chat.example/",
            "https://chat.example/a",
            "https://chat.example?",
            "https://*.example",
            "https://user@chat.example",
            "https://chat.example:",
            "https://chat.example:0",
            "https://chat.example:65536",
            "https://chat.example:+1",
            "https://[::1",
            "https://[x]",
            "https://é.example",
            "1http://a",
            "://a",
            "https://a b",
        ] {
            assert!(origin(text).is_err(), "{text}");
        }
    }
}
