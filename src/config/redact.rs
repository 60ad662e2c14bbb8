//! Which parts of a configuration may be shown: a message must never carry a secret, nor the line it stands on.

use std::ops::Range;

/// Replaces what stands in `blots` by marks of the same length in bytes and in characters, so that positions stay true.
/// References (`${env:NAME}`) say where a secret is, not what it is: they stay.
pub(crate) fn blot_out(text: &str, blots: &[Range<usize>]) -> String {
    let mut blots: Vec<_> = blots.iter().map(|blot| whole_chars(text, blot)).collect();
    blots.sort_by_key(|blot| blot.start);
    let mut out = String::with_capacity(text.len());
    let mut shown_to = 0;
    for blot in blots {
        let start = blot.start.max(shown_to);
        // One inside the last one is hidden already.
        let (Some(before), Some(secret)) = (text.get(shown_to..start), text.get(start..blot.end))
        else {
            continue;
        };
        out.push_str(before);
        push_blotted(&mut out, secret);
        shown_to = blot.end;
    }
    out.push_str(text.get(shown_to..).unwrap_or_default());
    out
}

/// The range that begins and ends inside `text` and between characters; the parser's ranges may cut one in two.
pub(crate) fn whole_chars(text: &str, range: &Range<usize>) -> Range<usize> {
    let mut start = range.start.min(text.len());
    let mut end = range.end.clamp(start, text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}

fn push_blotted(out: &mut String, secret: &str) {
    let mut rest = secret;
    while let Some(start) = rest.find("${") {
        let Some(length) = rest.get(start..).and_then(|reference| reference.find('}')) else {
            break;
        };
        let (before, reference_on) = rest.split_at(start);
        let (reference, after) = reference_on.split_at(length + 1);
        out.extend(before.chars().map(mark));
        out.push_str(reference);
        rest = after;
    }
    out.extend(rest.chars().map(mark));
}

/// A mark that takes as many bytes as the character it hides.
fn mark(hidden: char) -> char {
    match hidden.len_utf8() {
        _ if hidden.is_whitespace()
            || matches!(hidden, '"' | '\'' | ',' | '[' | ']' | '{' | '}' | '=') =>
        {
            hidden
        }
        1 => '*',
        2 => '·',
        3 => '•',
        _ => '🞄',
    }
}

/// What to hide when the text is not even TOML, so that nobody knows what in it is a secret: all but keys and headings.
pub(crate) fn values_of(text: &str) -> Vec<Range<usize>> {
    let mut blots = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let end = start + line.len();
        let heading = line.trim_start().starts_with('[')
            && line.trim_end().ends_with(']')
            && !line.contains(['"', '\'', ',']);
        if !heading {
            let key = line
                .find('=')
                .filter(|at| is_key(line.get(..*at).unwrap_or_default()))
                .map_or(0, |at| at + 1);
            if !is_plain(line.get(..key.saturating_sub(1)).unwrap_or_default()) {
                blots.push(start + key..end);
            }
        }
        start = end;
    }
    blots
}

/// Only characters of bare and dotted keys.
fn is_key(text: &str) -> bool {
    text.trim()
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b' '))
}

/// Keys whose values hold no secret and often lack their quotes.
fn is_plain(key: &str) -> bool {
    const PLAIN: [&str; 28] = [
        "http",
        "workers",
        "max_body",
        "buffer",
        "max_connections",
        "timeouts",
        "drain",
        "access_log",
        "limit",
        "listen",
        "kind",
        "timeout",
        "dialect",
        "path",
        "upstream",
        "duplicates",
        "model",
        "max_tokens",
        "price",
        "retries",
        "fallback",
        "conversation",
        "budget",
        "reply",
        "stream",
        "twiml",
        "cors",
        "allow_from",
    ];
    PLAIN.contains(&key.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blots_keep_positions_and_references() {
        let text = r#"a = "geheim€" b = "${env:A}x""#;
        let out = blot_out(text, &[4..15, 18..31]);
        assert_eq!(out, r#"a = "******•" b = "${env:A}*""#);
        assert_eq!(out.len(), text.len());
    }

    #[test]
    fn text_that_is_not_toml_shows_keys_only() {
        let text = "[bots.x]\nlimit = 60/min\nsecrets = [\n  \"hunter2\n]\ntoken = hunter2\nhunter2\nverify = { secrets = [hunter2] }\n";
        let out = blot_out(text, &values_of(text));
        assert!(!out.contains("hunter2"), "{out}");
        assert!(
            out.contains("[bots.x]\nlimit = 60/min\nsecrets = [")
                && out.contains("token = *******"),
            "{out}"
        );
    }
}
