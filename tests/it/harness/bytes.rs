//! Bytes as the case files write them.

/// Writes out `{{text*n}}` and `{{0xff}}`.
pub(crate) fn expand(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let (inside, after) = after.split_once("}}").unwrap();
        bytes.extend_from_slice(before.as_bytes());
        match inside.rsplit_once('*') {
            Some((part, times)) => bytes.extend(part.repeat(times.parse().unwrap()).into_bytes()),
            None => bytes.push(u8::from_str_radix(inside.strip_prefix("0x").unwrap(), 16).unwrap()),
        }
        rest = after;
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}
