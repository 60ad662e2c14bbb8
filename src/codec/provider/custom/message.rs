//! One message of a request: a role and a content, nothing else. Tool calls can only stand in a request that came in this very
//! shape, and that one passes through whole.

use crate::codec::message::{File, Part, Role, Turn};
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

#[derive(Serialize)]
pub(super) struct Message<'a> {
    role: &'static str,
    content: Content<'a>,
}

impl<'a> Message<'a> {
    pub(super) fn system(text: &'a str) -> Self {
        Self { role: "system", content: Content::Text(text) }
    }

    pub(super) fn of(turn: &'a Turn<'a>) -> Self {
        Self {
            role: match turn.role {
                Role::System => "system",
                Role::Developer => "developer",
                Role::User => "user",
                Role::Assistant => "assistant",
                Role::Tool => "tool",
            },
            content: match &*turn.parts {
                [] => Content::Text(""),
                [Part::Text(text)] => Content::Text(text),
                parts => Content::Parts(parts),
            },
        }
    }
}

/// A lone text is a string, as in the seed.
enum Content<'a> {
    Text(&'a str),
    Parts(&'a [Part<'a>]),
}

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Parts(parts) => {
                let mut pieces = serializer.serialize_seq(Some(parts.len()))?;
                for part in *parts {
                    pieces.serialize_element(&Piece::of(part))?;
                }
                pieces.end()
            }
        }
    }
}

/// Text, image and audio in OpenAI's shapes, which the seed refers to; a file in the shape of the seed's own attachments.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Piece<'a> {
    Text { text: &'a str },
    ImageUrl { image_url: Image<'a> },
    File { file: Attached<'a> },
    InputAudio { input_audio: Sound<'a> },
}

#[derive(Serialize)]
struct Image<'a> {
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

#[derive(Serialize)]
struct Attached<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mime_type: Option<&'a str>,
}

#[derive(Serialize)]
struct Sound<'a> {
    data: &'a str,
    format: &'a str,
}

impl<'a> Piece<'a> {
    fn of(part: &'a Part<'a>) -> Self {
        match part {
            Part::Text(text) => Self::Text { text },
            Part::Image { url, detail } => {
                Self::ImageUrl { image_url: Image { url, detail: detail.as_deref() } }
            }
            Part::File { file, filename, mime_type } => {
                let (url, file_id) = match file {
                    File::Url(url) => (Some(&**url), None),
                    File::Id(id) => (None, Some(&**id)),
                };
                Self::File {
                    file: Attached {
                        url,
                        file_id,
                        filename: filename.as_deref(),
                        mime_type: mime_type.as_deref(),
                    },
                }
            }
            Part::Audio { data, format } => {
                Self::InputAudio { input_audio: Sound { data, format } }
            }
        }
    }
}
