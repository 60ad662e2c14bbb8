//! Header fields that concern one connection alone (RFC 9110 §7.6.1): no message takes them further.

/// Whether a field, by its lower-case name, is hop-by-hop whatever `Connection` says.
pub fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

/// Whether a `Connection` value lists this option or field.
pub fn connection_lists(connection: &[u8], name: &str) -> bool {
    let options = connection.split(|&b| b == b',');
    options.map(<[u8]>::trim_ascii).any(|option| option.eq_ignore_ascii_case(name.as_bytes()))
}
