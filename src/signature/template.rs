//! The signed bytes as a template: literal text and `{tokens}`.

use super::field::FieldPath;
use http::HeaderName;

const MAX_TEMPLATE: usize = 1024;

/// One piece of the signed bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Body,
    Timestamp,
    Id,
    Method,
    Url,
    UrlHubspot,
    FormSorted,
    Header(HeaderName),
    /// An index into the template's fields.
    Field(usize),
}

/// The signed bytes, read from `signed`.
#[derive(Clone, Debug, Default)]
pub(super) struct Template {
    /// What stands before the only `{body}`; everything where there is none, or more than one.
    pub(super) before: Vec<Piece>,
    /// What follows it, the `{body}` itself first.
    pub(super) from_body: Vec<Piece>,
    /// The fields of the body that stand in the template, each once.
    pub(super) fields: Vec<FieldPath>,
}

impl Template {
    /// Reads a template of up to 1 KiB; the error is a sentence for its author.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_TEMPLATE {
            return Err(format!("is longer than {MAX_TEMPLATE} bytes"));
        }
        let mut pieces = Vec::new();
        let mut fields: Vec<FieldPath> = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find(['{', '}']) {
            let (literal, from) = rest.split_at(open);
            if !literal.is_empty() {
                pieces.push(Piece::Text(literal.to_owned()));
            }
            let token = from.strip_prefix('{').ok_or("has a `}` without its `{`")?;
            let (token, after) = token.split_once('}').ok_or("has a `{` without its `}`")?;
            pieces.push(piece(token, &mut fields)?);
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        if pieces.is_empty() {
            return Err("is empty".to_owned());
        }
        let mut bodies =
            pieces.iter().enumerate().filter(|(_, piece)| **piece == Piece::Body).map(|(at, _)| at);
        let from_body = match (bodies.next(), bodies.next()) {
            (Some(at), None) => pieces.split_off(at),
            _ => Vec::new(),
        };
        Ok(Self { before: pieces, from_body, fields })
    }

    pub(super) fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.before.iter().chain(&self.from_body)
    }

    pub(super) fn has(&self, piece: &Piece) -> bool {
        self.pieces().any(|other| other == piece)
    }

    pub(super) fn has_url(&self) -> bool {
        self.has(&Piece::Url) || self.has(&Piece::UrlHubspot)
    }

    /// Whether everything but the body itself is known from the head, so that the body can be hashed as it arrives.
    pub(super) fn streams(&self) -> bool {
        !self.from_body.is_empty()
            && !self.pieces().any(|piece| matches!(piece, Piece::FormSorted | Piece::Field(_)))
    }
}

fn piece(token: &str, fields: &mut Vec<FieldPath>) -> Result<Piece, String> {
    Ok(match token {
        "body" => Piece::Body,
        "timestamp" => Piece::Timestamp,
        "id" => Piece::Id,
        "method" => Piece::Method,
        "url" => Piece::Url,
        "url_hubspot" => Piece::UrlHubspot,
        "form_sorted" => Piece::FormSorted,
        _ => match token.split_once(':') {
            Some(("header", name)) => Piece::Header(
                name.parse().map_err(|_| format!("names a header {name:?} that cannot be one"))?,
            ),
            Some(("json", path)) => {
                let path = FieldPath::parse(path)
                    .ok_or_else(|| format!("has a path {path:?} that cannot be one"))?;
                let at = fields.iter().position(|known| *known == path).unwrap_or_else(|| {
                    fields.push(path);
                    fields.len() - 1
                });
                Piece::Field(at)
            }
            _ => return Err(format!("has a token {{{token}}} that is not known")),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_at_the_body() {
        let template = Template::parse("v0:{timestamp}:{body}.{json:a.b}{json:a.b}").unwrap();
        assert_eq!(
            template.before,
            [Piece::Text("v0:".into()), Piece::Timestamp, Piece::Text(":".into())]
        );
        assert_eq!(
            template.from_body,
            [Piece::Body, Piece::Text(".".into()), Piece::Field(0), Piece::Field(0)]
        );
        assert!(!template.streams());
        assert!(Template::parse("{id}.{body}").unwrap().streams());
        assert!(!Template::parse("{body}{body}").unwrap().streams());
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, part) in [
            ("", "empty"),
            ("{body", "without its `}`"),
            ("body}", "without its `{`"),
            ("{Body}", "{Body}"),
            ("{header:a b}", "a b"),
            ("{json:}", "path"),
            (&"x".repeat(1025), "longer"),
        ] {
            let error = Template::parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
