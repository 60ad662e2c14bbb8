//! Header values with places left open: `{bot}`, `{user}`, `{conversation}`, `{channel}`, filled in for each request.

use http::HeaderName;
use std::fmt;

/// The longest text that is put into a place, in bytes: an id, not a story.
const MAX_HEADER_VALUE: usize = 1024;

/// A header field whose value is filled in for each request.
#[derive(Clone, Debug)]
pub struct HeaderTemplate {
    /// Its name.
    pub name: HeaderName,
    /// Its value.
    pub value: ValueTemplate,
}

/// A header's value with places left open. What stands between them may be a secret: `Debug` shows the places alone.
#[derive(Clone)]
pub struct ValueTemplate {
    pieces: Vec<Segment>,
}

#[derive(Clone)]
enum Segment {
    Text(Box<[u8]>),
    Place(Placeholder),
}

/// Which name goes into a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placeholder {
    /// The bot's id.
    Bot,
    /// The user's id.
    User,
    /// The conversation's id.
    Conversation,
    /// The channel's id.
    Channel,
}

/// What goes into the places of one request; what is absent leaves its place empty.
#[derive(Clone, Copy, Debug)]
pub struct PlaceholderValues<'a> {
    /// The bot's id.
    pub bot: &'a str,
    /// The user's id.
    pub user: Option<&'a str>,
    /// The conversation's id.
    pub conversation: Option<&'a str>,
    /// The channel's id.
    pub channel: Option<&'a str>,
}

/// A name that a header cannot carry: one with control characters, or one that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {} cannot stand in a header: it has control characters or over {MAX_HEADER_VALUE} bytes", .0.word())]
pub struct InvalidHeaderValue(pub Placeholder);

impl ValueTemplate {
    /// Reads a value. `None` where it holds a byte that would break a header, or that no proxy on the way is sure to keep.
    pub fn parse(text: &str) -> Option<Self> {
        if !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return None;
        }
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if let Some(place) = Placeholder::ALL.into_iter().find(|p| rest.starts_with(p.token()))
            {
                if !plain.is_empty() {
                    pieces.push(Segment::Text(std::mem::take(&mut plain).into_bytes().into()));
                }
                pieces.push(Segment::Place(place));
                rest = rest.get(place.token().len()..).unwrap_or_default();
            } else {
                plain.push(first);
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
            }
        }
        if !plain.is_empty() {
            pieces.push(Segment::Text(plain.into_bytes().into()));
        }
        Some(Self { pieces })
    }

    /// Appends the value for one request; nothing is appended where a name cannot stand in a header.
    ///
    /// # Errors
    /// Which name that is.
    pub fn write(
        &self,
        names: &PlaceholderValues<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), InvalidHeaderValue> {
        let start = out.len();
        for piece in &self.pieces {
            match piece {
                Segment::Text(text) => out.extend_from_slice(text),
                Segment::Place(place) => {
                    let name = place.of(names).unwrap_or_default().as_bytes();
                    if name.len() > MAX_HEADER_VALUE || name.iter().any(u8::is_ascii_control) {
                        out.truncate(start);
                        return Err(InvalidHeaderValue(*place));
                    }
                    out.extend_from_slice(name);
                }
            }
        }
        Ok(())
    }

    /// The places in it, in their order.
    pub fn placeholders(&self) -> impl Iterator<Item = Placeholder> {
        self.pieces.iter().filter_map(|piece| match piece {
            Segment::Place(place) => Some(*place),
            Segment::Text(_) => None,
        })
    }
}

impl Placeholder {
    const ALL: [Self; 4] = [Self::Bot, Self::User, Self::Conversation, Self::Channel];

    /// How it is written in a configuration.
    pub fn token(self) -> &'static str {
        match self {
            Self::Bot => "{bot}",
            Self::User => "{user}",
            Self::Conversation => "{conversation}",
            Self::Channel => "{channel}",
        }
    }

    /// What an error calls it.
    fn word(self) -> &'static str {
        self.token().trim_matches(['{', '}'])
    }

    fn of<'a>(self, names: &PlaceholderValues<'a>) -> Option<&'a str> {
        match self {
            Self::Bot => Some(names.bot),
            Self::User => names.user,
            Self::Conversation => names.conversation,
            Self::Channel => names.channel,
        }
    }
}

impl fmt::Debug for ValueTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Filled").field(&self.placeholders().collect::<Vec<_>>()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, names: &PlaceholderValues<'_>) -> Result<String, InvalidHeaderValue> {
        let mut out = b"kept".to_vec();
        let done = ValueTemplate::parse(text).unwrap().write(names, &mut out);
        let text = String::from_utf8(out).unwrap();
        match done {
            Ok(()) => Ok(text.strip_prefix("kept").unwrap().to_owned()),
            Err(unfit) => {
                assert_eq!(text, "kept");
                Err(unfit)
            }
        }
    }

    #[test]
    fn places_are_filled_and_the_rest_stays() {
        let names = PlaceholderValues {
            bot: "bt_1",
            user: Some("Jörg"),
            conversation: None,
            channel: Some("{bot}"),
        };
        for (text, expected) in [
            ("", ""),
            ("plain {x} {bot", "plain {x} {bot"),
            ("{bot}", "bt_1"),
            ("a{bot}{user}-{channel}!", "abt_1Jörg-{bot}!"),
            ("<{conversation}>", "<>"),
            ("{{bot}}", "{bt_1}"),
        ] {
            assert_eq!(written(text, &names).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_would_break_a_header_is_refused() {
        let long = "x".repeat(MAX_HEADER_VALUE + 1);
        for user in ["a\r\nX-Evil: 1", "a\nb", "\0", "\u{7f}", "\t", &long] {
            let names =
                PlaceholderValues { bot: "b", user: Some(user), conversation: None, channel: None };
            assert_eq!(written("{bot} {user}", &names), Err(InvalidHeaderValue(Placeholder::User)));
            assert_eq!(written("{bot}", &names).as_deref(), Ok("b"));
        }
        for text in ["a\r\nb", "a\0", "é", "\t"] {
            assert!(ValueTemplate::parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn debug_shows_places_alone() {
        let shown = format!("{:?}", ValueTemplate::parse("Bearer hunter2 {bot}").unwrap());
        assert_eq!(shown, "Filled([Bot])");
        assert!(InvalidHeaderValue(Placeholder::User).to_string().contains("the user cannot"));
    }
}
