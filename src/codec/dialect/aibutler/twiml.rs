//! TwiML: how Twilio is told to send a message back (<https://www.twilio.com/docs/messaging/twiml>).

/// The longest message that Twilio sends, in UTF-16 units (its error 21617). A longer answer goes out as several.
const MAX_SMS_TEXT: usize = 1600;

/// Appends the document that sends `text`; an empty one sends nothing.
pub(super) fn write(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"<?xml version="1.0" encoding="UTF-8"?><Response>"#);
    let mut rest = text;
    while !rest.is_empty() {
        let (message, after) = rest.split_at(end(rest));
        out.extend_from_slice(b"<Message>");
        escape(message, out);
        out.extend_from_slice(b"</Message>");
        rest = after;
    }
    out.extend_from_slice(b"</Response>");
}

/// Where the first message of a text ends: behind the last white space that fits, or at the last character that does.
fn end(text: &str) -> usize {
    let (mut units, mut space) = (0, None);
    for (at, c) in text.char_indices() {
        units += c.len_utf16();
        if units > MAX_SMS_TEXT {
            return space.unwrap_or(at);
        }
        if c.is_whitespace() {
            space = Some(at + c.len_utf8());
        }
    }
    text.len()
}

/// Escapes character data. What XML 1.0 cannot hold (§2.2: most control characters, U+FFFE and U+FFFF) is left out.
fn escape(text: &str, out: &mut Vec<u8>) {
    for c in text.chars() {
        match c {
            '&' => out.extend_from_slice(b"&amp;"),
            '<' => out.extend_from_slice(b"&lt;"),
            '>' => out.extend_from_slice(b"&gt;"),
            // A parser would read it as a line feed.
            '\r' => out.extend_from_slice(b"&#13;"),
            '\u{fffe}' | '\u{ffff}' => {}
            c if c < ' ' && !matches!(c, '\t' | '\n') => {}
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn twiml(text: &str) -> String {
        let mut out = Vec::new();
        write(text, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_long_answer_is_cut_at_white_space_and_nothing_is_lost() {
        for text in [
            "word ".repeat(1000),
            "x".repeat(4000),
            "\u{1f600}".repeat(2000),
            format!("{} {}", "a".repeat(1599), "b".repeat(1600)),
        ] {
            let document = twiml(&text);
            let messages: Vec<_> = document
                .split("<Message>")
                .skip(1)
                .map(|rest| rest.split("</Message>").next().unwrap())
                .collect();
            assert_eq!(messages.concat(), text);
            for message in &messages {
                let units = message.encode_utf16().count();
                assert!((1..=MAX_SMS_TEXT).contains(&units), "{units}");
            }
            assert!(messages.len() <= 4, "{}", messages.len());
        }
    }
}
