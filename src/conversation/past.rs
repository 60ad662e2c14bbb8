//! A message as it is remembered: its text, and what of it can be fetched again.

use crate::message::{Few, File, Part, Role, Turn};
use std::borrow::Cow;

/// One message of a conversation.
#[derive(Debug)]
pub struct Past {
    role: Role,
    parts: Vec<Part<'static>>,
    bytes: usize,
}

impl Past {
    /// A message of one text.
    pub fn text(role: Role, text: String) -> Self {
        let bytes = text.len();
        Self {
            role,
            parts: vec![Part::Text(text.into())],
            bytes,
        }
    }

    /// A message of several parts: texts, and what stands at a URL. The bytes of a `data:` URL, a sound or an uploaded file are
    /// not remembered.
    pub fn of(role: Role, parts: &[Part<'_>]) -> Self {
        let parts: Vec<_> = parts.iter().filter_map(kept).collect();
        let bytes = parts.iter().map(length).sum();
        Self { role, parts, bytes }
    }

    /// Who said it.
    pub fn role(&self) -> Role {
        self.role
    }

    /// As a turn of the request to an AI.
    pub fn turn(&self) -> Turn<'_> {
        Turn {
            role: self.role,
            parts: self.parts.iter().map(borrowed).collect::<Few<_>>(),
            calls: Vec::new(),
            call_id: None,
        }
    }

    /// How many bytes of text it is.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

fn is_far(url: &str) -> bool {
    url.get(..5)
        .is_none_or(|scheme| !scheme.eq_ignore_ascii_case("data:"))
}

fn kept(part: &Part<'_>) -> Option<Part<'static>> {
    let own = |text: &Cow<'_, str>| Cow::Owned(text.clone().into_owned());
    match part {
        Part::Text(text) => Some(Part::Text(own(text))),
        Part::Image { url, detail } if is_far(url) => Some(Part::Image {
            url: own(url),
            detail: detail.as_ref().map(own),
        }),
        Part::File {
            file: File::Url(url),
            filename,
            mime_type,
        } if is_far(url) => Some(Part::File {
            file: File::Url(own(url)),
            filename: filename.as_ref().map(own),
            mime_type: mime_type.as_ref().map(own),
        }),
        Part::Image { .. } | Part::File { .. } | Part::Audio { .. } => None,
    }
}

fn length(part: &Part<'_>) -> usize {
    match part {
        Part::Text(text) => text.len(),
        Part::Image { url, .. } => url.len(),
        Part::File {
            file: File::Url(url) | File::Id(url),
            ..
        } => url.len(),
        Part::Audio { data, .. } => data.len(),
    }
}

fn borrowed<'a>(part: &'a Part<'static>) -> Part<'a> {
    let lend = |text: &'a Cow<'static, str>| Cow::Borrowed(&**text);
    match part {
        Part::Text(text) => Part::Text(lend(text)),
        Part::Image { url, detail } => Part::Image {
            url: lend(url),
            detail: detail.as_ref().map(lend),
        },
        Part::File {
            file,
            filename,
            mime_type,
        } => Part::File {
            file: match file {
                File::Url(url) => File::Url(lend(url)),
                File::Id(id) => File::Id(lend(id)),
            },
            filename: filename.as_ref().map(lend),
            mime_type: mime_type.as_ref().map(lend),
        },
        Part::Audio { data, format } => Part::Audio {
            data: lend(data),
            format: lend(format),
        },
    }
}
