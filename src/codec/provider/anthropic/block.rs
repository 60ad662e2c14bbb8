//! One block of a message as Anthropic takes it, or what is wrong with the part that it comes from.

use crate::codec::message::{File, Part, Role, Turn};
use crate::codec::provider::data_url;
use crate::codec::provider::position::PartPosition;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::ser::{Error as _, SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use std::borrow::Cow;

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block<'a> {
    Text {
        text: &'a str,
    },
    Image {
        source: Source<'a>,
    },
    Document {
        source: Source<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'a str>,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: &'a str,
        input: Input<'a>,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        content: Option<Parts<'a>>,
    },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Source<'a> {
    Base64 { media_type: &'a str, data: &'a str },
    Text { media_type: &'static str, data: String },
    Url { url: &'a str },
    File { file_id: &'a str },
}

/// The arguments of a call as the object that they must be; text that is none stands under `_raw`.
pub(super) struct Input<'a>(pub &'a str);

impl Serialize for Input<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.0.trim();
        if text.is_empty() {
            return serializer.serialize_map(Some(0))?.end();
        }
        match serde_json::from_str::<&RawValue>(text) {
            Ok(object) if text.starts_with('{') => object.serialize(serializer),
            _ => serializer.collect_map([("_raw", self.0)]),
        }
    }
}

/// What a tool gave.
pub(super) struct Parts<'a>(pub &'a Turn<'a>, pub PartPosition);

impl Serialize for Parts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut blocks = serializer.serialize_seq(None)?;
        parts(&mut blocks, self.0, self.1)?;
        blocks.end()
    }
}

/// The parts of one turn; text of white space alone is left out, since it is refused.
pub(super) fn parts<S: SerializeSeq>(
    blocks: &mut S,
    turn: &Turn<'_>,
    spot: PartPosition,
) -> Result<(), S::Error> {
    for (at, part) in turn.parts.iter().enumerate() {
        if !matches!(part, Part::Text(text) if is_blank(text)) {
            let block = block(part, spot.at(at)).map_err(S::Error::custom)?;
            blocks.serialize_element(&block)?;
        }
    }
    Ok(())
}

pub(super) fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// The part as Anthropic takes it.
///
/// # Errors
/// What is wrong, in words for the caller.
fn block<'a>(part: &'a Part<'a>, spot: PartPosition) -> Result<Block<'a>, String> {
    let taken = match part {
        Part::Text(text) => return Ok(Block::Text { text }),
        _ if !matches!(spot.role, Role::User | Role::Tool) => {
            Err("only a user's or a tool's message may hold more than text")
        }
        Part::Image { url, .. } => image(url),
        Part::File { file, filename, mime_type } => {
            document(file, filename.as_deref(), mime_type.as_deref())
        }
        Part::Audio { .. } => Err("this AI takes no audio"),
    };
    taken.or_else(|what| {
        let text = spot.instead(what)?;
        Ok(Block::Text { text })
    })
}

fn image(url: &str) -> Result<Block<'_>, &'static str> {
    let source = match data_url::parse(url) {
        Some(data) => {
            let data = data?;
            let media_type = data.image().ok_or("an image must be a PNG, JPEG, GIF or WebP")?;
            let data = data.data;
            Source::Base64 { media_type, data }
        }
        None if data_url::is_https(url) => Source::Url { url },
        None => return Err("an image's URL must be https: or data:"),
    };
    Ok(Block::Image { source })
}

fn document<'a>(
    file: &'a File<'a>,
    filename: Option<&'a str>,
    mime_type: Option<&'a str>,
) -> Result<Block<'a>, &'static str> {
    let title = filename.filter(|name| !name.trim().is_empty());
    let is_image = mime_type.is_some_and(data_url::is_image);
    let url = match file {
        File::Id(file_id) => {
            let source = Source::File { file_id };
            return Ok(match is_image {
                true => Block::Image { source },
                false => Block::Document { source, title },
            });
        }
        File::Url(url) => url,
    };
    let source = match data_url::parse(url) {
        Some(data) => {
            let data = data?;
            let kind = data.media_type;
            if data_url::is_image(kind) {
                return image(url);
            }
            if kind.eq_ignore_ascii_case(PDF) {
                Source::Base64 { media_type: PDF, data: data.data }
            } else if data_url::is_text(kind) {
                Source::Text { media_type: "text/plain", data: text(data.data)? }
            } else {
                return Err("this AI takes PDF, text and images, no other file");
            }
        }
        None if is_image => return image(url),
        None if !data_url::is_https(url) => return Err("a file's URL must be https: or data:"),
        None if is_pdf(url, filename, mime_type) => Source::Url { url },
        None => return Err("this AI fetches PDF and images only; send text as a data: URL"),
    };
    Ok(Block::Document { source, title })
}

const PDF: &str = "application/pdf";

/// Whether what a URL leads to is a PDF, as far as can be told from here.
fn is_pdf(url: &str, filename: Option<&str>, mime_type: Option<&str>) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    match mime_type {
        Some(kind) => {
            kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(PDF))
        }
        None => [filename.unwrap_or_default(), path]
            .iter()
            .any(|name| name.to_ascii_lowercase().ends_with(".pdf")),
    }
}

/// The text of a file.
fn text(data: &str) -> Result<String, &'static str> {
    let bytes = STANDARD.decode(data).map_err(|_| "its data: URL is not valid base64")?;
    let text = String::from_utf8(bytes).map_err(|_| "its text is not UTF-8")?;
    match text.trim().is_empty() {
        true => Err("its text is empty"),
        false => Ok(text),
    }
}
